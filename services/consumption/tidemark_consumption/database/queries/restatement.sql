-- A change of a closed period is applied, and leaves a row with what was before, what is now, and why (SPEC W7, 9).

-- name: close_contract_periods(ids)!
-- Before the terms of these contracts change: their periods that have a statement.
INSERT INTO closed_periods (contract_id, period_start, period_end, scale_divisor)
SELECT
  statement.contract_id, statement.period_start, coalesce(period.period_end, statement.period_end),
  contract.scale_divisor
FROM statements AS statement
JOIN contracts AS contract USING (contract_id)
LEFT JOIN periods AS period USING (contract_id, period_start)
WHERE statement.contract_id = ANY(:ids::uuid[])
ON CONFLICT DO NOTHING;

-- name: close_changed_periods(except_contracts, moment)^
-- The closed periods that have a delta, except those of some contracts: closed by the clock, or by a statement. Gives
-- their contracts, and whether there is any closed period at all.
WITH changed_periods AS MATERIALIZED (
  SELECT DISTINCT contract_id, period_start
  FROM deltas
  WHERE counts AND contract_id <> ALL(:except_contracts::uuid[])
),
changed_contracts AS MATERIALIZED (
  SELECT
    contract.contract_id, contract.scale_divisor,
    first_open_day(
      contract.status, contract.timezone, contract.activated_at, contract.settle_days, :moment
    ) AS open_day
  FROM (SELECT DISTINCT contract_id FROM changed_periods) AS changed_contract
  JOIN contracts AS contract USING (contract_id)
),
new_closed_periods AS (
  INSERT INTO closed_periods (contract_id, period_start, period_end, scale_divisor)
  SELECT period.contract_id, period.period_start, period.period_end, contract.scale_divisor
  FROM changed_contracts AS contract
  JOIN changed_periods USING (contract_id)
  JOIN periods AS period USING (contract_id, period_start)
  LEFT JOIN statements AS statement USING (contract_id, period_start)
  WHERE period.period_end < contract.open_day OR statement.number IS NOT NULL
  ON CONFLICT DO NOTHING
  RETURNING contract_id
)
SELECT
  ARRAY(SELECT DISTINCT contract_id FROM new_closed_periods) AS contracts,
  (SELECT count(*) FROM new_closed_periods) + (SELECT count(*) FROM closed_periods) > 0 AS has_closed_periods;

-- name: restate(moment)
-- One row for each cause and each figure of an account that it changed; each row begins where the one before ended.
-- Gives the rows with the statement that each corrects: every closed period has one.
WITH cause_deltas AS (
  SELECT
    delta.contract_id, delta.account_id, delta.period_start, closed_period.period_end, closed_period.scale_divisor,
    delta.cause, delta.batch, delta.record_offset, sum(delta.seconds) AS seconds, sum(delta.amount) AS amount
  FROM deltas AS delta
  JOIN closed_periods AS closed_period USING (contract_id, period_start)
  WHERE delta.counts
  GROUP BY
    delta.contract_id, delta.account_id, delta.period_start, closed_period.period_end, closed_period.scale_divisor,
    delta.cause, delta.batch, delta.record_offset
),
totals_before AS (
  SELECT contract_id, account_id, period_start, sum(seconds) AS seconds, sum(amount) AS amount
  FROM account_team_totals
  JOIN closed_periods USING (contract_id, period_start)
  GROUP BY contract_id, account_id, period_start
),
changes AS (
  SELECT
    delta.contract_id, delta.account_id, delta.period_start, delta.period_end, delta.scale_divisor, delta.cause,
    delta.batch, delta.record_offset, delta.seconds, delta.amount,
    coalesce(total.seconds, 0) + sum(delta.seconds) OVER earlier AS after_seconds,
    coalesce(total.amount, 0) + sum(delta.amount) OVER earlier AS after_amount
  FROM cause_deltas AS delta
  LEFT JOIN totals_before AS total USING (contract_id, account_id, period_start)
  WINDOW earlier AS (
    PARTITION BY delta.contract_id, delta.account_id, delta.period_start
    ORDER BY delta.batch, delta.record_offset, delta.cause COLLATE "C"
  )
),
restated AS (
  INSERT INTO restatements (
    contract_id, account_id, period_start, period_end, before_seconds, after_seconds, before_amount, after_amount,
    cause, restated_at
  )
  SELECT
    change.contract_id, change.account_id, change.period_start, change.period_end,
    change.after_seconds - change.seconds, change.after_seconds,
    CASE WHEN change.scale_divisor <> 1 THEN change.after_amount - change.amount END,
    CASE WHEN contract.scale_divisor <> 1 THEN change.after_amount END,
    change.cause, :moment
  FROM changes AS change
  JOIN contracts AS contract USING (contract_id)
  -- Only where the displayed figure changes.
  WHERE change.seconds <> 0
    OR half_even(change.after_amount - change.amount, 3600) <> half_even(change.after_amount, 3600)
  ORDER BY
    change.batch, change.record_offset, change.cause COLLATE "C", change.contract_id, change.account_id,
    change.period_start
  RETURNING
    restatement, contract_id, account_id, period_start, period_end, before_seconds, after_seconds, before_amount,
    after_amount, cause, restated_at
)
SELECT
  restated.restatement, restated.contract_id, contract.code AS contract_code, statement.number AS statement_number,
  statement.sha256 AS statement_sha256, restated.period_start, restated.period_end, restated.account_id,
  account_name(restated.contract_id, restated.account_id) AS account_name,
  is_billable(restated.contract_id, restated.account_id, statement.body) AS billable, restated.before_seconds,
  restated.after_seconds,
  as_minor(restated.before_amount, 3600) AS before_amount_minor,
  as_minor(restated.after_amount, 3600) AS after_amount_minor, contract.currency, restated.cause,
  restated.restated_at
FROM restated
JOIN statements AS statement USING (contract_id, period_start)
JOIN contracts AS contract USING (contract_id)
ORDER BY restated.restatement;
