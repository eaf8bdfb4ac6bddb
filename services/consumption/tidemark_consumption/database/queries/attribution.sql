-- What each worklog counts towards, or the reason why it does not count (SPEC W1, W4, W5).

-- name: create_attributions_view()#
-- The attribution of each row of `batch_worklogs`. What many worklogs have in common is computed once: the terms of an
-- issue, the team of a person on a day, the period of a day.
CREATE OR REPLACE TEMPORARY VIEW attributions AS
WITH issue_terms AS MATERIALIZED (
  SELECT
    issue.source, issue.issue_id, issue.contract_ref, contract.contract_id, contract.status, contract.scale_divisor,
    contract.timezone, account.account_id,
    CASE
      WHEN contract.scale_divisor <> 1 THEN (issue.created_at AT TIME ZONE contract.timezone)::date
    END AS issue_day
  FROM (SELECT DISTINCT source, issue_id FROM batch_worklogs WHERE NOT deleted) AS batch_issue
  JOIN issues AS issue USING (source, issue_id)
  LEFT JOIN contract_refs AS contract_ref ON contract_ref.ref = issue.contract_ref
  LEFT JOIN contracts AS contract ON contract.contract_id = contract_ref.contract_id
  LEFT JOIN account_refs AS account_ref
    ON account_ref.contract_id = contract.contract_id AND account_ref.ref = issue.account_ref
  LEFT JOIN accounts AS account
    ON account.contract_id = account_ref.contract_id AND account.account_id = account_ref.account_id
),
worklog_terms AS MATERIALIZED (
  SELECT
    worklog.batch, worklog.record_offset, worklog.cause, worklog.source, worklog.worklog_id, worklog.issue_id,
    worklog.author_id, worklog.team_ref, worklog.started_at, worklog.seconds, worklog.deleted, worklog.changed_at,
    issue.contract_ref, issue.contract_id, issue.status, issue.account_id, local.day,
    -- The governing date (SPEC W1): of the work, or of the issue.
    CASE issue.scale_divisor WHEN 1 THEN local.day ELSE issue.issue_day END AS governing_day
  FROM batch_worklogs AS worklog
  LEFT JOIN issue_terms AS issue
    ON issue.source = worklog.source AND issue.issue_id = worklog.issue_id AND NOT worklog.deleted
  CROSS JOIN LATERAL (SELECT (worklog.started_at AT TIME ZONE issue.timezone)::date AS day) AS local
),
person_teams AS MATERIALIZED (
  SELECT DISTINCT ON (work.contract_id, work.account_id, work.author_id, work.day)
    work.contract_id, work.account_id, work.author_id, work.day, team.team_id
  FROM (
    SELECT DISTINCT contract_id, account_id, author_id, day FROM worklog_terms WHERE account_id IS NOT NULL
  ) AS work
  JOIN account_teams AS team ON team.contract_id = work.contract_id AND team.account_id = work.account_id
  JOIN memberships AS membership
    ON membership.team_id = team.team_id AND membership.person_id = work.author_id
    AND work.day BETWEEN membership.first_day AND membership.last_day
  ORDER BY work.contract_id, work.account_id, work.author_id, work.day, team.position
),
governing_periods AS MATERIALIZED (
  SELECT work.contract_id, work.governing_day, period.period_start
  FROM (SELECT DISTINCT contract_id, governing_day FROM worklog_terms) AS work
  JOIN periods AS period
    ON period.contract_id = work.contract_id AND work.governing_day BETWEEN period.period_start AND period.period_end
)
SELECT
  worklog.batch, worklog.record_offset, worklog.cause, worklog.source, worklog.worklog_id, worklog.issue_id,
  worklog.author_id, worklog.team_ref, worklog.started_at, worklog.seconds, worklog.deleted, worklog.changed_at,
  worklog.contract_id, worklog.account_id,
  CASE
    WHEN period.period_start IS NOT NULL THEN coalesce(worklog_team.team_id, person_team.team_id)
  END AS team_id,
  period.period_start,
  worklog.day,
  CASE
    WHEN worklog.deleted THEN NULL
    WHEN worklog.contract_ref IS NULL THEN 'issue_not_linked'
    WHEN worklog.contract_id IS NULL THEN 'contract_unknown'
    WHEN worklog.account_id IS NULL THEN 'account_unknown'
    WHEN worklog.status = 'DRAFT' THEN 'contract_draft'
    WHEN worklog.status = 'INACTIVE' THEN 'contract_inactive'
    WHEN worklog.governing_day IS NULL THEN 'issue_undated'
    WHEN period.period_start IS NULL THEN 'outside_dates'
  END AS reason
