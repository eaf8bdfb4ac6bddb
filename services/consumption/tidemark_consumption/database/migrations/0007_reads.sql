-- figures in time proportional to what they show, whatever the planner's statistics say

-- The planner takes a contract for a few rows until ANALYZE has seen it, and then joins its figures by nested loops:
-- quadratic in its periods. So nothing below joins figures by their keys. What is planned and what is consumed are
-- appended and grouped, contract by contract; that takes the same time whatever is estimated.

-- Where ANALYZE saw a single contract it would say that there is one, and a table that has grown since would be read
-- whole for each. A ratio grows with the table.
ALTER TABLE accounts ALTER COLUMN contract_id SET (n_distinct = -0.25);
ALTER TABLE account_teams ALTER COLUMN contract_id SET (n_distinct = -0.1);
ALTER TABLE periods ALTER COLUMN contract_id SET (n_distinct = -0.05);
ALTER TABLE adjustments ALTER COLUMN contract_id SET (n_distinct = -0.25);
ALTER TABLE shares ALTER COLUMN contract_id SET (n_distinct = -0.02);
ALTER TABLE days ALTER COLUMN contract_id SET (n_distinct = -0.005);

CREATE OR REPLACE VIEW account_figures AS
SELECT
  c.contract_id, f.account_id, f.period_start, f.period_end, f.planned,
  CASE c.per_shown WHEN 1 THEN f.seconds ELSE f.amount END AS consumed,
  f.seconds::bigint AS seconds, f.unrated_seconds::bigint AS unrated_seconds, f.worklogs::bigint AS worklogs,
  f.billable, f.adjusted
FROM contracts AS c
CROSS JOIN LATERAL (
  SELECT
    f.account_id, f.period_start, max(f.period_end) AS period_end, bool_or(f.billable) AS billable,
    sum(f.planned) AS planned, sum(f.adjusted) AS adjusted, sum(f.seconds) AS seconds, sum(f.amount) AS amount,
    sum(f.unrated_seconds) AS unrated_seconds, sum(f.worklogs) AS worklogs
  FROM (
    SELECT
      a.account_id, p.period_start, p.period_end, a.billable, a.planned, 0::numeric AS adjusted, 0::bigint AS seconds,
      0::numeric AS amount, 0::bigint AS unrated_seconds, 0::bigint AS worklogs
    FROM accounts AS a
    CROSS JOIN periods AS p
    WHERE a.contract_id = c.contract_id AND p.contract_id = c.contract_id
    UNION ALL
    SELECT account_id, period_start, NULL, NULL, planned, planned, 0, 0, 0, 0
    FROM adjustments
    WHERE contract_id = c.contract_id
    UNION ALL
    SELECT account_id, period_start, NULL, NULL, NULL, 0, seconds, amount, unrated_seconds, worklogs
    FROM shares
    WHERE contract_id = c.contract_id
  ) AS f
  GROUP BY f.account_id, f.period_start
  -- Of an account and a period that the contract has.
  HAVING max(f.period_end) IS NOT NULL
) AS f;
COMMENT ON VIEW account_figures IS 'An account''s figures in a period; adjustments are part of what is planned.';

CREATE OR REPLACE VIEW share_figures AS
SELECT
  c.contract_id, f.account_id, f.team_id, f.position, f.period_start, f.period_end, f.planned,
  CASE c.per_shown WHEN 1 THEN f.seconds ELSE f.amount END AS consumed,
  f.seconds::bigint AS seconds, f.unrated_seconds::bigint AS unrated_seconds, f.worklogs::bigint AS worklogs
FROM contracts AS c
CROSS JOIN LATERAL (
  SELECT
    f.account_id, f.team_id, max(f.position) AS position, f.period_start, max(f.period_end) AS period_end,
    sum(f.planned) AS planned, sum(f.seconds) AS seconds, sum(f.amount) AS amount,
    sum(f.unrated_seconds) AS unrated_seconds, sum(f.worklogs) AS worklogs
  FROM (
    SELECT
      t.account_id, t.team_id, t.position, p.period_start, p.period_end, t.is_slice, t.planned, 0::bigint AS seconds,
      0::numeric AS amount, 0::bigint AS unrated_seconds, 0::bigint AS worklogs
    FROM (
      SELECT account_id, team_id, position::integer, is_slice, CASE WHEN is_slice THEN planned END AS planned
      FROM account_teams
      WHERE contract_id = c.contract_id
      UNION ALL
      SELECT account_id, NULL, 1000, FALSE, NULL FROM accounts WHERE contract_id = c.contract_id
    ) AS t
    CROSS JOIN periods AS p
    WHERE p.contract_id = c.contract_id
    UNION ALL
    SELECT account_id, team_id, NULL, period_start, NULL, NULL, NULL, seconds, amount, unrated_seconds, worklogs
    FROM shares
    WHERE contract_id = c.contract_id
  ) AS f
  GROUP BY f.account_id, f.team_id, f.period_start
  -- A slice in every period; the unassigned share, and a team without a slice, only where work is on it.
  HAVING max(f.period_end) IS NOT NULL AND (bool_or(f.is_slice) OR count(*) > 1)
) AS f;

