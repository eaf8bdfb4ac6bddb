-- One row for each change of the figures of an account in a period that was closed, in the order learned.
-- depends: hours, as_minor
CREATE OR REPLACE VIEW reporting.restatements AS
SELECT
  restatement.contract_id, contract.code AS contract_code, restatement.account_id,
  account.name AS account_name, restatement.period_start, restatement.period_end,
  restatement.before_seconds, hours(restatement.before_seconds) AS before_hours,
  restatement.after_seconds, hours(restatement.after_seconds) AS after_hours,
  as_minor(restatement.before_amount, 3600) AS before_amount_minor,
  as_minor(restatement.after_amount, 3600) AS after_amount_minor,
  restatement.cause, restatement.restated_at, restatement.restatement
FROM restatements AS restatement
JOIN contracts AS contract USING (contract_id)
LEFT JOIN accounts AS account USING (contract_id, account_id);
COMMENT ON VIEW reporting.restatements IS
'One row for each change of the figures of an account in a period that was closed, in the order learned.';
