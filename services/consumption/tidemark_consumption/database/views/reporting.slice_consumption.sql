-- One row for each slice and period, with zeros where there is no work.
-- depends: as_seconds, hours, as_minor, decimal_amount, percent, account_team_figures
CREATE OR REPLACE VIEW reporting.slice_consumption AS
SELECT
  contract.contract_id, contract.code AS contract_code, account.account_id, account.name AS account_name,
  figure.team_id, team.name AS team_name, figure.period_start, figure.period_end,
  as_seconds(figure.planned, contract.scale_divisor) AS planned_seconds,
  hours(as_seconds(figure.planned, contract.scale_divisor)) AS planned_hours,
  figure.seconds AS consumed_seconds,
  hours(figure.seconds) AS consumed_hours,
  CASE WHEN contract.scale_divisor <> 1 THEN figure.unrated_seconds END AS unrated_seconds,
  -- A slice of a fixed price has no plan.
  NULL::bigint AS planned_amount_minor,
  NULL::numeric AS planned_amount,
  as_minor(figure.consumed, contract.scale_divisor) AS consumed_amount_minor,
  decimal_amount(as_minor(figure.consumed, contract.scale_divisor), contract.currency_digits) AS consumed_amount,
  contract.currency,
  percent(figure.consumed, figure.planned) AS percent,
  figure.worklog_count
FROM contracts AS contract
JOIN accounts AS account USING (contract_id)
JOIN account_team_figures AS figure USING (contract_id, account_id)
LEFT JOIN teams AS team USING (team_id)
WHERE contract.status IS NOT NULL;
COMMENT ON VIEW reporting.slice_consumption IS
'One row for each slice and period, with zeros where there is no work. '
'Unassigned work (team_id null) and teams without a slice have rows only where there is work.';
