-- A change of a closed period goes through, and leaves behind what was, what is and why (SPEC W7, 9).

-- name: note_closed(ids, moment)!
-- Before the terms of these contracts change: what was closed by those that held.
INSERT INTO closed (contract_id, period_start, period_end, per_shown)
SELECT c.contract_id, p.period_start, p.period_end, c.per_shown
FROM contracts AS c
JOIN periods AS p USING (contract_id)
WHERE c.contract_id = ANY(:ids::uuid [])
  AND p.period_end < closed_before(c.status, c.timezone, c.activated_at, c.settle_days, :moment)
ON CONFLICT DO NOTHING;

-- name: note_closed_changes(noted, moment)$
-- The closed periods that have a delta, but those of contracts noted before. Gives how many are closed in all.
WITH changed AS MATERIALIZED (
  SELECT DISTINCT contract_id, period_start
  FROM deltas
  WHERE counts AND contract_id <> ALL(:noted::uuid [])
),
closing AS MATERIALIZED (
  SELECT
    c.contract_id, c.per_shown, closed_before(c.status, c.timezone, c.activated_at, c.settle_days, :moment) AS before
  FROM (SELECT DISTINCT contract_id FROM changed) AS d
  JOIN contracts AS c USING (contract_id)
),
noted AS (
  INSERT INTO closed (contract_id, period_start, period_end, per_shown)
  SELECT p.contract_id, p.period_start, p.period_end, c.per_shown
  FROM closing AS c
  JOIN changed USING (contract_id)
  JOIN periods AS p USING (contract_id, period_start)
  WHERE p.period_end < c.before
  ON CONFLICT DO NOTHING
  RETURNING 1
)
SELECT (SELECT count(*) FROM noted) + (SELECT count(*) FROM closed);

-- name: restate(moment)!
-- One row a cause and an account's figure that changed, each from where the one before left it.
WITH net AS (
  SELECT
    m.contract_id, m.account_id, m.period_start, c.period_end, c.per_shown, m.cause, m.batch, m.record_offset,
    sum(m.seconds) AS seconds, sum(m.amount) AS amount
  FROM deltas AS m
  JOIN closed AS c USING (contract_id, period_start)
  WHERE m.counts
  GROUP BY m.contract_id, m.account_id, m.period_start, c.period_end, c.per_shown, m.cause, m.batch, m.record_offset
),
stood AS (
  SELECT contract_id, account_id, period_start, sum(seconds) AS seconds, sum(amount) AS amount
  FROM shares
  JOIN closed USING (contract_id, period_start)
  GROUP BY contract_id, account_id, period_start
),
steps AS (
  SELECT
    n.*,
    coalesce(s.seconds, 0) + sum(n.seconds) OVER step AS after_seconds,
    coalesce(s.amount, 0) + sum(n.amount) OVER step AS after_amount
  FROM net AS n
  LEFT JOIN stood AS s USING (contract_id, account_id, period_start)
  WINDOW step AS (
    PARTITION BY n.contract_id, n.account_id, n.period_start ORDER BY n.batch, n.record_offset, n.cause COLLATE "C"
  )
)
INSERT INTO restatements (
  contract_id, account_id, period_start, period_end, before_seconds, after_seconds, before_amount, after_amount, cause,
  restated_at
)
SELECT
  s.contract_id, s.account_id, s.period_start, s.period_end, s.after_seconds - s.seconds, s.after_seconds,
  CASE WHEN s.per_shown <> 1 THEN s.after_amount - s.amount END, CASE WHEN c.per_shown <> 1 THEN s.after_amount END,
  s.cause, :moment
FROM steps AS s
JOIN contracts AS c USING (contract_id)
-- What is shown must differ.
WHERE s.seconds <> 0 OR half_even(s.after_amount - s.amount, 3600) <> half_even(s.after_amount, 3600)
ORDER BY s.batch, s.record_offset, s.cause COLLATE "C", s.contract_id, s.account_id, s.period_start;
