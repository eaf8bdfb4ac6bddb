-- Fixed price: what a worklog consumes depends on all the work of its person on that day (SPEC W3). So the work of a
-- person on a day in a contract is rated together whenever some of it changes.

-- name: affect_changed_person_days()!
-- The days of persons that have a delta.
INSERT INTO affected_person_days (contract_id, author_id, day, cause, batch, record_offset)
SELECT DISTINCT ON (delta.contract_id, delta.author_id, delta.day)
  delta.contract_id, delta.author_id, delta.day, delta.cause, delta.batch, delta.record_offset
FROM deltas AS delta
JOIN contracts AS contract ON contract.contract_id = delta.contract_id AND contract.scale_divisor <> 1
WHERE delta.counts
ORDER BY delta.contract_id, delta.author_id, delta.day, delta.batch, delta.record_offset
ON CONFLICT DO NOTHING;

-- name: affect_contracts(ids)!
-- All work of these contracts: their calendar, their currency or their type may have changed.
INSERT INTO affected_person_days (contract_id, author_id, day, cause, batch, record_offset)
SELECT
  person_day.contract_id, person_day.author_id, person_day.day, 'contract:' || contract.stream_version, NULL, NULL
FROM (
  SELECT contract_id, author_id, day FROM ratings WHERE contract_id = ANY(:ids::uuid[])
  UNION
  SELECT worklog.contract_id, worklog.author_id, worklog.day
  FROM contracts AS contract
  JOIN contract_refs AS contract_ref USING (contract_id)
  JOIN issues AS issue ON issue.contract_ref = contract_ref.ref
  JOIN worklogs AS worklog
    ON worklog.source = issue.source AND worklog.issue_id = issue.issue_id
    AND worklog.contract_id = contract.contract_id
  WHERE contract.contract_id = ANY(:ids::uuid[]) AND contract.scale_divisor <> 1 AND worklog.reason IS NULL
) AS person_day
JOIN contracts AS contract USING (contract_id)
ON CONFLICT DO NOTHING;

-- name: affect_rate_cards(ids)!
-- The work that these cards may apply to.
INSERT INTO affected_person_days (contract_id, author_id, day, cause, batch, record_offset)
SELECT
  rating.contract_id, rating.author_id, rating.day, min('rate_card:' || rate_card.rate_card_id), NULL, NULL
FROM rate_cards AS rate_card
JOIN ratings AS rating ON rating.author_id = rate_card.person_id AND rating.day >= rate_card.first_day
WHERE rate_card.rate_card_id = ANY(:ids::uuid[])
GROUP BY rating.contract_id, rating.author_id, rating.day
ON CONFLICT DO NOTHING;

-- name: reverse_ratings()$
-- Deletes the ratings of the affected days; the amounts become negative deltas. Gives the number of affected days.
WITH deleted_ratings AS (
  DELETE FROM ratings AS rating
  USING affected_person_days AS person_day
  WHERE rating.contract_id = person_day.contract_id AND rating.author_id = person_day.author_id
    AND rating.day = person_day.day
  RETURNING
    rating.contract_id, rating.account_id, rating.team_id, rating.period_start, rating.day, rating.author_id,
    rating.amount, rating.unrated_seconds, person_day.cause, person_day.batch, person_day.record_offset
),
negative_deltas AS (
  INSERT INTO deltas (
    contract_id, account_id, team_id, period_start, day, reason, author_id, seconds, amount, unrated_seconds,
    worklog_count, cause, batch, record_offset
  )
  SELECT
    contract_id, account_id, team_id, period_start, day, NULL, author_id, 0, -amount, -unrated_seconds, 0, cause,
    batch, record_offset
  FROM deleted_ratings
)
SELECT count(*) FROM affected_person_days;

