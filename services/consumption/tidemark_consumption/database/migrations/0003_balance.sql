-- the balance of a contract and its curve: one body as event and as HTTP answer

-- Planned against executed: F of SPEC 4. All amounts in units; `basis` is what percent and remaining refer to.
CREATE FUNCTION figures(
  planned numeric, basis numeric, consumed numeric, worklogs numeric, unrated_seconds numeric, per_shown integer
) RETURNS jsonb
LANGUAGE sql IMMUTABLE
RETURN jsonb_build_object(
  'planned', half_even(planned, per_shown),
  'consumed', half_even(consumed, per_shown),
  'remaining', half_even(basis - consumed, per_shown),
  'percent', percent(consumed, basis)::text,
  'worklogs', worklogs,
  'unrated_seconds', CASE WHEN per_shown <> 1 THEN unrated_seconds END
);

-- The number of the period that holds a day: before the start the first, after the end the last (SPEC 5, N1).
CREATE FUNCTION current_period(of_contract uuid, day date) RETURNS date
LANGUAGE sql STABLE
AS $$
  SELECT coalesce(
    (SELECT min(p.period_start) FROM periods AS p WHERE p.contract_id = of_contract AND p.period_end >= day),
    (SELECT max(p.period_start) FROM periods AS p WHERE p.contract_id = of_contract)
  )
$$;

-- A contract's balance but for its forecast; `complete` gives every period, else the current and the previous one.
CREATE FUNCTION balance(of_contract uuid, moment timestamptz, complete boolean) RETURNS jsonb
LANGUAGE sql STABLE
AS $$
  WITH c AS MATERIALIZED (
    SELECT c.*, b.revision
    FROM contracts AS c JOIN balances AS b USING (contract_id)
    WHERE c.contract_id = of_contract AND c.status IS NOT NULL
  ),
  shown AS MATERIALIZED (
    SELECT p.period_start
    FROM periods AS p
    WHERE p.contract_id = of_contract
      AND (complete OR p.period_start <= (SELECT current_period(of_contract, (moment AT TIME ZONE c.timezone)::date) FROM c))
    ORDER BY p.period_start DESC
    LIMIT CASE WHEN NOT complete THEN 2 END
  ),
  p AS MATERIALIZED (SELECT f.* FROM period_figures AS f WHERE f.contract_id = of_contract),
  a AS MATERIALIZED (SELECT f.* FROM account_figures AS f WHERE f.contract_id = of_contract),
  s AS MATERIALIZED (SELECT f.* FROM share_figures AS f WHERE f.contract_id = of_contract),
  slices AS (
    SELECT s.account_id, jsonb_agg(s.body ORDER BY s.team_id IS NULL, s.position, s.team_id) AS bodies
    FROM (
      SELECT s.account_id, s.team_id, s.position, jsonb_build_object(
        'team_id', s.team_id,
        'whole', figures(
          sum(s.planned), sum(s.planned), sum(s.consumed), sum(s.worklogs), sum(s.unrated_seconds), c.per_shown
        ),
        'periods', coalesce(jsonb_agg(
          figures(s.planned, s.planned, s.consumed, s.worklogs, s.unrated_seconds, c.per_shown)
          || jsonb_build_object('start', s.period_start, 'end', s.period_end) ORDER BY s.period_start
        ) FILTER (WHERE s.period_start IN (SELECT period_start FROM shown)), '[]')
      ) AS body
      FROM s CROSS JOIN c
      GROUP BY s.account_id, s.team_id, s.position, c.per_shown
    ) AS s
    GROUP BY s.account_id
  ),
  accounts AS (
    SELECT n.position, jsonb_build_object(
      'account_id', a.account_id, 'name', n.name, 'billable', n.billable,
      'whole', figures(
        sum(a.planned), sum(a.planned), sum(a.consumed), sum(a.worklogs), sum(a.unrated_seconds), c.per_shown
      ),
      'periods', jsonb_agg(
        figures(a.planned, a.planned, a.consumed, a.worklogs, a.unrated_seconds, c.per_shown)
        || jsonb_build_object('start', a.period_start, 'end', a.period_end) ORDER BY a.period_start
      ) FILTER (WHERE a.period_start IN (SELECT period_start FROM shown)),
      'slices', coalesce(l.bodies, '[]')
    ) AS body
    FROM a
    CROSS JOIN c
    JOIN accounts AS n ON n.contract_id = of_contract AND n.account_id = a.account_id
    LEFT JOIN slices AS l ON l.account_id = a.account_id
    GROUP BY a.account_id, n.position, n.name, n.billable, c.per_shown, l.bodies
  )
  SELECT jsonb_build_object(
    'contract_id', c.contract_id, 'contract_code', c.code, 'status', c.status, 'stream_version', c.stream_version,
    'revision', c.revision, 'unit', CASE c.per_shown WHEN 1 THEN 'seconds' ELSE 'minor' END, 'currency', c.currency,
    'unaccounted_seconds', (
      SELECT coalesce(sum(u.seconds), 0) FROM unaccounted AS u WHERE u.contract_id = of_contract
    ),
    'forecast', NULL,
    'whole', (
      SELECT figures(
        sum(p.planned), sum(p.planned), sum(p.consumed), sum(p.worklogs), sum(p.unrated_seconds), c.per_shown
      )
      FROM p
    ),
    'periods', (
      SELECT jsonb_agg(
        figures(p.planned, p.available, p.consumed, p.worklogs, p.unrated_seconds, c.per_shown) || jsonb_build_object(
          'start', p.period_start, 'end', p.period_end,
          'carried', half_even(p.carried, c.per_shown), 'available', half_even(p.available, c.per_shown)
        ) ORDER BY p.period_start
      )
      FROM p JOIN shown USING (period_start)
    ),
    'accounts', (SELECT coalesce(jsonb_agg(a.body ORDER BY a.position), '[]') FROM accounts AS a)
  )
  FROM c
$$;
