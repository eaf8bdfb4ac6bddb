-- The figures of a contract in a period, billable accounts only, in exact units. `available` is what is planned and
-- what is carried.
-- depends: period_figures_before_rollover, rollover
CREATE OR REPLACE VIEW period_figures AS
SELECT
  contract.contract_id, period.period_start, period.period_end, period.planned,
  coalesce(period.carried, 0) AS carried, period.planned + coalesce(period.carried, 0) AS available, period.consumed,
  period.seconds, period.unrated_seconds, period.worklog_count
FROM contracts AS contract
CROSS JOIN LATERAL (
  SELECT
    array_agg(figure.period_start ORDER BY figure.period_start) AS starts,
    array_agg(figure.period_end ORDER BY figure.period_start) AS ends,
    array_agg(figure.planned ORDER BY figure.period_start) AS planned,
    array_agg(coalesce(figure.planned, 0) ORDER BY figure.period_start) AS planned_or_zero,
    array_agg(figure.consumed ORDER BY figure.period_start) AS consumed,
    array_agg(figure.seconds ORDER BY figure.period_start) AS seconds,
    array_agg(figure.unrated_seconds ORDER BY figure.period_start) AS unrated_seconds,
    array_agg(figure.worklog_count ORDER BY figure.period_start) AS worklog_counts
  FROM period_figures_before_rollover AS figure
  WHERE figure.contract_id = contract.contract_id
) AS series
CROSS JOIN LATERAL (
  SELECT CASE WHEN contract.unused = 'carry' OR contract.overrun = 'deduct' THEN ARRAY(
    SELECT entry.carried
    FROM rollover(
      series.planned_or_zero, series.consumed, contract.unused, contract.cap, contract.lapse_after, contract.overrun
    ) AS entry
    ORDER BY entry.number
  ) END AS carried
) AS rollover_series
CROSS JOIN LATERAL unnest(
  series.starts, series.ends, series.planned, rollover_series.carried, series.consumed, series.seconds,
  series.unrated_seconds, series.worklog_counts
) AS period (period_start, period_end, planned, carried, consumed, seconds, unrated_seconds, worklog_count);
COMMENT ON VIEW period_figures IS
'The figures of a contract in a period, billable accounts only; available is what is planned and what is carried.';
