-- A worklog that is not logged yet, counted in the shadow tables of the session: see `check.py`. `consumption.` names
-- the real tables, which are only read.

-- name: shadow_checked_tables()$
-- The tables that a fold of worklogs writes. It reads all others where they are.
SELECT shadow_tables(ARRAY[
  'worklogs', 'former_versions', 'ratings', 'account_team_totals', 'daily_totals', 'unaccounted_totals', 'balances'
]);

-- name: checked_issues(issue, source)
-- The issues with this id or, where there is none, with this key; with the time zone of their contract.
WITH named AS MATERIALIZED (
  SELECT source, issue_id FROM issues WHERE issue_id = :issue AND (:source::text IS NULL OR source = :source)
),
keyed AS MATERIALIZED (
  SELECT issue.source, issue.issue_id
  FROM fact_log AS link
  JOIN issues AS issue
    ON issue.source = link.source AND issue.issue_id = link.issue_id
    AND issue.batch = link.batch AND issue.record_offset = link.record_offset
  WHERE link.kind = 'linked' AND link.issue_key = :issue AND (:source::text IS NULL OR link.source = :source)
    AND NOT EXISTS (SELECT FROM named)
)
SELECT issue.source, issue.issue_id, contract.timezone
FROM (
  SELECT source, issue_id FROM named
  UNION ALL
  SELECT source, issue_id FROM keyed
) AS found
JOIN issues AS issue USING (source, issue_id)
LEFT JOIN contract_refs AS contract_ref ON contract_ref.ref = issue.contract_ref
LEFT JOIN contracts AS contract ON contract.contract_id = contract_ref.contract_id
ORDER BY issue.source COLLATE "C";

-- name: stage_checked(source, worklog_id, issue_id, author_id, team_id, started_at, seconds)!
-- The newest version of the worklog, and copies of what it can change: the work of its person on that day in any time
-- zone, its own former version with the work of that day, and the totals of both contracts.
WITH former AS MATERIALIZED (
  SELECT author_id, day, contract_id FROM consumption.worklogs WHERE source = :source AND worklog_id = :worklog_id
),
person_days (author_id, day) AS MATERIALIZED (
  SELECT :author_id, (:started_at::timestamptz AT TIME ZONE 'UTC')::date + distance
  FROM generate_series(-1, 1) AS distance
  UNION
  SELECT author_id, day FROM former
),
copied AS MATERIALIZED (
  SELECT worklog.source, worklog.worklog_id
  FROM person_days AS person_day
  JOIN consumption.worklogs AS worklog ON worklog.author_id = person_day.author_id AND worklog.day = person_day.day
  UNION
  SELECT :source, :worklog_id
),
checked_contracts AS MATERIALIZED (
  SELECT contract_ref.contract_id
  FROM issues AS issue
  JOIN contract_refs AS contract_ref ON contract_ref.ref = issue.contract_ref
  WHERE issue.source = :source AND issue.issue_id = :issue_id
  UNION
  SELECT contract_id FROM former WHERE contract_id IS NOT NULL
),
staged_worklog AS (
  INSERT INTO batch_worklogs (
    batch, record_offset, source, worklog_id, issue_id, author_id, team_ref, started_at, seconds, deleted, changed_at
  )
  VALUES (
    0, 0, :source, :worklog_id, :issue_id, :author_id, :team_id, :started_at, :seconds, FALSE, 'infinity'
  )
),
copied_worklogs AS (
  INSERT INTO worklogs (
    source, worklog_id, issue_id, author_id, started_at, seconds, team_ref, deleted, changed_at, batch, record_offset,
    contract_id, account_id, team_id, period_start, day, reason
  )
  SELECT
    source, worklog_id, issue_id, author_id, started_at, seconds, team_ref, deleted, changed_at, batch, record_offset,
    contract_id, account_id, team_id, period_start, day, reason
  FROM copied
  JOIN consumption.worklogs USING (source, worklog_id)
),
copied_ratings AS (
  INSERT INTO ratings (
    source, worklog_id, contract_id, account_id, team_id, period_start, day, author_id, amount, unrated_seconds
  )
  SELECT
    source, worklog_id, contract_id, account_id, team_id, period_start, day, author_id, amount, unrated_seconds
  FROM copied
  JOIN consumption.ratings USING (source, worklog_id)
),
copied_account_team_totals AS (
  INSERT INTO account_team_totals (
    contract_id, account_id, team_id, period_start, seconds, amount, unrated_seconds, worklog_count
  )
  SELECT contract_id, account_id, team_id, period_start, seconds, amount, unrated_seconds, worklog_count
  FROM checked_contracts
  JOIN consumption.account_team_totals USING (contract_id)
),
copied_daily_totals AS (
  INSERT INTO daily_totals (
    contract_id, account_id, team_id, period_start, day, seconds, amount, unrated_seconds, worklog_count
  )
  SELECT contract_id, account_id, team_id, period_start, day, seconds, amount, unrated_seconds, worklog_count
  FROM checked_contracts
  JOIN consumption.daily_totals USING (contract_id)
),
copied_unaccounted_totals AS (
  INSERT INTO unaccounted_totals (contract_id, reason, seconds, worklog_count)
  SELECT contract_id, reason, seconds, worklog_count
  FROM checked_contracts
  JOIN consumption.unaccounted_totals USING (contract_id)
)
INSERT INTO balances (
  contract_id, revision, published_revision, day, correlation_id, updated_at, published_at, traceparent
)
SELECT contract_id, revision, published_revision, day, correlation_id, updated_at, published_at, traceparent
FROM checked_contracts
JOIN consumption.balances USING (contract_id);

