-- The figures of a contract in a period before rollover, billable accounts only, in exact units.
-- depends: account_figures
CREATE OR REPLACE VIEW period_figures_before_rollover AS
SELECT
  contract.contract_id, figure.period_start, figure.period_end, contract.contracted + figure.adjustment AS planned,
  figure.consumed, figure.seconds::bigint AS seconds, figure.unrated_seconds::bigint AS unrated_seconds,
  figure.worklog_count::bigint AS worklog_count
FROM contracts AS contract
CROSS JOIN LATERAL (
  SELECT
    part.period_start, max(part.period_end) AS period_end, sum(part.adjustment) AS adjustment,
    sum(part.consumed) AS consumed, sum(part.seconds) AS seconds, sum(part.unrated_seconds) AS unrated_seconds,
    sum(part.worklog_count) AS worklog_count
  FROM (
    SELECT
      period_start, period_end, 0::numeric AS adjustment, 0::numeric AS consumed, 0::bigint AS seconds,
      0::bigint AS unrated_seconds, 0::bigint AS worklog_count
    FROM periods
    WHERE contract_id = contract.contract_id
    UNION ALL
    SELECT period_start, NULL, adjustment, consumed, seconds, unrated_seconds, worklog_count
    FROM account_figures
    WHERE contract_id = contract.contract_id AND billable
  ) AS part
  GROUP BY part.period_start
) AS figure;
COMMENT ON VIEW period_figures_before_rollover IS
'The figures of a contract in a period before rollover, billable accounts only.';
