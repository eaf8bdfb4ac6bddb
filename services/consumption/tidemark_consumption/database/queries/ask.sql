-- What is asked of a contract: as it is or, in a recalling session, as it was known.

-- name: balance_of(ref, moment)^
-- The whole balance of a contract by id or code, but for its forecast.
SELECT r.contract_id, balance(r.contract_id, :moment, TRUE)::text AS body
FROM contract_refs AS r
WHERE r.ref = :ref;

-- name: pace(contract, moment)^
-- What a forecast is made from: what of the current period is available and consumed, and the work of each day, in
-- the contract's units, of billable accounts alone. No row where nothing can be forecast.
SELECT
  n.today, p.period_start, p.period_end, p.available, p.consumed, coalesce(d.days, '{}') AS days,
  coalesce(d.amounts, '{}') AS amounts
FROM contracts AS c
CROSS JOIN LATERAL (SELECT (:moment::timestamptz AT TIME ZONE c.timezone)::date AS today) AS n
JOIN period_figures AS p ON p.contract_id = :contract AND p.period_start = current_period(:contract, n.today)
CROSS JOIN LATERAL (
  SELECT array_agg(w.day) AS days, array_agg(w.amount) AS amounts
  FROM (
    SELECT d.day, sum(CASE c.per_shown WHEN 1 THEN d.seconds ELSE d.amount END) AS amount
    FROM days AS d
    JOIN accounts AS a USING (contract_id, account_id)
    WHERE d.contract_id = :contract AND a.billable
    GROUP BY d.day
  ) AS w
) AS d
WHERE c.contract_id = :contract AND c.status IN ('ACTIVE', 'EXPIRED') AND p.available > 0;

-- name: contract_called(ref)$
SELECT c.contract_id
FROM contract_refs AS r
JOIN contracts AS c USING (contract_id)
WHERE r.ref = :ref;

-- name: curve(contract, account, sliced, team, moment)
-- Each day from the first to today or the last, work outside of these included: what was consumed by its end, of the
-- whole and of the period that holds the day. Of billable accounts or, where it is named, of an account or its share.
-- Sums run over days and work together, so each is read once.
WITH c AS MATERIALIZED (SELECT * FROM contracts WHERE contract_id = :contract),
plans AS MATERIALIZED (
  SELECT
    p.period_start, max(p.period_end) AS period_end, sum(p.planned) AS planned, sum(p.available) AS available,
    sum(p.carried) AS carried
  FROM (
    SELECT period_start, period_end, NULL::numeric AS planned, NULL::numeric AS available, 0::numeric AS carried
    FROM periods
    WHERE contract_id = :contract
    UNION ALL
    SELECT f.period_start, NULL, f.planned, f.available, f.carried
    FROM period_figures AS f
    WHERE f.contract_id = :contract AND :account::uuid IS NULL
    UNION ALL
    SELECT f.period_start, NULL, f.planned, f.planned, NULL
    FROM account_figures AS f
    WHERE f.contract_id = :contract AND f.account_id = :account AND NOT :sliced
    UNION ALL
    SELECT f.period_start, NULL, f.planned, f.planned, NULL
    FROM share_figures AS f
    WHERE f.contract_id = :contract AND f.account_id = :account AND :sliced
      AND f.team_id IS NOT DISTINCT FROM :team::uuid
  ) AS p
  GROUP BY p.period_start
),
work AS MATERIALIZED (
  SELECT
    d.day, d.period_start, sum(CASE c.per_shown WHEN 1 THEN d.seconds ELSE d.amount END) AS consumed,
    sum(d.unrated_seconds) AS unrated_seconds, sum(d.worklogs) AS worklogs
  FROM days AS d
  JOIN accounts AS a USING (contract_id, account_id)
  CROSS JOIN c
  WHERE d.contract_id = :contract
    AND (CASE WHEN :account::uuid IS NULL THEN a.billable ELSE a.account_id = :account END)
    AND (NOT :sliced OR d.team_id IS NOT DISTINCT FROM :team::uuid)
  GROUP BY d.day, d.period_start
),
span AS MATERIALIZED (
  SELECT
    c.start_date, c.end_date, least(c.start_date, (SELECT min(day) FROM work)) AS first_day,
    greatest(least(c.end_date, (:moment::timestamptz AT TIME ZONE c.timezone)::date), (SELECT max(day) FROM work))
      AS last_day
  FROM c
),
calendar AS (
  SELECT d.day::date AS day, p.period_start, p.period_end, p.planned, p.available, p.carried
  FROM plans AS p
  CROSS JOIN span AS s
  CROSS JOIN LATERAL generate_series(p.period_start, least(p.period_end, s.last_day), interval '1 day') AS d (day)
  UNION ALL
  -- Work of a fixed price may be done on days that no period holds.
  SELECT d.day::date, NULL, NULL, NULL, NULL, NULL
  FROM span AS s
  CROSS JOIN LATERAL (
    SELECT generate_series(s.first_day, s.start_date - 1, interval '1 day')
    UNION ALL
    SELECT generate_series(s.end_date + 1, s.last_day, interval '1 day')
  ) AS d (day)
),
sums AS (
  SELECT
    d.*,
    sum(d.consumed) OVER whole AS whole_consumed, sum(d.worklogs) OVER whole AS whole_worklogs,
    sum(d.unrated_seconds) OVER whole AS whole_unrated_seconds,
    sum(d.consumed) OVER period AS period_consumed, sum(d.worklogs) OVER period AS period_worklogs,
    sum(d.unrated_seconds) OVER period AS period_unrated_seconds
  FROM (
    SELECT
      TRUE AS is_shown, day, period_start, period_end, planned, available, carried, 0::numeric AS consumed,
      0::numeric AS worklogs, 0::numeric AS unrated_seconds
    FROM calendar
    UNION ALL
    SELECT FALSE, day, period_start, NULL, NULL, NULL, NULL, consumed, worklogs, unrated_seconds FROM work
  ) AS d
  WINDOW whole AS (ORDER BY d.day), period AS (PARTITION BY d.period_start ORDER BY d.day)
)
SELECT
  d.day,
  figures(t.planned, t.planned, d.whole_consumed, d.whole_worklogs, d.whole_unrated_seconds, c.per_shown)::text AS whole,
  (
    figures(
      d.planned, d.available, d.period_consumed, d.period_worklogs, d.period_unrated_seconds, c.per_shown
    ) || jsonb_build_object(
      'start', d.period_start, 'end', d.period_end, 'carried', half_even(coalesce(d.carried, 0), c.per_shown),
      'available', half_even(d.available, c.per_shown)
    )
  )::text AS period
