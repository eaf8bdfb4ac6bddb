-- A change of a closed period goes through, and leaves behind what was, what is and why (SPEC W7, 9).

-- name: note_closed(ids, moment)!
-- Before the terms of these contracts change: what was closed by those that held.
INSERT INTO closed
SELECT * FROM closed_periods(:moment) WHERE contract_id = ANY(:ids::uuid [])
ON CONFLICT DO NOTHING;

-- name: hold_closed(noted, moment)$
-- The closed periods that the moves touch, but those of contracts noted before; and whoever else changes one of them
-- waits, so that what was before is what the one ahead left. Gives how many contracts there are.
WITH others AS (
  INSERT INTO closed
  SELECT *
  FROM closed_periods(:moment)
  WHERE contract_id IN (SELECT contract_id FROM moves WHERE reason IS NULL) AND contract_id <> ALL(:noted::uuid [])
  ON CONFLICT DO NOTHING
  RETURNING contract_id, period_start
)
SELECT count(pg_advisory_xact_lock(4, bucket))
FROM (
  SELECT DISTINCT hashtext(contract_id::text) & 2047 AS bucket
  FROM (SELECT contract_id, period_start FROM others UNION SELECT contract_id, period_start FROM closed) AS c
  JOIN moves AS m USING (contract_id, period_start)
  WHERE m.reason IS NULL
  ORDER BY bucket
) AS ordered;

-- name: restate(moment)!
-- One row a cause and an account's figure that changed, each from where the one before left it.
WITH net AS (
  SELECT
    m.contract_id, m.account_id, m.period_start, c.period_end, c.per_shown, m.cause, m.record_offset,
    sum(m.seconds) AS seconds, sum(m.amount) AS amount
  FROM moves AS m
  JOIN closed AS c USING (contract_id, period_start)
  WHERE m.reason IS NULL
  GROUP BY m.contract_id, m.account_id, m.period_start, c.period_end, c.per_shown, m.cause, m.record_offset
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
    PARTITION BY n.contract_id, n.account_id, n.period_start ORDER BY n.record_offset, n.cause COLLATE "C"
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
ORDER BY s.record_offset, s.cause COLLATE "C", s.contract_id, s.account_id, s.period_start;
