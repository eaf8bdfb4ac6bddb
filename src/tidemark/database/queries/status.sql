-- name: find_contract(reference)
-- A contract by its id or code; a match by id comes first.
SELECT
  contract_id, contract_code, contract_name, status, timezone, recurrence, planned_seconds, consumed_seconds, percent
FROM reporting.contracts
WHERE contract_code = :reference OR contract_id::text = :reference
ORDER BY contract_id::text = :reference DESC
LIMIT 1;

-- name: current_period(contract_id, today)
-- The first period that has not ended, or the last period if all have ended.
SELECT period_start, period_end, planned_seconds, consumed_seconds, percent
FROM reporting.contract_periods
WHERE contract_id = :contract_id
ORDER BY
  period_end >= :today DESC,
  CASE WHEN period_end >= :today THEN period_start END,
  period_start DESC
LIMIT 1;

-- name: list_accounts(contract_id, period_start)
SELECT account_id, account_name, billable, planned_seconds, consumed_seconds, percent
FROM reporting.account_consumption
WHERE contract_id = :contract_id AND period_start = :period_start
ORDER BY billable DESC, account_name;

-- name: list_slices(contract_id, period_start)
SELECT account_id, team_name, planned_seconds, consumed_seconds, percent
FROM reporting.slice_consumption
WHERE contract_id = :contract_id AND period_start = :period_start
ORDER BY team_name NULLS LAST;
