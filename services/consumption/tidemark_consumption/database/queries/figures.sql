-- The figures of a contract: the current ones or, in a session with shadow tables, those known at a moment.

-- name: whole_balance(contract, moment)$
-- The whole balance of a contract, without its forecast; null for a discarded draft.
SELECT balance(:contract, :moment, TRUE)::text AS body;

-- name: paces(contracts, moment)
-- What forecasts are made from: what is available and consumed in the current period, and the work of each day, in the
-- units of the contract, billable accounts only. No row where no forecast is possible.
SELECT
  contract.contract_id, local.today, period.period_start, period.period_end, period.available, period.consumed,
  coalesce(work.days, '{}') AS days, coalesce(work.amounts, '{}') AS amounts
FROM contracts AS contract
CROSS JOIN LATERAL (SELECT (:moment::timestamptz AT TIME ZONE contract.timezone)::date AS today) AS local
JOIN period_figures AS period
  ON period.contract_id = contract.contract_id
  AND period.period_start = current_period(contract.contract_id, local.today)
CROSS JOIN LATERAL (
  SELECT array_agg(daily.day) AS days, array_agg(daily.amount) AS amounts
  FROM (
    SELECT total.day, sum(CASE contract.scale_divisor WHEN 1 THEN total.seconds ELSE total.amount END) AS amount
    FROM daily_totals AS total
    JOIN accounts AS account USING (contract_id, account_id)
    WHERE total.contract_id = contract.contract_id AND account.billable
    GROUP BY total.day
  ) AS daily
) AS work
WHERE contract.contract_id = ANY(:contracts::uuid[]) AND contract.status IN ('ACTIVE', 'EXPIRED')
  AND period.available > 0;

-- name: contract_by_ref(ref)$
-- The id of a contract by id or code.
SELECT contract.contract_id
FROM contract_refs AS contract_ref
JOIN contracts AS contract USING (contract_id)
WHERE contract_ref.ref = :ref;

-- name: curve(contract, account, by_team, team, moment)
-- Each day from the first day to today or the last day, and days of work outside of these: what was consumed by the
-- end of the day, in total and in the period that holds the day. Of billable accounts or, where it is named, of an
-- account or of one of its teams. Sums run over days and work together, so each is read once.
WITH contract AS MATERIALIZED (
  SELECT contract_id, start_date, end_date, timezone, scale_divisor FROM contracts WHERE contract_id = :contract
),
plans AS MATERIALIZED (
  SELECT
    part.period_start, max(part.period_end) AS period_end, sum(part.planned) AS planned,
    sum(part.available) AS available, sum(part.carried) AS carried
  FROM (
    SELECT period_start, period_end, NULL::numeric AS planned, NULL::numeric AS available, 0::numeric AS carried
    FROM periods
    WHERE contract_id = :contract
    UNION ALL
    SELECT figure.period_start, NULL, figure.planned, figure.available, figure.carried
    FROM period_figures AS figure
    WHERE figure.contract_id = :contract AND :account::uuid IS NULL
    UNION ALL
    SELECT figure.period_start, NULL, figure.planned, figure.planned, NULL
    FROM account_figures AS figure
    WHERE figure.contract_id = :contract AND figure.account_id = :account AND NOT :by_team
    UNION ALL
    SELECT figure.period_start, NULL, figure.planned, figure.planned, NULL
    FROM account_team_figures AS figure
    WHERE figure.contract_id = :contract AND figure.account_id = :account AND :by_team
      AND figure.team_id IS NOT DISTINCT FROM :team::uuid
  ) AS part
  GROUP BY part.period_start
),
work AS MATERIALIZED (
  SELECT
    total.day, total.period_start,
    sum(CASE contract.scale_divisor WHEN 1 THEN total.seconds ELSE total.amount END) AS consumed,
    sum(total.unrated_seconds) AS unrated_seconds, sum(total.worklog_count) AS worklog_count
  FROM daily_totals AS total
  JOIN accounts AS account USING (contract_id, account_id)
  CROSS JOIN contract
  WHERE total.contract_id = :contract
    AND (CASE WHEN :account::uuid IS NULL THEN account.billable ELSE account.account_id = :account END)
    AND (NOT :by_team OR total.team_id IS NOT DISTINCT FROM :team::uuid)
  GROUP BY total.day, total.period_start
),
span AS MATERIALIZED (
  SELECT
    contract.start_date, contract.end_date,
    least(contract.start_date, (SELECT min(day) FROM work)) AS first_day,
    greatest(
      least(contract.end_date, (:moment::timestamptz AT TIME ZONE contract.timezone)::date),
      (SELECT max(day) FROM work)
    ) AS last_day
  FROM contract
),
calendar AS (
  SELECT
    calendar_day.day::date AS day, plan.period_start, plan.period_end, plan.planned, plan.available, plan.carried
  FROM plans AS plan
  CROSS JOIN span
  CROSS JOIN LATERAL generate_series(
    plan.period_start, least(plan.period_end, span.last_day), interval '1 day'
  ) AS calendar_day (day)
  UNION ALL
  -- Work of a fixed price can be on days that are in no period.
  SELECT calendar_day.day::date, NULL, NULL, NULL, NULL, NULL
  FROM span
  CROSS JOIN LATERAL (
    SELECT generate_series(span.first_day, span.start_date - 1, interval '1 day')
    UNION ALL
    SELECT generate_series(span.end_date + 1, span.last_day, interval '1 day')
  ) AS calendar_day (day)
),
running_sums AS (
  SELECT
    entry.is_shown, entry.day, entry.period_start, entry.period_end, entry.planned, entry.available, entry.carried,
    sum(entry.consumed) OVER whole AS whole_consumed,
    sum(entry.worklog_count) OVER whole AS whole_worklog_count,
    sum(entry.unrated_seconds) OVER whole AS whole_unrated_seconds,
    sum(entry.consumed) OVER period AS period_consumed,
    sum(entry.worklog_count) OVER period AS period_worklog_count,
    sum(entry.unrated_seconds) OVER period AS period_unrated_seconds
  FROM (
    SELECT
      TRUE AS is_shown, day, period_start, period_end, planned, available, carried, 0::numeric AS consumed,
      0::numeric AS worklog_count, 0::numeric AS unrated_seconds
    FROM calendar
    UNION ALL
    SELECT FALSE, day, period_start, NULL, NULL, NULL, NULL, consumed, worklog_count, unrated_seconds FROM work
  ) AS entry
  WINDOW whole AS (ORDER BY entry.day), period AS (PARTITION BY entry.period_start ORDER BY entry.day)
)
SELECT
  entry.day,
  figures(
    total.planned, total.planned, entry.whole_consumed, entry.whole_worklog_count, entry.whole_unrated_seconds,
    contract.scale_divisor
  )::text AS whole,
  (
    figures(
      entry.planned, entry.available, entry.period_consumed, entry.period_worklog_count,
      entry.period_unrated_seconds, contract.scale_divisor
    ) || jsonb_build_object(
      'start', entry.period_start, 'end', entry.period_end,
      'carried', half_even(coalesce(entry.carried, 0), contract.scale_divisor),
      'available', half_even(entry.available, contract.scale_divisor)
    )
  )::text AS period
