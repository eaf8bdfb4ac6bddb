-- One row for each contract and period, billable accounts only.
-- depends: as_seconds, hours, as_minor, decimal_amount, percent, period_figures
CREATE OR REPLACE VIEW reporting.contract_periods AS
SELECT
  contract.contract_id, contract.code AS contract_code, figure.period_start, figure.period_end,
  as_seconds(figure.planned, contract.scale_divisor) AS planned_seconds,
  hours(as_seconds(figure.planned, contract.scale_divisor)) AS planned_hours,
  figure.seconds AS consumed_seconds,
  hours(figure.seconds) AS consumed_hours,
  CASE WHEN contract.scale_divisor <> 1 THEN figure.unrated_seconds END AS unrated_seconds,
  amount.planned AS planned_amount_minor,
  decimal_amount(amount.planned, contract.currency_digits) AS planned_amount,
  amount.consumed AS consumed_amount_minor,
  decimal_amount(amount.consumed, contract.currency_digits) AS consumed_amount,
  contract.currency,
  percent(figure.consumed, figure.available) AS percent,
  figure.worklog_count,
  as_seconds(figure.carried, contract.scale_divisor) AS carried_seconds,
  hours(as_seconds(figure.carried, contract.scale_divisor)) AS carried_hours,
  as_seconds(figure.available, contract.scale_divisor) AS available_seconds,
  hours(as_seconds(figure.available, contract.scale_divisor)) AS available_hours,
  as_seconds(figure.available - figure.consumed, contract.scale_divisor) AS remaining_seconds,
  hours(as_seconds(figure.available - figure.consumed, contract.scale_divisor)) AS remaining_hours,
  amount.carried AS carried_amount_minor,
  decimal_amount(amount.carried, contract.currency_digits) AS carried_amount,
  amount.available AS available_amount_minor,
  decimal_amount(amount.available, contract.currency_digits) AS available_amount,
  amount.remaining AS remaining_amount_minor,
  decimal_amount(amount.remaining, contract.currency_digits) AS remaining_amount
FROM contracts AS contract
JOIN period_figures AS figure USING (contract_id)
CROSS JOIN LATERAL (
  SELECT
    as_minor(figure.planned, contract.scale_divisor) AS planned,
    as_minor(figure.consumed, contract.scale_divisor) AS consumed,
    as_minor(figure.carried, contract.scale_divisor) AS carried,
    as_minor(figure.available, contract.scale_divisor) AS available,
    as_minor(figure.available - figure.consumed, contract.scale_divisor) AS remaining
) AS amount
WHERE contract.status IS NOT NULL;
COMMENT ON VIEW reporting.contract_periods IS
'One row for each contract and period, billable accounts only.';
