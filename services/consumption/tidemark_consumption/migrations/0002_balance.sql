-- the balance of a contract, one body as event and as HTTP answer
-- depends: 0001_facts

-- migrate: apply

-- Planned against executed: F of SPEC 4.
CREATE FUNCTION figures(planned numeric, consumed numeric, worklogs numeric) RETURNS jsonb
LANGUAGE sql IMMUTABLE
RETURN jsonb_build_object(
  'planned', planned, 'consumed', coalesce(consumed, 0), 'remaining', planned - coalesce(consumed, 0),
  'percent', percent(coalesce(consumed, 0), planned)::text, 'worklogs', coalesce(worklogs, 0),
  'unrated_seconds', NULL
);

-- A contract's balance; `complete` gives every period, else the previous and the one that holds `moment` in the
-- contract's own time zone (before the start the first, after the end the last).
CREATE FUNCTION balance(of_contract uuid, moment timestamptz, complete boolean) RETURNS jsonb
LANGUAGE sql STABLE
AS $$
  WITH c AS MATERIALIZED (
    SELECT c.*, b.revision
    FROM contracts AS c JOIN balances AS b USING (contract_id)
    WHERE c.contract_id = of_contract
  ),
  numbered AS (
    SELECT p.period_start, p.period_end, row_number() OVER (ORDER BY p.period_start) AS number, count(*) OVER () AS total
    FROM periods AS p
    WHERE p.contract_id = of_contract
  ),
  today AS (
    SELECT coalesce(
      (SELECT min(n.number) FROM numbered AS n, c WHERE n.period_end >= (moment AT TIME ZONE c.timezone)::date),
      (SELECT max(n.number) FROM numbered AS n)
    ) AS number
  ),
  shown AS MATERIALIZED (
    SELECT n.* FROM numbered AS n, today AS t WHERE complete OR n.number BETWEEN t.number - 1 AND t.number
  ),
  length AS (SELECT count(*) AS periods FROM numbered),
  work AS MATERIALIZED (SELECT s.* FROM shares AS s WHERE s.contract_id = of_contract),
  billable AS (
    SELECT w.* FROM work AS w JOIN accounts AS a USING (contract_id, account_id) WHERE a.billable
  ),
  teams AS (
    SELECT t.account_id, t.team_id, t.planned_seconds, t.position::integer AS position
    FROM account_teams AS t
    WHERE t.contract_id = of_contract AND t.is_slice
    UNION ALL
    SELECT DISTINCT w.account_id, w.team_id, NULL::bigint, coalesce(t.position::integer, 1000)
    FROM work AS w
    LEFT JOIN account_teams AS t USING (contract_id, account_id, team_id)
    WHERE t.is_slice IS NOT TRUE
  )
  SELECT jsonb_build_object(
    'contract_id', c.contract_id, 'contract_code', c.code, 'status', c.status, 'stream_version', c.stream_version,
    'revision', c.revision, 'unit', 'seconds', 'currency', NULL,
    'unaccounted_seconds', (
      SELECT coalesce(sum(u.seconds), 0) FROM unaccounted AS u WHERE u.contract_id = of_contract
    ),
    'forecast', NULL,
    'whole', (
      SELECT figures(c.contracted_seconds * (SELECT l.periods FROM length AS l), sum(w.seconds), sum(w.worklogs))
      FROM billable AS w
    ),
    'periods', (
      SELECT jsonb_agg(
        figures(c.contracted_seconds, w.seconds, w.worklogs) || jsonb_build_object(
          'start', p.period_start, 'end', p.period_end, 'carried', 0, 'available', c.contracted_seconds
        ) ORDER BY p.period_start
      )
      FROM shown AS p
      LEFT JOIN (
        SELECT period_start, sum(seconds) AS seconds, sum(worklogs) AS worklogs FROM billable GROUP BY period_start
      ) AS w USING (period_start)
    ),
    'accounts', (
      SELECT coalesce(jsonb_agg(jsonb_build_object(
        'account_id', a.account_id, 'name', a.name, 'billable', a.billable,
        'whole', (
          SELECT figures(a.planned_seconds * (SELECT l.periods FROM length AS l), sum(w.seconds), sum(w.worklogs))
          FROM work AS w
          WHERE w.account_id = a.account_id
        ),
        'periods', (
          SELECT jsonb_agg(
            figures(a.planned_seconds, w.seconds, w.worklogs)
            || jsonb_build_object('start', p.period_start, 'end', p.period_end) ORDER BY p.period_start
          )
          FROM shown AS p
          LEFT JOIN (
            SELECT period_start, sum(seconds) AS seconds, sum(worklogs) AS worklogs
            FROM work
            WHERE account_id = a.account_id
            GROUP BY period_start
          ) AS w USING (period_start)
        ),
        'slices', (
          SELECT coalesce(jsonb_agg(jsonb_build_object(
            'team_id', t.team_id,
            'whole', (
              SELECT figures(t.planned_seconds * (SELECT l.periods FROM length AS l), sum(w.seconds), sum(w.worklogs))
              FROM work AS w
              WHERE w.account_id = a.account_id AND w.team_id IS NOT DISTINCT FROM t.team_id
            ),
            'periods', (
              SELECT jsonb_agg(
                figures(t.planned_seconds, w.seconds, w.worklogs)
                || jsonb_build_object('start', p.period_start, 'end', p.period_end) ORDER BY p.period_start
              )
              FROM shown AS p
              LEFT JOIN work AS w
                ON w.account_id = a.account_id AND w.team_id IS NOT DISTINCT FROM t.team_id
                AND w.period_start = p.period_start
            )
          ) ORDER BY t.team_id IS NULL, t.position, t.team_id), '[]')
          FROM teams AS t
          WHERE t.account_id = a.account_id
        )
      ) ORDER BY a.position), '[]')
      FROM accounts AS a
      WHERE a.contract_id = of_contract
    )
  )
  FROM c
  WHERE c.status IS NOT NULL
$$;

-- migrate: rollback

DROP FUNCTION balance, figures;