CREATE OR REPLACE VIEW plain_period_figures AS
SELECT
  c.contract_id, f.period_start, f.period_end, c.contracted + f.adjusted AS planned, f.consumed,
  f.seconds::bigint AS seconds, f.unrated_seconds::bigint AS unrated_seconds, f.worklogs::bigint AS worklogs
FROM contracts AS c
CROSS JOIN LATERAL (
  SELECT
    f.period_start, max(f.period_end) AS period_end, sum(f.adjusted) AS adjusted, sum(f.consumed) AS consumed,
    sum(f.seconds) AS seconds, sum(f.unrated_seconds) AS unrated_seconds, sum(f.worklogs) AS worklogs
  FROM (
    SELECT
      period_start, period_end, 0::numeric AS adjusted, 0::numeric AS consumed, 0::bigint AS seconds,
      0::bigint AS unrated_seconds, 0::bigint AS worklogs
    FROM periods
    WHERE contract_id = c.contract_id
    UNION ALL
    SELECT period_start, NULL, adjusted, consumed, seconds, unrated_seconds, worklogs
    FROM account_figures
    WHERE contract_id = c.contract_id AND billable
  ) AS f
  GROUP BY f.period_start
) AS f;

-- What is left of each period queues behind what was left before it. All that takes from the queue takes from its
-- head: use, then lapse, then the cap. So it is enough to count what has entered and what has gone.
CREATE OR REPLACE FUNCTION rollover(
  planned numeric [], consumed numeric [], unused text, cap numeric, lapse_after integer, overrun text
) RETURNS TABLE (number bigint, carried numeric)
LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
  entered numeric := 0;
  entered_by numeric [] := '{}';
  gone numeric := 0;
  debt numeric := 0;
  used numeric;
  rest numeric;
BEGIN
  FOR period IN 1 .. cardinality(planned) LOOP
    number := period;
    carried := entered - gone - debt;
    RETURN NEXT;
    used := least(consumed[period], entered - gone);
    rest := planned[period] - debt - (consumed[period] - used);
    debt := CASE overrun WHEN 'deduct' THEN greatest(-rest, 0) ELSE 0 END;
    entered := entered + CASE unused WHEN 'carry' THEN greatest(rest, 0) ELSE 0 END;
    entered_by[period] := entered;
    -- A limit that is null is no limit: greatest() leaves it out.
    gone := greatest(gone + used, entered_by[period - lapse_after], entered - cap);
  END LOOP;
END
$$;
DROP FUNCTION taken;

CREATE OR REPLACE VIEW period_figures AS
SELECT
  c.contract_id, p.period_start, p.period_end, p.planned, coalesce(p.carried, 0) AS carried,
  p.planned + coalesce(p.carried, 0) AS available, p.consumed, p.seconds, p.unrated_seconds, p.worklogs
FROM contracts AS c
CROSS JOIN LATERAL (
  SELECT
    array_agg(f.period_start ORDER BY f.period_start) AS starts,
    array_agg(f.period_end ORDER BY f.period_start) AS ends,
    array_agg(f.planned ORDER BY f.period_start) AS planned,
    array_agg(coalesce(f.planned, 0) ORDER BY f.period_start) AS planned_or_zero,
    array_agg(f.consumed ORDER BY f.period_start) AS consumed,
    array_agg(f.seconds ORDER BY f.period_start) AS seconds,
    array_agg(f.unrated_seconds ORDER BY f.period_start) AS unrated_seconds,
    array_agg(f.worklogs ORDER BY f.period_start) AS worklogs
  FROM plain_period_figures AS f
  WHERE f.contract_id = c.contract_id
) AS a
CROSS JOIN LATERAL (
  SELECT CASE WHEN c.unused = 'carry' OR c.overrun = 'deduct' THEN ARRAY(
    SELECT r.carried
    FROM rollover(a.planned_or_zero, a.consumed, c.unused, c.cap, c.lapse_after, c.overrun) AS r
    ORDER BY r.number
  ) END AS carried
) AS r
CROSS JOIN LATERAL unnest(
  a.starts, a.ends, a.planned, r.carried, a.consumed, a.seconds, a.unrated_seconds, a.worklogs
) AS p (period_start, period_end, planned, carried, consumed, seconds, unrated_seconds, worklogs);

