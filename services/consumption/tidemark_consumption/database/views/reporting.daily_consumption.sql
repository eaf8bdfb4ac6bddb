-- One row for each account, team and day of work.
-- depends: hours, as_minor, decimal_amount
CREATE OR REPLACE VIEW reporting.daily_consumption AS
SELECT
  contract.contract_id, contract.code AS contract_code, total.account_id, account.name AS account_name,
  total.team_id, team.name AS team_name,
  total.day,
  total.seconds AS consumed_seconds,
  hours(total.seconds) AS consumed_hours,
  as_minor(total.amount, contract.scale_divisor) AS consumed_amount_minor,
  decimal_amount(as_minor(total.amount, contract.scale_divisor), contract.currency_digits) AS consumed_amount,
  contract.currency,
  total.worklog_count,
  account.billable
FROM (
  SELECT
    contract_id, account_id, team_id, day, sum(seconds)::bigint AS seconds, sum(amount) AS amount,
    sum(worklog_count)::bigint AS worklog_count
  FROM daily_totals
  GROUP BY contract_id, account_id, team_id, day
) AS total
JOIN contracts AS contract USING (contract_id)
JOIN accounts AS account USING (contract_id, account_id)
LEFT JOIN teams AS team USING (team_id);
COMMENT ON VIEW reporting.daily_consumption IS
'One row for each account, team and day of work.';
