-- name: contract(reference)
-- A contract by its id or code: ids come before codes.
SELECT *
FROM reporting.contracts
WHERE contract_code = :reference OR contract_id::text = :reference
ORDER BY contract_id::text = :reference DESC
LIMIT 1;

-- name: period(contract_id, today)
-- The current one: the first that has not ended or, when all have, the last.
SELECT *
FROM reporting.contract_periods
WHERE contract_id = :contract_id
ORDER BY
  period_end >= :today DESC,
  CASE WHEN period_end >= :today THEN period_start END,
  period_start DESC
LIMIT 1;

-- name: accounts(contract_id, period_start)
SELECT *
FROM reporting.account_consumption
WHERE contract_id = :contract_id AND period_start = :period_start
ORDER BY billable DESC, account_name;

-- name: slices(contract_id, period_start)
SELECT *
FROM reporting.slice_consumption
WHERE contract_id = :contract_id AND period_start = :period_start
ORDER BY team_name NULLS LAST;