-- name: checked_attributions(source, worklog_id)
-- Where the staged worklog would count, and then where its former version counts. `period_begins` is a moment of the
-- first day of the period.
SELECT
  attribution.is_former, attribution.reason, attribution.contract_id, contract.code AS contract_code,
  contract.name AS contract_name, contract.scale_divisor, attribution.account_id, account.name AS account_name,
  account.billable, attribution.team_id, team.name AS team_name, attribution.period_start, period.period_end,
  attribution.day,
  attribution.period_start::timestamp AT TIME ZONE contract.timezone AS period_begins
FROM (
  SELECT FALSE AS is_former, contract_id, account_id, team_id, period_start, day, reason
  FROM attributions
  UNION ALL
  SELECT TRUE, contract_id, account_id, team_id, period_start, day, reason
  FROM worklogs
  WHERE source = :source AND worklog_id = :worklog_id AND NOT deleted
) AS attribution
LEFT JOIN contracts AS contract ON contract.contract_id = attribution.contract_id
LEFT JOIN accounts AS account
  ON account.contract_id = attribution.contract_id AND account.account_id = attribution.account_id
LEFT JOIN teams AS team ON team.team_id = attribution.team_id
LEFT JOIN periods AS period
  ON period.contract_id = attribution.contract_id AND period.period_start = attribution.period_start
ORDER BY attribution.is_former;

-- name: checked_balance(contract, moment)$
-- The balance of a contract as it is published; null where a draft was discarded.
SELECT balance(:contract, :moment, FALSE)::text;

-- name: checked_rates(source, worklog_id)
-- Fixed price: the parts of the worklog, each at its rate. None where no rate card fits.
SELECT part.kind, part.seconds, part.per_hour AS per_hour_minor, part.seconds::numeric * part.per_hour AS amount_exact
FROM rated_worklogs AS work
CROSS JOIN LATERAL (
  VALUES
  (work.kind, work.kind_seconds, work.kind_per_hour),
  ('extra_time', work.seconds - work.kind_seconds, work.extra_time_per_hour)
) AS part (kind, seconds, per_hour)
WHERE work.source = :source AND work.worklog_id = :worklog_id AND work.rate_card_id IS NOT NULL AND part.seconds > 0;
