-- One row for each contract: what is planned and executed over all its periods, billable accounts only.
-- depends: as_seconds, hours, as_minor, decimal_amount, percent, period_figures_before_rollover
CREATE OR REPLACE VIEW reporting.contracts AS
SELECT
  contract.contract_id, contract.code AS contract_code, contract.name AS contract_name,
  contract.organization_id, organization.name AS organization_name, contract.owner_name, contract.owner_email,
  contract.type, contract.recurrence, contract.start_date, contract.end_date, contract.timezone, contract.status,
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
  figure.worklog_count,
  as_seconds(figure.planned - figure.consumed, contract.scale_divisor) AS remaining_seconds,
  hours(as_seconds(figure.planned - figure.consumed, contract.scale_divisor)) AS remaining_hours,
  amount.remaining AS remaining_amount_minor,
  decimal_amount(amount.remaining, contract.currency_digits) AS remaining_amount,
  coalesce(unaccounted.seconds, 0)::bigint AS unaccounted_seconds,
  hours(coalesce(unaccounted.seconds, 0)) AS unaccounted_hours,
  publication.updated_at,
  contract.renewed_from, contract.renewed_as,
  (published.body #>> '{forecast,exhausts_on}')::date AS exhausts_on,
  (published.body #>> '{forecast,low}')::date AS exhausts_low,
  (published.body #>> '{forecast,high}')::date AS exhausts_high
FROM contracts AS contract
JOIN balances AS publication USING (contract_id)
LEFT JOIN published_balances AS published USING (contract_id)
LEFT JOIN organizations AS organization USING (organization_id)
JOIN (
  SELECT
    contract_id, sum(planned) AS planned, sum(consumed) AS consumed, sum(seconds)::bigint AS seconds,
    sum(unrated_seconds)::bigint AS unrated_seconds, sum(worklog_count)::bigint AS worklog_count
  FROM period_figures_before_rollover
  GROUP BY contract_id
) AS figure USING (contract_id)
CROSS JOIN LATERAL (
  SELECT
    as_minor(figure.planned, contract.scale_divisor) AS planned,
    as_minor(figure.consumed, contract.scale_divisor) AS consumed,
    as_minor(figure.planned - figure.consumed, contract.scale_divisor) AS remaining
) AS amount
LEFT JOIN (
  SELECT contract_id, sum(seconds) AS seconds FROM unaccounted_totals GROUP BY contract_id
) AS unaccounted USING (contract_id)
WHERE contract.status IS NOT NULL;
COMMENT ON VIEW reporting.contracts IS
'One row for each contract: what is planned and executed over all its periods, billable accounts only.';
