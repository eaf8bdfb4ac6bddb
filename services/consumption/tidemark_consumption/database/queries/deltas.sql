-- From facts to deltas: what counted before and what counts now.

-- name: backdated_facts(batches, moment)
SELECT
  batch, record_offset, kind, source, issue_id, worklog_id, author_id, former_issue_id, former_author_id, is_fixed_price
FROM backdated_facts(:batches, :moment);

-- name: fold_links(batches, first_batch, first_offset, end_batch, end_offset)^
-- The last writer of each link. Gives the issues whose link changed, and the record that changed it.
WITH links AS (
  INSERT INTO issues AS issue (
    source, issue_id, contract_ref, account_ref, created_at, changed_at, batch, record_offset
  )
  SELECT DISTINCT ON (source, issue_id)
    source, issue_id, contract_ref, account_ref, created_at, changed_at, batch, record_offset
  FROM fact_log
  WHERE batch = ANY(:batches::bigint[]) AND kind = 'linked'
    AND (batch, record_offset) >= (:first_batch, :first_offset) AND (batch, record_offset) < (:end_batch, :end_offset)
  ORDER BY source, issue_id, changed_at DESC, digest DESC, batch, record_offset
  ON CONFLICT (source, issue_id) DO UPDATE SET
    contract_ref = excluded.contract_ref, account_ref = excluded.account_ref, created_at = excluded.created_at,
    changed_at = excluded.changed_at, batch = excluded.batch, record_offset = excluded.record_offset
  WHERE excluded.changed_at > issue.changed_at
    OR (
      excluded.changed_at = issue.changed_at
      AND fact_digest(excluded.batch, excluded.record_offset) > fact_digest(issue.batch, issue.record_offset)
    )
  RETURNING
    issue.source, issue.issue_id, issue.batch, issue.record_offset,
    (old.contract_ref, old.account_ref, old.created_at)
      IS DISTINCT FROM (new.contract_ref, new.account_ref, new.created_at) AS is_changed
)
SELECT
  coalesce(array_agg(source), '{}') AS sources, coalesce(array_agg(issue_id), '{}') AS issues,
  coalesce(array_agg(batch), '{}') AS batches, coalesce(array_agg(record_offset), '{}') AS offsets
FROM links
WHERE is_changed;

-- name: fold_worklogs()!
-- The last writer of each worklog, with its attribution. What counted before and what counts now become deltas.
WITH changes AS (
  INSERT INTO worklogs AS worklog (
    source, worklog_id, issue_id, author_id, started_at, seconds, team_ref, deleted, changed_at, batch, record_offset,
    contract_id, account_id, team_id, period_start, day, reason
  )
  SELECT
    source, worklog_id, issue_id, author_id, started_at, seconds, team_ref, deleted, changed_at, batch, record_offset,
    contract_id, account_id, team_id, period_start, day, reason
  FROM attributions
  ON CONFLICT (source, worklog_id) DO UPDATE SET
    issue_id = excluded.issue_id, author_id = excluded.author_id, started_at = excluded.started_at,
    seconds = excluded.seconds, team_ref = excluded.team_ref, deleted = excluded.deleted,
    changed_at = excluded.changed_at, batch = excluded.batch, record_offset = excluded.record_offset,
    contract_id = excluded.contract_id, account_id = excluded.account_id, team_id = excluded.team_id,
    period_start = excluded.period_start, day = excluded.day, reason = excluded.reason
  WHERE (excluded.changed_at, excluded.deleted) > (worklog.changed_at, worklog.deleted)
    OR (
      (excluded.changed_at, excluded.deleted) = (worklog.changed_at, worklog.deleted)
      AND fact_digest(excluded.batch, excluded.record_offset) > fact_digest(worklog.batch, worklog.record_offset)
    )
  RETURNING
    old.contract_id AS old_contract_id, old.account_id AS old_account_id, old.team_id AS old_team_id,
    old.period_start AS old_period_start, old.day AS old_day, old.reason AS old_reason, old.author_id AS old_author_id,
    old.seconds AS old_seconds, NOT old.deleted AS had_work, old.issue_id AS old_issue_id,
    old.batch AS old_batch, old.record_offset AS old_record_offset,
    new.source, new.worklog_id, new.contract_id, new.account_id, new.team_id, new.period_start, new.day, new.reason,
    new.author_id, new.seconds, new.deleted, new.batch, new.record_offset
),
replaced_versions AS (
  INSERT INTO former_versions (source, worklog_id, issue_id, batch, record_offset)
  SELECT source, worklog_id, old_issue_id, old_batch, old_record_offset
  FROM changes
  WHERE old_batch IS NOT NULL
  ON CONFLICT DO NOTHING
)
INSERT INTO deltas (
  contract_id, account_id, team_id, period_start, day, reason, author_id, seconds, amount, unrated_seconds,
  worklog_count, cause, batch, record_offset
)
SELECT
  old_contract_id, old_account_id, old_team_id, old_period_start, old_day, old_reason, old_author_id,
  -old_seconds, 0, 0, -1, 'worklog:' || source || '/' || worklog_id, batch, record_offset
FROM changes WHERE had_work
UNION ALL
SELECT
  contract_id, account_id, team_id, period_start, day, reason, author_id,
  seconds, 0, 0, 1, 'worklog:' || source || '/' || worklog_id, batch, record_offset
FROM changes WHERE NOT deleted;

-- name: reattribute()!
-- Stored work, attributed again. Where the attribution changes, the worklog moves from one total to another.
WITH changes AS (
  UPDATE worklogs AS worklog
  SET contract_id = attribution.contract_id, account_id = attribution.account_id, team_id = attribution.team_id,
    period_start = attribution.period_start, day = attribution.day, reason = attribution.reason
  FROM attributions AS attribution
  WHERE worklog.source = attribution.source AND worklog.worklog_id = attribution.worklog_id
    AND (
      worklog.contract_id, worklog.account_id, worklog.team_id, worklog.period_start, worklog.day, worklog.reason
    ) IS DISTINCT FROM (
      attribution.contract_id, attribution.account_id, attribution.team_id, attribution.period_start, attribution.day,
      attribution.reason
    )
  RETURNING
    old.contract_id AS old_contract_id, old.account_id AS old_account_id, old.team_id AS old_team_id,
    old.period_start AS old_period_start, old.day AS old_day, old.reason AS old_reason,
    new.contract_id, new.account_id, new.team_id, new.period_start, new.day, new.reason, new.author_id, new.seconds,
    attribution.cause, attribution.batch, attribution.record_offset
)
INSERT INTO deltas (
  contract_id, account_id, team_id, period_start, day, reason, author_id, seconds, amount, unrated_seconds,
  worklog_count, cause, batch, record_offset
)
SELECT
  old_contract_id, old_account_id, old_team_id, old_period_start, old_day, old_reason, author_id,
  -seconds, 0, 0, -1, cause, batch, record_offset
FROM changes
UNION ALL
SELECT
  contract_id, account_id, team_id, period_start, day, reason, author_id, seconds, 0, 0, 1, cause, batch, record_offset
FROM changes;
