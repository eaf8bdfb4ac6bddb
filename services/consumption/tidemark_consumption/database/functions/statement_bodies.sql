-- The figures of periods of a contract, with their adjustments, without any person: what a statement freezes, and what
-- it is compared with later. Periods that the contract does not have are left out.
-- depends: figures, half_even, as_minor, period_figures, account_figures, account_team_figures
CREATE OR REPLACE FUNCTION statement_bodies(of_contract uuid, starts date[])
RETURNS TABLE (period_start date, body jsonb)
LANGUAGE sql STABLE
AS $$
  WITH contract AS MATERIALIZED (
    SELECT
      terms.contract_id, terms.code, terms.name, terms.organization_id, organization.name AS organization_name,
      terms.currency, terms.scale_divisor, terms.stream_version
    FROM contracts AS terms
    LEFT JOIN organizations AS organization USING (organization_id)
    WHERE terms.contract_id = of_contract
  ),
  slices AS MATERIALIZED (
    SELECT
      figure.account_id, figure.period_start,
      jsonb_agg(
        jsonb_build_object(
          'team_id', figure.team_id, 'team_name', team.name, 'seconds', figure.seconds,
          'amount_minor', as_minor(figure.consumed, contract.scale_divisor)
        ) || figures(
          figure.planned, figure.planned, figure.consumed, figure.worklog_count, figure.unrated_seconds,
          contract.scale_divisor
        ) ORDER BY figure.team_id IS NULL, figure.position, figure.team_id
      ) AS bodies
    FROM account_team_figures AS figure
    CROSS JOIN contract
    LEFT JOIN teams AS team ON team.team_id = figure.team_id
    WHERE figure.contract_id = of_contract AND figure.period_start = ANY(starts)
    GROUP BY figure.account_id, figure.period_start
  ),
  account_bodies AS MATERIALIZED (
    SELECT
      figure.period_start,
      jsonb_agg(
        jsonb_build_object(
          'account_id', account.account_id, 'name', account.name, 'billable', account.billable,
          'seconds', figure.seconds, 'amount_minor', as_minor(figure.consumed, contract.scale_divisor),
          'slices', coalesce(slices.bodies, '[]')
        ) || figures(
          figure.planned, figure.planned, figure.consumed, figure.worklog_count, figure.unrated_seconds,
          contract.scale_divisor
        ) ORDER BY account.position
      ) AS bodies
    FROM account_figures AS figure
    CROSS JOIN contract
    JOIN accounts AS account ON account.contract_id = of_contract AND account.account_id = figure.account_id
    LEFT JOIN slices ON slices.account_id = figure.account_id AND slices.period_start = figure.period_start
    WHERE figure.contract_id = of_contract AND figure.period_start = ANY(starts)
    GROUP BY figure.period_start
  ),
  adjustment_bodies AS MATERIALIZED (
    SELECT
      (adjustment.body ->> 'period_start')::date AS period_start,
      jsonb_agg(adjustment.body ORDER BY adjustment.position) AS bodies
    FROM contract
    CROSS JOIN LATERAL (
      -- The table of adjustments has no reasons. Of two events of one version the first one holds.
      SELECT logged.event
      FROM contract_log AS logged
      JOIN batches AS batch USING (batch)
      WHERE logged.contract_id = of_contract AND logged.stream_version = contract.stream_version
      ORDER BY coalesce(batch.learned_at, 'infinity'), logged.batch, logged.record_offset
      LIMIT 1
    ) AS newest
    CROSS JOIN LATERAL jsonb_array_elements(newest.event #> '{terms,adjustments}')
      WITH ORDINALITY AS adjustment (body, position)
    GROUP BY (adjustment.body ->> 'period_start')::date
  )
  SELECT
    period.period_start,
    jsonb_build_object(
      'contract_id', contract.contract_id, 'contract_code', contract.code, 'contract_name', contract.name,
      'organization_id', contract.organization_id, 'organization_name', contract.organization_name,
      'unit', CASE contract.scale_divisor WHEN 1 THEN 'seconds' ELSE 'minor' END,
      'currency', CASE WHEN contract.scale_divisor <> 1 THEN contract.currency END,
      'figures', figures(
        period.planned, period.available, period.consumed, period.worklog_count, period.unrated_seconds,
        contract.scale_divisor
      ) || jsonb_build_object(
        'start', period.period_start, 'end', period.period_end,
        'carried', half_even(period.carried, contract.scale_divisor),
        'available', half_even(period.available, contract.scale_divisor), 'seconds', period.seconds,
        'amount_minor', as_minor(period.consumed, contract.scale_divisor)
      ),
      'accounts', coalesce(account_bodies.bodies, '[]'),
      'adjustments', coalesce(adjustment_bodies.bodies, '[]')
    )
  FROM period_figures AS period
  CROSS JOIN contract
  LEFT JOIN account_bodies USING (period_start)
  LEFT JOIN adjustment_bodies USING (period_start)
  WHERE period.contract_id = of_contract AND period.period_start = ANY(starts)
$$;
