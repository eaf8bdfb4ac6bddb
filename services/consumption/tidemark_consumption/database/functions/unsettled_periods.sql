-- The closed periods of these contracts (null: of all) that have no statement.
-- depends: first_open_day
CREATE OR REPLACE FUNCTION unsettled_periods(of_contracts uuid[], moment timestamptz)
RETURNS TABLE (contract_id uuid, stream_version integer, period_start date, period_end date)
LANGUAGE sql STABLE
AS $$
  SELECT contract.contract_id, contract.stream_version, period.period_start, period.period_end
  FROM (
    -- Two branches, because a plan for all parameters would read all contracts for the condition "null or one of these".
    SELECT listed.* FROM contracts AS listed WHERE listed.contract_id = ANY(of_contracts)
    UNION ALL
    SELECT every.* FROM contracts AS every WHERE of_contracts IS NULL
  ) AS contract
  JOIN periods AS period ON period.contract_id = contract.contract_id
  WHERE period.period_end < first_open_day(
    contract.status, contract.timezone, contract.activated_at, contract.settle_days, moment
  )
  AND NOT EXISTS (
    SELECT FROM statements AS statement
    WHERE statement.contract_id = period.contract_id AND statement.period_start = period.period_start
  )
$$;
