-- planned against executed, in units: what every figure is worked out from

-- The quotient, half-even: the one rounding there is, when a figure is shown (SPEC W3, 9).
CREATE FUNCTION half_even(dividend numeric, divisor numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN sign(dividend) * (
  div(abs(dividend), divisor)
  + CASE
      WHEN 2 * mod(abs(dividend), divisor) > divisor
        OR (2 * mod(abs(dividend), divisor) = divisor AND mod(div(abs(dividend), divisor), 2) = 1)
      THEN 1 ELSE 0
    END
);

-- Percent of a plan with two decimals; null where nothing is planned (SPEC 9).
CREATE FUNCTION percent(consumed numeric, planned numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN planned > 0 THEN (half_even(consumed * 10000, planned) * 0.01)::numeric(38, 2) END;

-- Views below are of one row an account and period, or a contract and period, in the contract's units; without work
-- too. Unqualified names on purpose: `sql/recall.sql` makes the same views over what an earlier moment knew.

CREATE VIEW account_figures AS
SELECT
  a.contract_id, a.account_id, p.period_start, p.period_end,
  CASE WHEN j.planned IS NULL THEN a.planned ELSE coalesce(a.planned, 0) + j.planned END AS planned,
  CASE c.per_shown WHEN 1 THEN coalesce(w.seconds, 0) ELSE coalesce(w.amount, 0) END AS consumed,
  coalesce(w.seconds, 0)::bigint AS seconds,
  coalesce(w.unrated_seconds, 0)::bigint AS unrated_seconds,
  coalesce(w.worklogs, 0)::bigint AS worklogs
FROM contracts AS c
JOIN accounts AS a USING (contract_id)
JOIN periods AS p USING (contract_id)
LEFT JOIN adjustments AS j USING (contract_id, account_id, period_start)
LEFT JOIN (
  SELECT
    contract_id, account_id, period_start, sum(seconds) AS seconds, sum(amount) AS amount,
    sum(unrated_seconds) AS unrated_seconds, sum(worklogs) AS worklogs
  FROM shares
  GROUP BY contract_id, account_id, period_start
) AS w USING (contract_id, account_id, period_start);
COMMENT ON VIEW account_figures IS 'An account''s figures in a period; adjustments are part of what is planned.';

CREATE VIEW share_figures AS
SELECT
  r.contract_id, r.account_id, r.team_id, r.position, p.period_start, p.period_end, r.planned,
  CASE c.per_shown WHEN 1 THEN coalesce(s.seconds, 0) ELSE coalesce(s.amount, 0) END AS consumed,
  coalesce(s.seconds, 0) AS seconds,
  coalesce(s.unrated_seconds, 0) AS unrated_seconds,
  coalesce(s.worklogs, 0) AS worklogs
FROM contracts AS c
JOIN periods AS p USING (contract_id)
JOIN (
  -- A slice in every period; the unassigned share, and a team without a slice, only where work is on it.
  SELECT t.contract_id, t.account_id, t.team_id, t.position::integer AS position, p.period_start, t.planned
  FROM account_teams AS t
  JOIN periods AS p USING (contract_id)
  WHERE t.is_slice
  UNION ALL
  SELECT s.contract_id, s.account_id, s.team_id, coalesce(t.position::integer, 1000), s.period_start, NULL
  FROM shares AS s
  LEFT JOIN account_teams AS t USING (contract_id, account_id, team_id)
  WHERE t.is_slice IS NOT TRUE
) AS r USING (contract_id, period_start)
LEFT JOIN shares AS s
  ON s.contract_id = r.contract_id AND s.account_id = r.account_id AND s.period_start = r.period_start
  AND s.team_id IS NOT DISTINCT FROM r.team_id;
COMMENT ON VIEW share_figures IS 'A team''s share of an account in a period; the team is null for what is unassigned.';

CREATE VIEW plain_period_figures AS
SELECT
  c.contract_id, p.period_start, p.period_end,
  c.contracted + coalesce(j.planned, 0) AS planned,
  CASE c.per_shown WHEN 1 THEN coalesce(w.seconds, 0) ELSE coalesce(w.amount, 0) END AS consumed,
  coalesce(w.seconds, 0)::bigint AS seconds,
  coalesce(w.unrated_seconds, 0)::bigint AS unrated_seconds,
  coalesce(w.worklogs, 0)::bigint AS worklogs
FROM contracts AS c
JOIN periods AS p USING (contract_id)
LEFT JOIN (
  SELECT j.contract_id, j.period_start, sum(j.planned) AS planned
  FROM adjustments AS j
  JOIN accounts AS a USING (contract_id, account_id)
  WHERE a.billable
  GROUP BY j.contract_id, j.period_start
) AS j USING (contract_id, period_start)
LEFT JOIN (
  SELECT
    s.contract_id, s.period_start, sum(s.seconds) AS seconds, sum(s.amount) AS amount,
    sum(s.unrated_seconds) AS unrated_seconds, sum(s.worklogs) AS worklogs
  FROM shares AS s
  JOIN accounts AS a USING (contract_id, account_id)
  WHERE a.billable
  GROUP BY s.contract_id, s.period_start
) AS w USING (contract_id, period_start);
COMMENT ON VIEW plain_period_figures IS 'A contract''s figures in a period, of billable accounts alone, before rollover.';

-- What stays of lots from which something is taken, the oldest (the first) first.
CREATE FUNCTION taken(lots numeric [], amount numeric) RETURNS numeric []
LANGUAGE sql IMMUTABLE
RETURN (
  SELECT array_agg(greatest(least(l.lot, l.sum - amount), 0) ORDER BY l.number)
  FROM (SELECT lot, number, sum(lot) OVER (ORDER BY number) FROM unnest(lots) WITH ORDINALITY AS l (lot, number)) AS l
);

-- What is carried into each period, given what each planned and consumed (SPEC 1, 9). What is left of a period is its
-- lot, used oldest first; first what is too old lapses, then the cap cuts, the oldest first. With `deduct` overrun is
-- carried as a debt. A function of its arguments alone, so that whoever may read the views may run it.
CREATE FUNCTION rollover(
  planned numeric [], consumed numeric [], unused text, cap numeric, lapse_after integer, overrun text
) RETURNS TABLE (number bigint, carried numeric)
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
  WITH RECURSIVE entered AS (
    SELECT 1::bigint AS number, '{}'::numeric [] AS lots, 0::numeric AS lot, 0::numeric AS debt
    UNION ALL
    SELECT e.number + 1, n.lots, (SELECT sum(l) FROM unnest(n.lots) AS l), n.debt
    FROM entered AS e
    CROSS JOIN LATERAL (SELECT least(consumed[e.number], e.lot) AS used) AS u
    CROSS JOIN LATERAL (SELECT planned[e.number] - e.debt - (consumed[e.number] - u.used) AS rest) AS r
    CROSS JOIN LATERAL (
      SELECT
        taken(e.lots, u.used) || CASE unused WHEN 'carry' THEN greatest(r.rest, 0) ELSE 0 END AS lots,
        CASE overrun WHEN 'deduct' THEN greatest(-r.rest, 0) ELSE 0 END AS debt
    ) AS a
    CROSS JOIN LATERAL (
      SELECT array_agg(CASE WHEN e.number + 1 - l.origin > lapse_after THEN 0 ELSE l.lot END ORDER BY l.origin) AS lots
      FROM unnest(a.lots) WITH ORDINALITY AS l (lot, origin)
    ) AS y
    CROSS JOIN LATERAL (
      SELECT
        taken(y.lots, coalesce(greatest((SELECT sum(l) FROM unnest(y.lots) AS l) - cap, 0), 0)) AS lots, a.debt
    ) AS n
    WHERE e.number < cardinality(planned)
  )
  SELECT e.number, e.lot - e.debt FROM entered AS e;
END;

CREATE VIEW period_figures AS
SELECT
  f.contract_id, f.period_start, f.period_end, f.planned, coalesce(r.carried, 0) AS carried,
  f.planned + coalesce(r.carried, 0) AS available, f.consumed, f.seconds, f.unrated_seconds, f.worklogs
FROM plain_period_figures AS f
LEFT JOIN (
  SELECT c.contract_id, a.starts[r.number] AS period_start, r.carried
  FROM contracts AS c
  CROSS JOIN LATERAL (
    SELECT
      array_agg(f.period_start ORDER BY f.period_start) AS starts,
      array_agg(coalesce(f.planned, 0) ORDER BY f.period_start) AS planned,
      array_agg(f.consumed ORDER BY f.period_start) AS consumed
    FROM plain_period_figures AS f
    WHERE f.contract_id = c.contract_id
  ) AS a
  CROSS JOIN LATERAL rollover(a.planned, a.consumed, c.unused, c.cap, c.lapse_after, c.overrun) AS r
  WHERE c.unused = 'carry' OR c.overrun = 'deduct'
) AS r USING (contract_id, period_start);
COMMENT ON VIEW period_figures IS 'A contract''s figures in a period, of billable accounts alone; available is planned and '
'what is carried.';