-- As PL/pgSQL its expressions are compiled once a session. As SQL, too long to be inlined, they were most of the cost
-- of a balance.
CREATE OR REPLACE FUNCTION figures(
  planned numeric, basis numeric, consumed numeric, worklogs numeric, unrated_seconds numeric, per_shown integer
) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
  RETURN jsonb_build_object(
    'planned', half_even(planned, per_shown),
    'consumed', half_even(consumed, per_shown),
    'remaining', half_even(basis - consumed, per_shown),
    'percent', percent(consumed, basis)::text,
    'worklogs', worklogs,
    'unrated_seconds', CASE WHEN per_shown <> 1 THEN unrated_seconds END
  );
END
$$;

-- A contract's balance but for its forecast; `complete` gives every period, else the current and the previous one.
-- Its sums are over all periods; only the periods that are shown become JSON.
CREATE OR REPLACE FUNCTION balance(of_contract uuid, moment timestamptz, complete boolean) RETURNS jsonb
LANGUAGE sql STABLE
AS $$
  WITH c AS MATERIALIZED (
    SELECT c.*, b.revision, s.last_start, coalesce(s.first_start, s.last_start) AS first_start
    FROM contracts AS c
    JOIN balances AS b USING (contract_id)
    CROSS JOIN LATERAL (
      SELECT CASE WHEN complete THEN 'infinity' ELSE current_period(of_contract, (moment AT TIME ZONE c.timezone)::date) END
    ) AS n (last_start)
    CROSS JOIN LATERAL (
      SELECT n.last_start, CASE WHEN complete THEN '-infinity' ELSE (
        SELECT max(p.period_start) FROM periods AS p WHERE p.contract_id = of_contract AND p.period_start < n.last_start
      ) END AS first_start
    ) AS s
    WHERE c.contract_id = of_contract AND c.status IS NOT NULL
  ),
  p AS MATERIALIZED (
    SELECT f.*, f.period_start BETWEEN c.first_start AND c.last_start AS is_shown, c.per_shown
    FROM period_figures AS f CROSS JOIN c
    WHERE f.contract_id = of_contract
  ),
  slices AS MATERIALIZED (
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
        ) FILTER (WHERE s.period_start BETWEEN c.first_start AND c.last_start), '[]')
      ) AS body
      FROM share_figures AS s CROSS JOIN c
      WHERE s.contract_id = of_contract
      GROUP BY s.account_id, s.team_id, s.position, c.per_shown
    ) AS s
    GROUP BY s.account_id
  ),
  account_bodies AS MATERIALIZED (
    SELECT a.account_id, jsonb_build_object(
      'whole', figures(
        sum(a.planned), sum(a.planned), sum(a.consumed), sum(a.worklogs), sum(a.unrated_seconds), c.per_shown
      ),
      'periods', jsonb_agg(
        figures(a.planned, a.planned, a.consumed, a.worklogs, a.unrated_seconds, c.per_shown)
        || jsonb_build_object('start', a.period_start, 'end', a.period_end) ORDER BY a.period_start
      ) FILTER (WHERE a.period_start BETWEEN c.first_start AND c.last_start)
    ) AS body
    FROM account_figures AS a CROSS JOIN c
    WHERE a.contract_id = of_contract
    GROUP BY a.account_id, c.per_shown
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
      FROM p WHERE p.is_shown
    ),
    'accounts', (
      SELECT coalesce(jsonb_agg(
        a.body || jsonb_build_object(
          'account_id', n.account_id, 'name', n.name, 'billable', n.billable, 'slices', coalesce(l.bodies, '[]')
        ) ORDER BY n.position
      ), '[]')
      FROM accounts AS n
      JOIN account_bodies AS a USING (account_id)
      LEFT JOIN slices AS l USING (account_id)
      WHERE n.contract_id = of_contract
    )
  )
  FROM c
$$;