-- name: create_rated_worklogs_view()#
-- The work of the affected days, each worklog with the card that fits best, and split at the daily workload of that card:
-- `kind_seconds` are paid `kind_per_hour`, the rest is extra time. All work that counts on the day fills the workload.
CREATE OR REPLACE TEMPORARY VIEW rated_worklogs AS
WITH work AS (
  SELECT
    worklog.source, worklog.worklog_id, worklog.contract_id, worklog.account_id, worklog.team_id,
    worklog.period_start, worklog.day, worklog.author_id, worklog.seconds, contract.currency,
    CASE
      WHEN holiday.day IS NOT NULL THEN 'holiday' WHEN extract(ISODOW FROM worklog.day) > 5 THEN 'weekend' ELSE 'normal'
    END AS kind,
    sum(worklog.seconds) OVER (
      PARTITION BY worklog.contract_id, worklog.author_id, worklog.day
      ORDER BY worklog.started_at, worklog.worklog_id COLLATE "C", worklog.source COLLATE "C"
    ) - worklog.seconds AS seconds_before
  FROM affected_person_days AS person_day
  JOIN contracts AS contract ON contract.contract_id = person_day.contract_id AND contract.scale_divisor <> 1
  -- OFFSET 0 makes the planner look up each person and day, even if its statistics of the table are old.
  CROSS JOIN LATERAL (
    SELECT
      stored.source, stored.worklog_id, stored.contract_id, stored.account_id, stored.team_id, stored.period_start,
      stored.day, stored.author_id, stored.seconds, stored.started_at
    FROM worklogs AS stored
    WHERE stored.author_id = person_day.author_id AND stored.day = person_day.day
      AND stored.contract_id = person_day.contract_id AND stored.reason IS NULL
    OFFSET 0 -- noqa: AM09
  ) AS worklog
  LEFT JOIN holidays AS holiday ON holiday.code = contract.holidays AND holiday.day = worklog.day
)
SELECT
  work.source, work.worklog_id, work.contract_id, work.account_id, work.team_id, work.period_start, work.day,
  work.author_id, work.seconds, rate_card.rate_card_id, work.kind,
  CASE work.kind
    WHEN 'holiday' THEN rate_card.holiday WHEN 'weekend' THEN rate_card.weekend ELSE rate_card.normal
  END AS kind_per_hour,
  CASE work.kind
    WHEN 'normal' THEN greatest(least(rate_card.workload_seconds - work.seconds_before, work.seconds), 0)
    ELSE work.seconds
  END AS kind_seconds,
  rate_card.extra_time AS extra_time_per_hour
FROM work
LEFT JOIN LATERAL (
  SELECT
    card.rate_card_id, card.workload_seconds, card.normal, card.extra_time, card.weekend, card.holiday
  FROM rate_cards AS card
  WHERE card.person_id = work.author_id AND card.currency = work.currency AND card.first_day <= work.day
    AND NOT card.deleted AND (card.team_id IS NULL OR card.team_id = work.team_id)
  ORDER BY card.team_id IS NULL, card.first_day DESC, card.rate_card_id
  LIMIT 1
) AS rate_card ON TRUE;

-- name: rate()#
-- What each worklog of the affected days consumes. A script, so that Postgres plans it each time: one fold may bring many
-- rate cards or a calendar, which the plan for few of them would read for each worklog.
WITH new_ratings AS (
  INSERT INTO ratings (
    source, worklog_id, contract_id, account_id, team_id, period_start, day, author_id, amount, unrated_seconds
  )
  SELECT
    source, worklog_id, contract_id, account_id, team_id, period_start, day, author_id,
    CASE
      WHEN rate_card_id IS NULL THEN 0
      ELSE kind_seconds::numeric * kind_per_hour + (seconds - kind_seconds)::numeric * extra_time_per_hour
    END,
    CASE WHEN rate_card_id IS NULL THEN seconds ELSE 0 END
  FROM rated_worklogs
  RETURNING contract_id, account_id, team_id, period_start, day, author_id, amount, unrated_seconds
)
INSERT INTO deltas (
  contract_id, account_id, team_id, period_start, day, reason, author_id, seconds, amount, unrated_seconds,
  worklog_count, cause, batch, record_offset
)
SELECT
  rating.contract_id, rating.account_id, rating.team_id, rating.period_start, rating.day, NULL, rating.author_id, 0,
  rating.amount, rating.unrated_seconds, 0, person_day.cause, person_day.batch, person_day.record_offset
FROM new_ratings AS rating
JOIN affected_person_days AS person_day USING (contract_id, author_id, day);
