-- Fixed price: what work consumes is known only beside all that its person did on that day (SPEC W3). So a person's
-- work of a day in a contract is rated together, by whoever changed some of it.

-- name: touch_moved!
INSERT INTO touched
SELECT DISTINCT ON (m.contract_id, m.author_id, m.day) m.contract_id, m.author_id, m.day, m.cause, m.record_offset
FROM moves AS m
JOIN contracts AS c ON c.contract_id = m.contract_id AND c.per_shown <> 1
WHERE m.reason IS NULL
ORDER BY m.contract_id, m.author_id, m.day, m.record_offset
ON CONFLICT DO NOTHING;

-- name: touch_contracts(ids)!
-- All work of these contracts: their calendar, their currency or their type may be another.
INSERT INTO touched
SELECT r.contract_id, r.author_id, r.day, 'contract:' || c.stream_version, NULL
FROM (
  SELECT contract_id, author_id, day FROM ratings WHERE contract_id = ANY(:ids::uuid [])
  UNION
  SELECT w.contract_id, w.author_id, w.day
  FROM worklogs AS w
  JOIN contracts AS c ON c.contract_id = w.contract_id AND c.per_shown <> 1
  WHERE w.contract_id = ANY(:ids::uuid []) AND w.reason IS NULL
) AS r
JOIN contracts AS c USING (contract_id)
ON CONFLICT DO NOTHING;

-- name: touch_rate_cards(ids)!
-- The work that these cards may be for.
INSERT INTO touched
SELECT r.contract_id, r.author_id, r.day, min('rate_card:' || c.rate_card_id), NULL
FROM rate_cards AS c
JOIN ratings AS r ON r.author_id = c.person_id AND r.day >= c.first_day
WHERE c.rate_card_id = ANY(:ids::uuid [])
GROUP BY r.contract_id, r.author_id, r.day
ON CONFLICT DO NOTHING;

-- name: hold_touched$
-- Two batches with work of one person on one day: the second waits, and then sees what the first made of it. Gives how
-- many there are.
SELECT count(pg_advisory_xact_lock(3, bucket))
FROM (
  SELECT DISTINCT hashtext(concat(contract_id, day, author_id)) & 2047 AS bucket
  FROM touched
  ORDER BY bucket
) AS ordered;

-- name: take_ratings!
-- What was made of them before is taken away.
WITH gone AS (
  DELETE FROM ratings AS r
  USING touched AS t
  WHERE r.contract_id = t.contract_id AND r.author_id = t.author_id AND r.day = t.day
  RETURNING r.*, t.cause, t.record_offset
)
INSERT INTO moves
SELECT
  contract_id, account_id, team_id, period_start, day, NULL, author_id, 0, -amount, -unrated_seconds, 0, cause,
  record_offset
FROM gone;

-- name: rate!
-- Each worklog by the card that fits best, split at that card's own limit; all that counts that day fills the limit.
WITH work AS (
  SELECT
    w.source, w.worklog_id, w.contract_id, w.account_id, w.team_id, w.period_start, w.day, w.author_id, w.seconds,
    c.currency, t.cause, t.record_offset,
    h.day IS NOT NULL AS is_holiday,
    extract(ISODOW FROM w.day) > 5 AS is_weekend,
    sum(w.seconds) OVER (
      PARTITION BY w.contract_id, w.author_id, w.day
      ORDER BY w.started_at, w.worklog_id COLLATE "C", w.source COLLATE "C"
    ) - w.seconds AS seconds_before
  FROM touched AS t
  JOIN contracts AS c ON c.contract_id = t.contract_id AND c.per_shown <> 1
  JOIN worklogs AS w
    ON w.contract_id = t.contract_id AND w.author_id = t.author_id AND w.day = t.day AND w.reason IS NULL
  LEFT JOIN holidays AS h ON h.code = c.holidays AND h.day = w.day
),
rated AS (
  INSERT INTO ratings
  SELECT
    w.source, w.worklog_id, w.contract_id, w.account_id, w.team_id, w.period_start, w.day, w.author_id,
    CASE
      WHEN r.rate_card_id IS NULL THEN 0
      WHEN w.is_holiday THEN w.seconds::numeric * r.holiday
      WHEN w.is_weekend THEN w.seconds::numeric * r.weekend
      ELSE w.seconds::numeric * r.extra_time
        + greatest(least(r.workload_seconds - w.seconds_before, w.seconds), 0)::numeric * (r.normal - r.extra_time)
    END,
    CASE WHEN r.rate_card_id IS NULL THEN w.seconds ELSE 0 END
  FROM work AS w
  LEFT JOIN LATERAL (
    SELECT *
    FROM rate_cards AS r
    WHERE r.person_id = w.author_id AND r.currency = w.currency AND r.first_day <= w.day AND NOT r.deleted
      AND (r.team_id IS NULL OR r.team_id = w.team_id)
    ORDER BY r.team_id IS NULL, r.first_day DESC, r.rate_card_id
    LIMIT 1
  ) AS r ON TRUE
  RETURNING *
)
INSERT INTO moves
SELECT
  r.contract_id, r.account_id, r.team_id, r.period_start, r.day, NULL, r.author_id, 0, r.amount, r.unrated_seconds, 0,
  t.cause, t.record_offset
FROM rated AS r
JOIN touched AS t USING (contract_id, author_id, day);