FROM running_sums AS entry
CROSS JOIN contract
CROSS JOIN (SELECT sum(planned) AS planned FROM plans) AS total
WHERE entry.is_shown
ORDER BY entry.day;

-- name: contract_worklogs(contract, account, by_team, team, period, day, billable, reasons, started_at, source, worklog_id, max_rows)
-- In the order of their start, those after the worklog that is named; `reasons` null: those that count.
SELECT
  worklog.source, worklog.worklog_id, worklog.issue_id, link.issue_key, link.summary, worklog.author_id,
  worklog.started_at, worklog.seconds, worklog.day, worklog.account_id, account.name AS account_name,
  account.billable, worklog.team_id, team.name AS team_name, worklog.period_start, worklog.reason,
  rating.amount AS amount_exact, rating.unrated_seconds, recorded.description, worklog.changed_at AS updated_at
FROM worklogs AS worklog
JOIN issues AS issue ON issue.source = worklog.source AND issue.issue_id = worklog.issue_id
JOIN fact_log AS link ON link.batch = issue.batch AND link.record_offset = issue.record_offset
JOIN fact_log AS recorded ON recorded.batch = worklog.batch AND recorded.record_offset = worklog.record_offset
LEFT JOIN accounts AS account
  ON account.contract_id = worklog.contract_id AND account.account_id = worklog.account_id
LEFT JOIN teams AS team ON team.team_id = worklog.team_id
LEFT JOIN ratings AS rating ON rating.source = worklog.source AND rating.worklog_id = worklog.worklog_id
WHERE issue.contract_ref IN (SELECT ref FROM contract_refs WHERE contract_id = :contract)
  AND worklog.contract_id = :contract
  AND (
    CASE WHEN :reasons::text[] IS NULL THEN worklog.reason IS NULL ELSE worklog.reason = ANY(:reasons::text[]) END
  )
  AND (:account::uuid IS NULL OR worklog.account_id = :account)
  AND (NOT :by_team OR worklog.team_id IS NOT DISTINCT FROM :team::uuid)
  AND (:period::date IS NULL OR worklog.period_start = :period)
  AND (:day::date IS NULL OR worklog.day = :day)
  AND (:billable::boolean IS NULL OR account.billable = :billable)
  AND (
    :started_at::timestamptz IS NULL
    OR (worklog.started_at, worklog.source COLLATE "C", worklog.worklog_id COLLATE "C")
      > (:started_at, :source, :worklog_id)
  )
ORDER BY worklog.started_at, worklog.source COLLATE "C", worklog.worklog_id COLLATE "C"
LIMIT :max_rows;
