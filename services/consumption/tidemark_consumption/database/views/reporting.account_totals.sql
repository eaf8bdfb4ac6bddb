-- One row for each account, over all periods of its contract.
-- depends: as_seconds, hours, as_minor, decimal_amount, percent, account_figures
CREATE OR REPLACE VIEW reporting.account_totals AS
SELECT
  contract.contract_id, contract.code AS contract_code, account.account_id, account.name AS account_name,
  account.billable,
  contract.start_date AS period_start, contract.end_date AS period_end,
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
JOIN (
  SELECT
    contract_id, account_id, sum(planned) AS planned, sum(consumed) AS consumed, sum(seconds)::bigint AS seconds,
    sum(unrated_seconds)::bigint AS unrated_seconds, sum(worklog_count)::bigint AS worklog_count
  FROM account_figures
  GROUP BY contract_id, account_id
) AS figure USING (contract_id, account_id)
CROSS JOIN LATERAL (
  SELECT
    as_minor(figure.planned, contract.scale_divisor) AS planned,
    as_minor(figure.consumed, contract.scale_divisor) AS consumed
) AS amount
WHERE contract.status IS NOT NULL;
COMMENT ON VIEW reporting.account_totals IS
'One row for each account, over all periods of its contract.';
