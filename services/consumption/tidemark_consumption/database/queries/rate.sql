-- Fixed price: what work consumes is known only beside all that its person did on that day (SPEC W3). So a person's
-- work of a day in a contract is rated together, by whoever changed some of it.

-- name: affect_changed!
-- The persons' days that have a delta.
INSERT INTO affected_person_days (contract_id, author_id, day, cause, batch, record_offset)
SELECT DISTINCT ON (d.contract_id, d.author_id, d.day)
  d.contract_id, d.author_id, d.day, d.cause, d.batch, d.record_offset
FROM deltas AS d
JOIN contracts AS c ON c.contract_id = d.contract_id AND c.per_shown <> 1
WHERE d.counts
ORDER BY d.contract_id, d.author_id, d.day, d.batch, d.record_offset
ON CONFLICT DO NOTHING;

-- name: affect_contracts(ids)!
-- All work of these contracts: their calendar, their currency or their type may be another.
INSERT INTO affected_person_days (contract_id, author_id, day, cause, batch, record_offset)
SELECT r.contract_id, r.author_id, r.day, 'contract:' || c.stream_version, NULL, NULL
FROM (
  SELECT contract_id, author_id, day FROM ratings WHERE contract_id = ANY(:ids::uuid [])
  UNION
  SELECT w.contract_id, w.author_id, w.day
  FROM contracts AS c
  JOIN contract_refs AS f USING (contract_id)
  JOIN issues AS i ON i.contract_ref = f.ref
  JOIN worklogs AS w ON w.source = i.source AND w.issue_id = i.issue_id AND w.contract_id = c.contract_id
  WHERE c.contract_id = ANY(:ids::uuid []) AND c.per_shown <> 1 AND w.reason IS NULL
) AS r
JOIN contracts AS c USING (contract_id)
ON CONFLICT DO NOTHING;

-- name: affect_rate_cards(ids)!
-- The work that these cards may be for.
INSERT INTO affected_person_days (contract_id, author_id, day, cause, batch, record_offset)
SELECT r.contract_id, r.author_id, r.day, min('rate_card:' || c.rate_card_id), NULL, NULL
FROM rate_cards AS c
JOIN ratings AS r ON r.author_id = c.person_id AND r.day >= c.first_day
WHERE c.rate_card_id = ANY(:ids::uuid [])
GROUP BY r.contract_id, r.author_id, r.day
ON CONFLICT DO NOTHING;

-- name: take_back_ratings$
-- What was made of them before is taken back. Gives how many persons' days are affected.
WITH gone AS (
  DELETE FROM ratings AS r
  USING affected_person_days AS t
  WHERE r.contract_id = t.contract_id AND r.author_id = t.author_id AND r.day = t.day
  RETURNING r.*, t.cause, t.batch, t.record_offset
),
taken AS (
  INSERT INTO deltas (
    contract_id, account_id, team_id, period_start, day, reason, author_id, seconds, amount, unrated_seconds, worklogs,
    cause, batch, record_offset
  )
  SELECT
    contract_id, account_id, team_id, period_start, day, NULL, author_id, 0, -amount, -unrated_seconds, 0, cause,
    batch, record_offset
  FROM gone
)
SELECT count(*) FROM affected_person_days;

-- name: rate!
-- Each worklog by the card that fits best, split at that card's own limit; all that counts that day fills the limit.
WITH work AS (
  SELECT
    w.source, w.worklog_id, w.contract_id, w.account_id, w.team_id, w.period_start, w.day, w.author_id, w.seconds,
    c.currency, t.cause, t.batch, t.record_offset,
    h.day IS NOT NULL AS is_holiday,
    extract(ISODOW FROM w.day) > 5 AS is_weekend,
    sum(w.seconds) OVER (
      PARTITION BY w.contract_id, w.author_id, w.day
      ORDER BY w.started_at, w.worklog_id COLLATE "C", w.source COLLATE "C"
    ) - w.seconds AS seconds_before
  FROM affected_person_days AS t
  JOIN contracts AS c ON c.contract_id = t.contract_id AND c.per_shown <> 1
  -- Looked up by person and day, whatever the planner believes of a table that has just grown.
  CROSS JOIN LATERAL (
    SELECT * FROM worklogs AS w
    WHERE w.author_id = t.author_id AND w.day = t.day AND w.contract_id = t.contract_id AND w.reason IS NULL
    OFFSET 0
  ) AS w
  LEFT JOIN holidays AS h ON h.code = c.holidays AND h.day = w.day
),
rated AS (
  INSERT INTO ratings (
    source, worklog_id, contract_id, account_id, team_id, period_start, day, author_id, amount, unrated_seconds
  )
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
INSERT INTO deltas (
  contract_id, account_id, team_id, period_start, day, reason, author_id, seconds, amount, unrated_seconds, worklogs,
  cause, batch, record_offset
)
SELECT
  r.contract_id, r.account_id, r.team_id, r.period_start, r.day, NULL, r.author_id, 0, r.amount, r.unrated_seconds, 0,
  t.cause, t.batch, t.record_offset
FROM rated AS r
JOIN affected_person_days AS t USING (contract_id, author_id, day);