FROM worklog_terms AS worklog
LEFT JOIN account_teams AS worklog_team
  ON worklog_team.contract_id = worklog.contract_id AND worklog_team.account_id = worklog.account_id
  AND worklog_team.team_id::text = worklog.team_ref
LEFT JOIN person_teams AS person_team
  ON person_team.contract_id = worklog.contract_id AND person_team.account_id = worklog.account_id
  AND person_team.author_id = worklog.author_id AND person_team.day = worklog.day
LEFT JOIN governing_periods AS period
  ON period.contract_id = worklog.contract_id AND period.governing_day = worklog.governing_day;

-- name: stage_facts(batches, first_batch, first_offset, end_batch, end_offset)!
-- The newest version of each worklog in the batches; of equal versions the first.
INSERT INTO batch_worklogs (
  batch, record_offset, source, worklog_id, issue_id, author_id, team_ref, started_at, seconds, deleted, changed_at
)
SELECT DISTINCT ON (source, worklog_id)
  batch, record_offset, source, worklog_id, issue_id, author_id, team_ref, started_at, seconds, kind = 'deleted',
  changed_at
FROM fact_log
WHERE batch = ANY(:batches::bigint[]) AND kind <> 'linked'
  AND (batch, record_offset) >= (:first_batch, :first_offset) AND (batch, record_offset) < (:end_batch, :end_offset)
ORDER BY source, worklog_id, changed_at DESC, kind = 'deleted' DESC, digest DESC, batch, record_offset;

-- name: stage_issues(sources, issues, batches, offsets)!
-- The work on issues whose link changed.
INSERT INTO batch_worklogs (
  batch, record_offset, cause, source, worklog_id, issue_id, author_id, team_ref, started_at, seconds, deleted,
  changed_at
)
SELECT
  issue.batch, issue.record_offset, 'issue:' || issue.source || '/' || issue.issue_id, worklog.source,
  worklog.worklog_id, worklog.issue_id, worklog.author_id, worklog.team_ref, worklog.started_at, worklog.seconds, FALSE,
  worklog.changed_at
FROM unnest(:sources::text[], :issues::text[], :batches::bigint[], :offsets::bigint[])
  AS issue (source, issue_id, batch, record_offset)
JOIN worklogs AS worklog ON worklog.source = issue.source AND worklog.issue_id = issue.issue_id
WHERE NOT worklog.deleted;

-- name: stage_contracts(refs, versions)!
-- The work whose links name one of these contracts, and the version that now decides.
INSERT INTO batch_worklogs (
  cause, source, worklog_id, issue_id, author_id, team_ref, started_at, seconds, deleted, changed_at
)
SELECT
  'contract:' || contract.version, worklog.source, worklog.worklog_id, worklog.issue_id, worklog.author_id,
  worklog.team_ref, worklog.started_at, worklog.seconds, FALSE, worklog.changed_at
FROM unnest(:refs::text[], :versions::integer[]) AS contract (ref, version)
JOIN issues AS issue ON issue.contract_ref = contract.ref
JOIN worklogs AS worklog ON worklog.source = issue.source AND worklog.issue_id = issue.issue_id
WHERE NOT worklog.deleted;

-- name: stage_members(teams, persons)!
-- The work of each person in contracts that have the team.
INSERT INTO batch_worklogs (
  cause, source, worklog_id, issue_id, author_id, team_ref, started_at, seconds, deleted, changed_at
)
SELECT
  'membership:' || member.team_id || '/' || member.person_id, worklog.source, worklog.worklog_id, worklog.issue_id,
  worklog.author_id, worklog.team_ref, worklog.started_at, worklog.seconds, FALSE, worklog.changed_at
FROM unnest(:teams::uuid[], :persons::text[]) AS member (team_id, person_id)
JOIN worklogs AS worklog ON worklog.author_id = member.person_id
WHERE NOT worklog.deleted
  AND EXISTS (
    SELECT FROM account_teams AS team
    WHERE team.team_id = member.team_id AND team.contract_id = worklog.contract_id
  );
