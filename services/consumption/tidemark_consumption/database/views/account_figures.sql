-- The figures of an account in a period, in exact units.
--
-- The planner takes a contract for a few rows until ANALYZE has seen it, and then joins figures by nested loops:
-- quadratic in the number of periods. So this view and the ones like it never join figures by their keys. They append
-- what is planned and what is consumed, and group it, contract by contract: the time is the same whatever the planner
-- estimates.
CREATE OR REPLACE VIEW account_figures AS
SELECT
  contract.contract_id, figure.account_id, figure.period_start, figure.period_end, figure.planned,
  CASE contract.scale_divisor WHEN 1 THEN figure.seconds ELSE figure.amount END AS consumed,
  figure.seconds::bigint AS seconds, figure.unrated_seconds::bigint AS unrated_seconds,
  figure.worklog_count::bigint AS worklog_count, figure.billable, figure.adjustment
FROM contracts AS contract
CROSS JOIN LATERAL (
  SELECT
    part.account_id, part.period_start, max(part.period_end) AS period_end, bool_or(part.billable) AS billable,
    sum(part.planned) AS planned, sum(part.adjustment) AS adjustment, sum(part.seconds) AS seconds,
    sum(part.amount) AS amount, sum(part.unrated_seconds) AS unrated_seconds, sum(part.worklog_count) AS worklog_count
  FROM (
    SELECT
      account.account_id, period.period_start, period.period_end, account.billable, account.planned,
      0::numeric AS adjustment, 0::bigint AS seconds, 0::numeric AS amount, 0::bigint AS unrated_seconds,
      0::bigint AS worklog_count
    FROM accounts AS account
    CROSS JOIN periods AS period
    WHERE account.contract_id = contract.contract_id AND period.contract_id = contract.contract_id
    UNION ALL
    SELECT account_id, period_start, NULL, NULL, planned, planned, 0, 0, 0, 0
    FROM adjustments
    WHERE contract_id = contract.contract_id
    UNION ALL
    SELECT account_id, period_start, NULL, NULL, NULL, 0, seconds, amount, unrated_seconds, worklog_count
    FROM account_team_totals
    WHERE contract_id = contract.contract_id
  ) AS part
  GROUP BY part.account_id, part.period_start
  -- Only accounts and periods that the contract has.
  HAVING max(part.period_end) IS NOT NULL
) AS figure;
COMMENT ON VIEW account_figures IS 'The figures of an account in a period; what is planned includes adjustments.';