FROM sums AS d
CROSS JOIN c
CROSS JOIN (SELECT sum(planned) AS planned FROM plans) AS t
WHERE d.is_shown
ORDER BY d.day;

-- name: worklogs_of(contract, account, sliced, team, period, day, billable, reasons, started_at, source, worklog_id, most)
-- In the order of their start, those behind the one that is named; `reasons` null: what counts.
SELECT
  w.source, w.worklog_id, w.issue_id,
  k.issue_key, k.summary,
  w.author_id, w.started_at, w.seconds, w.day, w.account_id, a.name AS account_name, a.billable, w.team_id,
  t.name AS team_name, w.period_start, w.reason, g.amount AS amount_exact, g.unrated_seconds,
  l.description, w.changed_at AS updated_at
FROM worklogs AS w
JOIN issues AS i ON i.source = w.source AND i.issue_id = w.issue_id
JOIN fact_log AS k ON k.batch = i.batch AND k.record_offset = i.record_offset
JOIN fact_log AS l ON l.batch = w.batch AND l.record_offset = w.record_offset
LEFT JOIN accounts AS a ON a.contract_id = w.contract_id AND a.account_id = w.account_id
LEFT JOIN teams AS t ON t.team_id = w.team_id
LEFT JOIN ratings AS g ON g.source = w.source AND g.worklog_id = w.worklog_id
WHERE i.contract_ref IN (SELECT ref FROM contract_refs WHERE contract_id = :contract) AND w.contract_id = :contract
  AND (CASE WHEN :reasons::text [] IS NULL THEN w.reason IS NULL ELSE w.reason = ANY(:reasons::text []) END)
  AND (:account::uuid IS NULL OR w.account_id = :account)
  AND (NOT :sliced OR w.team_id IS NOT DISTINCT FROM :team::uuid)
  AND (:period::date IS NULL OR w.period_start = :period)
  AND (:day::date IS NULL OR w.day = :day)
  AND (:billable::boolean IS NULL OR a.billable = :billable)
  AND (
    :started_at::timestamptz IS NULL
    OR (w.started_at, w.source COLLATE "C", w.worklog_id COLLATE "C") > (:started_at, :source, :worklog_id)
  )
ORDER BY w.started_at, w.source COLLATE "C", w.worklog_id COLLATE "C"
LIMIT :most;
