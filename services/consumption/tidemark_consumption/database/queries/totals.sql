-- From deltas to totals.

-- name: add_to_totals()!
-- The work that counts, by day and then by period.
WITH daily_deltas AS MATERIALIZED (
  SELECT
    contract_id, account_id, team_id, period_start, day, sum(seconds) AS seconds, sum(amount) AS amount,
    sum(unrated_seconds) AS unrated_seconds, sum(worklog_count) AS worklog_count
  FROM deltas
  WHERE counts
  GROUP BY contract_id, account_id, team_id, period_start, day
),
changed_daily_totals AS (
  INSERT INTO daily_totals AS total (
    contract_id, account_id, team_id, period_start, day, seconds, amount, unrated_seconds, worklog_count
  )
  SELECT contract_id, account_id, team_id, period_start, day, seconds, amount, unrated_seconds, worklog_count
  FROM daily_deltas
  WHERE (seconds, amount, unrated_seconds, worklog_count) <> (0, 0, 0, 0)
  ON CONFLICT (contract_id, account_id, team_id, period_start, day) DO UPDATE SET
    seconds = total.seconds + excluded.seconds, amount = total.amount + excluded.amount,
    unrated_seconds = total.unrated_seconds + excluded.unrated_seconds,
    worklog_count = total.worklog_count + excluded.worklog_count
)
INSERT INTO account_team_totals AS total (
  contract_id, account_id, team_id, period_start, seconds, amount, unrated_seconds, worklog_count
)
SELECT contract_id, account_id, team_id, period_start, seconds, amount, unrated_seconds, worklog_count
FROM (
  SELECT
    contract_id, account_id, team_id, period_start, sum(seconds) AS seconds, sum(amount) AS amount,
    sum(unrated_seconds) AS unrated_seconds, sum(worklog_count) AS worklog_count
  FROM daily_deltas
  GROUP BY contract_id, account_id, team_id, period_start
) AS period_delta
WHERE (seconds, amount, unrated_seconds, worklog_count) <> (0, 0, 0, 0)
ON CONFLICT (contract_id, account_id, team_id, period_start) DO UPDATE SET
  seconds = total.seconds + excluded.seconds, amount = total.amount + excluded.amount,
  unrated_seconds = total.unrated_seconds + excluded.unrated_seconds,
  worklog_count = total.worklog_count + excluded.worklog_count;

-- name: add_to_unaccounted_totals()!
WITH reason_deltas AS (
  SELECT contract_id, reason, sum(seconds) AS seconds, sum(worklog_count) AS worklog_count
  FROM deltas
  WHERE NOT counts AND contract_id IS NOT NULL
  GROUP BY contract_id, reason
  HAVING sum(seconds) <> 0 OR sum(worklog_count) <> 0
)
INSERT INTO unaccounted_totals AS total (contract_id, reason, seconds, worklog_count)
SELECT contract_id, reason, seconds, worklog_count FROM reason_deltas
ON CONFLICT (contract_id, reason) DO UPDATE
SET seconds = total.seconds + excluded.seconds, worklog_count = total.worklog_count + excluded.worklog_count;

-- name: delete_empty_totals()!
-- A total without work has no row, so the rows do not depend on the order of the facts. Only totals that were
-- subtracted from can be empty.
WITH reduced_contracts AS MATERIALIZED (SELECT DISTINCT contract_id FROM deltas WHERE worklog_count < 0),
empty_account_team_totals AS (
  DELETE FROM account_team_totals
  WHERE worklog_count = 0 AND contract_id IN (SELECT contract_id FROM reduced_contracts)
),
empty_daily_totals AS (
  DELETE FROM daily_totals WHERE worklog_count = 0 AND contract_id IN (SELECT contract_id FROM reduced_contracts)
)
DELETE FROM unaccounted_totals
WHERE worklog_count = 0 AND contract_id IN (SELECT contract_id FROM reduced_contracts);
