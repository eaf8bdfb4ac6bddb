-- The figures of a team in an account and a period, in exact units.
CREATE OR REPLACE VIEW account_team_figures AS
SELECT
  contract.contract_id, figure.account_id, figure.team_id, figure.position, figure.period_start, figure.period_end,
  figure.planned,
  CASE contract.scale_divisor WHEN 1 THEN figure.seconds ELSE figure.amount END AS consumed,
  figure.seconds::bigint AS seconds, figure.unrated_seconds::bigint AS unrated_seconds,
  figure.worklog_count::bigint AS worklog_count
FROM contracts AS contract
CROSS JOIN LATERAL (
  SELECT
    part.account_id, part.team_id, max(part.position) AS position, part.period_start,
    max(part.period_end) AS period_end, sum(part.planned) AS planned, sum(part.seconds) AS seconds,
    sum(part.amount) AS amount, sum(part.unrated_seconds) AS unrated_seconds, sum(part.worklog_count) AS worklog_count
  FROM (
    SELECT
      team.account_id, team.team_id, team.position, period.period_start, period.period_end, team.is_slice,
      team.planned, 0::bigint AS seconds, 0::numeric AS amount, 0::bigint AS unrated_seconds,
      0::bigint AS worklog_count
    FROM (
      SELECT account_id, team_id, position::integer, is_slice, CASE WHEN is_slice THEN planned END AS planned
      FROM account_teams
      WHERE contract_id = contract.contract_id
      UNION ALL
      SELECT account_id, NULL, 1000, FALSE, NULL FROM accounts WHERE contract_id = contract.contract_id
    ) AS team
    CROSS JOIN periods AS period
    WHERE period.contract_id = contract.contract_id
    UNION ALL
    SELECT account_id, team_id, NULL, period_start, NULL, NULL, NULL, seconds, amount, unrated_seconds, worklog_count
    FROM account_team_totals
    WHERE contract_id = contract.contract_id
  ) AS part
  GROUP BY part.account_id, part.team_id, part.period_start
  -- A slice in every period; unassigned work, and a team without a slice, only where there is work.
  HAVING max(part.period_end) IS NOT NULL AND (bool_or(part.is_slice) OR count(*) > 1)
) AS figure;
COMMENT ON VIEW account_team_figures IS
'The figures of a team in an account and a period; the team is null for unassigned work.';
