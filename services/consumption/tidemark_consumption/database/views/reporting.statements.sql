-- One row for each settled period of a contract: the figures that were frozen, billable accounts only.
-- depends: hours
CREATE OR REPLACE VIEW reporting.statements AS
SELECT
  statement.contract_id, contract.code AS contract_code, statement.number AS statement_number, statement.period_start,
  statement.period_end,
  CASE frozen.unit WHEN 'seconds' THEN frozen.planned END AS planned_seconds,
  frozen.seconds AS consumed_seconds,
  hours(frozen.seconds) AS consumed_hours,
  frozen.unrated_seconds,
  CASE frozen.unit WHEN 'minor' THEN frozen.planned END AS planned_amount_minor,
  frozen.amount_minor AS consumed_amount_minor,
  frozen.currency,
  frozen.percent,
  frozen.worklog_count,
  CASE frozen.unit WHEN 'seconds' THEN frozen.carried END AS carried_seconds,
  CASE frozen.unit WHEN 'seconds' THEN frozen.available END AS available_seconds,
  CASE frozen.unit WHEN 'minor' THEN frozen.carried END AS carried_amount_minor,
  CASE frozen.unit WHEN 'minor' THEN frozen.available END AS available_amount_minor,
  (
    SELECT count(*)
    FROM restatements AS restatement
    WHERE restatement.contract_id = statement.contract_id AND restatement.period_start = statement.period_start
      AND restatement.restatement > statement.last_restatement
  ) AS restatement_count,
  statement.as_of, statement.closed_at, statement.sha256, statement.body::jsonb AS body
FROM statements AS statement
JOIN contracts AS contract USING (contract_id)
CROSS JOIN LATERAL (SELECT statement.body::jsonb AS body) AS parsed
CROSS JOIN LATERAL (
  SELECT
    parsed.body ->> 'unit' AS unit, parsed.body ->> 'currency' AS currency,
    (parsed.body #>> '{figures,planned}')::bigint AS planned, (parsed.body #>> '{figures,seconds}')::bigint AS seconds,
    (parsed.body #>> '{figures,amount_minor}')::bigint AS amount_minor,
    (parsed.body #>> '{figures,unrated_seconds}')::bigint AS unrated_seconds,
    (parsed.body #>> '{figures,percent}')::numeric AS percent,
    (parsed.body #>> '{figures,worklogs}')::bigint AS worklog_count,
    (parsed.body #>> '{figures,carried}')::bigint AS carried,
    (parsed.body #>> '{figures,available}')::bigint AS available
) AS frozen;
COMMENT ON VIEW reporting.statements IS
'One row for each settled period of a contract: its figures as they were frozen, billable accounts only.';
