-- The balance of a contract without its forecast. `complete` includes every period; otherwise the current and the
-- previous one. Sums are over all periods; only the periods that are shown become JSON. Accounts and their slices are
-- most of the cost: a list of contracts does without them.
-- depends: figures, current_period, account_figures, account_team_figures, period_figures
CREATE OR REPLACE FUNCTION balance(
  of_contract uuid, moment timestamptz, complete boolean, with_accounts boolean DEFAULT TRUE
) RETURNS jsonb
LANGUAGE sql STABLE
AS $$
  WITH contract AS MATERIALIZED (
    SELECT
      terms.contract_id, terms.code, terms.status, terms.stream_version, terms.scale_divisor, terms.currency,
      publication.revision, shown.last_start, coalesce(shown.first_start, shown.last_start) AS first_start
    FROM contracts AS terms
    JOIN balances AS publication USING (contract_id)
    CROSS JOIN LATERAL (
      SELECT
        CASE
          WHEN complete THEN 'infinity'
          ELSE current_period(of_contract, (moment AT TIME ZONE terms.timezone)::date)
        END
    ) AS latest (last_start)
    CROSS JOIN LATERAL (
      SELECT latest.last_start, CASE WHEN complete THEN '-infinity' ELSE (
        SELECT max(period.period_start)
        FROM periods AS period
        WHERE period.contract_id = of_contract AND period.period_start < latest.last_start
      ) END AS first_start
    ) AS shown
    WHERE terms.contract_id = of_contract AND terms.status IS NOT NULL
  ),
  contract_periods AS MATERIALIZED (
    SELECT
      period.period_start, period.period_end, period.planned, period.carried, period.available, period.consumed,
      period.unrated_seconds, period.worklog_count, contract.scale_divisor,
      period.period_start BETWEEN contract.first_start AND contract.last_start AS is_shown
    FROM period_figures AS period
    CROSS JOIN contract
    WHERE period.contract_id = of_contract
  ),
  slices AS MATERIALIZED (
    SELECT
      slice.account_id, jsonb_agg(slice.body ORDER BY slice.team_id IS NULL, slice.position, slice.team_id) AS bodies
    FROM (
      SELECT team.account_id, team.team_id, team.position, jsonb_build_object(
        'team_id', team.team_id,
        'whole', figures(
          sum(team.planned), sum(team.planned), sum(team.consumed), sum(team.worklog_count),
          sum(team.unrated_seconds), contract.scale_divisor
        ),
        'periods', coalesce(jsonb_agg(
          figures(
            team.planned, team.planned, team.consumed, team.worklog_count, team.unrated_seconds,
            contract.scale_divisor
          ) || jsonb_build_object('start', team.period_start, 'end', team.period_end) ORDER BY team.period_start
        ) FILTER (WHERE team.period_start BETWEEN contract.first_start AND contract.last_start), '[]')
      ) AS body
      FROM account_team_figures AS team
      CROSS JOIN contract
      WHERE with_accounts AND team.contract_id = of_contract
      GROUP BY team.account_id, team.team_id, team.position, contract.scale_divisor
    ) AS slice
    GROUP BY slice.account_id
  ),
  account_bodies AS MATERIALIZED (
    SELECT account.account_id, jsonb_build_object(
      'whole', figures(
        sum(account.planned), sum(account.planned), sum(account.consumed), sum(account.worklog_count),
        sum(account.unrated_seconds), contract.scale_divisor
      ),
      'periods', jsonb_agg(
        figures(
          account.planned, account.planned, account.consumed, account.worklog_count, account.unrated_seconds,
          contract.scale_divisor
        ) || jsonb_build_object('start', account.period_start, 'end', account.period_end)
        ORDER BY account.period_start
      ) FILTER (WHERE account.period_start BETWEEN contract.first_start AND contract.last_start)
    ) AS body
    FROM account_figures AS account
    CROSS JOIN contract
    WHERE with_accounts AND account.contract_id = of_contract
    GROUP BY account.account_id, contract.scale_divisor
  )
  SELECT jsonb_build_object(
    'contract_id', contract.contract_id, 'contract_code', contract.code, 'status', contract.status,
    'stream_version', contract.stream_version, 'revision', contract.revision,
    'unit', CASE contract.scale_divisor WHEN 1 THEN 'seconds' ELSE 'minor' END, 'currency', contract.currency,
    'unaccounted_seconds', (
      SELECT coalesce(sum(total.seconds), 0) FROM unaccounted_totals AS total WHERE total.contract_id = of_contract
    ),
    'forecast', NULL,
    'whole', (
      SELECT figures(
        sum(period.planned), sum(period.planned), sum(period.consumed), sum(period.worklog_count),
        sum(period.unrated_seconds), contract.scale_divisor
      )
      FROM contract_periods AS period
    ),
    'periods', (
      SELECT jsonb_agg(
        figures(
          period.planned, period.available, period.consumed, period.worklog_count, period.unrated_seconds,
          contract.scale_divisor
        ) || jsonb_build_object(
          'start', period.period_start, 'end', period.period_end,
          'carried', half_even(period.carried, contract.scale_divisor),
          'available', half_even(period.available, contract.scale_divisor)
        ) ORDER BY period.period_start
      )
      FROM contract_periods AS period
      WHERE period.is_shown
    ),
    'accounts', (
      SELECT coalesce(jsonb_agg(
        account_body.body || jsonb_build_object(
          'account_id', account.account_id, 'name', account.name, 'billable', account.billable,
          'slices', coalesce(account_slices.bodies, '[]')
        ) ORDER BY account.position
      ), '[]')
      FROM accounts AS account
      JOIN account_bodies AS account_body USING (account_id)
      LEFT JOIN slices AS account_slices USING (account_id)
      WHERE account.contract_id = of_contract
    )
  )
  FROM contract
$$;
