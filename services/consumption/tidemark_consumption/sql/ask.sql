-- What is asked of a contract: as it is or, in a recalling session, as it was known.

-- name: balance_of(ref, moment)^
-- The whole balance of a contract by id or code, but for its forecast.
SELECT r.contract_id, balance(r.contract_id, :moment, TRUE)::text AS body
FROM contract_refs AS r
WHERE r.ref = :ref;

-- name: paces(ids, moment)
-- What a forecast is made from: what of the current period is available and consumed, and the work of each day, in
-- the contract's units, of billable accounts alone.
SELECT
  c.contract_id, n.today, p.period_start, p.period_end, p.available, p.consumed,
  coalesce(d.days, '{}') AS days, coalesce(d.amounts, '{}') AS amounts
FROM contracts AS c
CROSS JOIN LATERAL (SELECT (:moment::timestamptz AT TIME ZONE c.timezone)::date AS today) AS n
JOIN LATERAL (
  SELECT * FROM period_figures AS f
  WHERE f.contract_id = c.contract_id AND f.period_start = current_period(c.contract_id, n.today)
) AS p ON TRUE
CROSS JOIN LATERAL (
  SELECT array_agg(w.day) AS days, array_agg(w.amount) AS amounts
  FROM (
    SELECT d.day, sum(CASE c.per_shown WHEN 1 THEN d.seconds ELSE d.amount END) AS amount
    FROM days AS d
    JOIN accounts AS a USING (contract_id, account_id)
    WHERE d.contract_id = c.contract_id AND a.billable
    GROUP BY d.day
  ) AS w
) AS d
WHERE c.contract_id = ANY(:ids::uuid []) AND c.status IN ('ACTIVE', 'EXPIRED') AND p.available > 0;

-- name: contract_called(ref)$
SELECT c.contract_id
FROM contract_refs AS r
JOIN contracts AS c USING (contract_id)
WHERE r.ref = :ref;

-- name: curve(contract, account, sliced, team, moment)
-- Each day from the first to today or the last, work outside of these included: what was consumed by its end, of the
-- whole and of the period that holds the day. Of billable accounts or, where it is named, of an account or its share.
WITH c AS MATERIALIZED (SELECT * FROM contracts WHERE contract_id = :contract),
plans AS MATERIALIZED (
  SELECT f.period_start, f.planned, f.available, f.carried
  FROM period_figures AS f
  WHERE f.contract_id = :contract AND :account::uuid IS NULL
  UNION ALL
  SELECT f.period_start, f.planned, f.planned, NULL
  FROM account_figures AS f
  WHERE f.contract_id = :contract AND f.account_id = :account AND NOT :sliced
  UNION ALL
  SELECT f.period_start, f.planned, f.planned, NULL
  FROM share_figures AS f
  WHERE f.contract_id = :contract AND f.account_id = :account AND :sliced
    AND f.team_id IS NOT DISTINCT FROM :team::uuid
),
work AS MATERIALIZED (
  SELECT
    d.day, d.period_start, sum(CASE c.per_shown WHEN 1 THEN d.seconds ELSE d.amount END) AS consumed,
    sum(d.unrated_seconds) AS unrated_seconds, sum(d.worklogs) AS worklogs
  FROM days AS d
  JOIN accounts AS a USING (contract_id, account_id)
  JOIN c USING (contract_id)
  WHERE (CASE WHEN :account::uuid IS NULL THEN a.billable ELSE a.account_id = :account END)
    AND (NOT :sliced OR d.team_id IS NOT DISTINCT FROM :team::uuid)
  GROUP BY d.day, d.period_start
),
asked AS (
  SELECT d.day::date AS day
  FROM c
  CROSS JOIN LATERAL generate_series(
    least(c.start_date, (SELECT min(day) FROM work)),
    greatest(least(c.end_date, (:moment::timestamptz AT TIME ZONE c.timezone)::date), (SELECT max(day) FROM work)),
    interval '1 day'
  ) AS d (day)
)
SELECT
  d.day,
  figures(
    t.planned, t.planned, coalesce(w.consumed, 0), coalesce(w.worklogs, 0), coalesce(w.unrated_seconds, 0), c.per_shown
  )::text AS whole,
  (
    figures(
      n.planned, n.available, coalesce(p.consumed, 0), coalesce(p.worklogs, 0), coalesce(p.unrated_seconds, 0),
      c.per_shown
    ) || jsonb_build_object(
      'start', s.period_start, 'end', s.period_end, 'carried', half_even(coalesce(n.carried, 0), c.per_shown),
      'available', half_even(n.available, c.per_shown)
    )
  )::text AS period
FROM asked AS d
CROSS JOIN c
CROSS JOIN (SELECT sum(planned) AS planned FROM plans) AS t
LEFT JOIN periods AS s ON s.contract_id = :contract AND d.day BETWEEN s.period_start AND s.period_end
LEFT JOIN plans AS n ON n.period_start = s.period_start
CROSS JOIN LATERAL (
  SELECT sum(consumed) AS consumed, sum(worklogs) AS worklogs, sum(unrated_seconds) AS unrated_seconds
  FROM work
  WHERE day <= d.day
) AS w
CROSS JOIN LATERAL (
  SELECT sum(consumed) AS consumed, sum(worklogs) AS worklogs, sum(unrated_seconds) AS unrated_seconds
  FROM work
  WHERE day <= d.day AND work.period_start = s.period_start
) AS p
ORDER BY d.day;

-- name: worklogs_of(contract, account, sliced, team, period, day, billable, reasons, started_at, source, worklog_id, most)
-- In the order of their start, those behind the one that is named; `reasons` null: what counts.
SELECT
  w.source, w.worklog_id, w.issue_id,
  convert_from(i.content, 'UTF8')::jsonb ->> 'issue_key' AS issue_key,
  convert_from(i.content, 'UTF8')::jsonb ->> 'summary' AS summary,
  w.author_id, w.started_at, w.seconds, w.day, w.account_id, a.name AS account_name, a.billable, w.team_id,
  t.name AS team_name, w.period_start, w.reason, g.amount AS amount_exact, g.unrated_seconds,
  convert_from(w.content, 'UTF8')::jsonb ->> 'description' AS description, w.changed_at AS updated_at
FROM worklogs AS w
JOIN issues AS i USING (source, issue_id)
LEFT JOIN accounts AS a USING (contract_id, account_id)
LEFT JOIN teams AS t ON t.team_id = w.team_id
LEFT JOIN ratings AS g USING (source, worklog_id)
WHERE w.contract_id = :contract
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
