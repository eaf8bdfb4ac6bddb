-- One row for each account and period, with zeros where there is no work.
-- depends: as_seconds, hours, as_minor, decimal_amount, percent, account_figures
CREATE OR REPLACE VIEW reporting.account_consumption AS
SELECT
  contract.contract_id, contract.code AS contract_code, account.account_id, account.name AS account_name,
  account.billable,
  figure.period_start, figure.period_end,
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
  percent(figure.consumed, figure.planned) AS percent,
  figure.worklog_count
FROM contracts AS contract
JOIN accounts AS account USING (contract_id)
JOIN account_figures AS figure USING (contract_id, account_id)
CROSS JOIN LATERAL (
  SELECT
    as_minor(figure.planned, contract.scale_divisor) AS planned,
    as_minor(figure.consumed, contract.scale_divisor) AS consumed
) AS amount
WHERE contract.status IS NOT NULL;
COMMENT ON VIEW reporting.account_consumption IS
'One row for each account and period, with zeros where there is no work.';
