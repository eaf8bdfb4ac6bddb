-- The delivery report: the contracts of an organization in a range of days, from the totals. In a session with shadow
-- tables it is what was known at a moment.

-- name: report_organization(organization)^
-- No row where the organization is unknown; its name is null while only its contracts are known.
SELECT organization.name
FROM (SELECT :organization::uuid AS organization_id) AS wanted
LEFT JOIN organizations AS organization USING (organization_id)
WHERE organization.organization_id IS NOT NULL
  OR EXISTS (SELECT FROM contracts AS contract WHERE contract.organization_id = wanted.organization_id);

-- name: report_contracts(organization, refs, first_day, last_day, moment, with_accounts)
-- The contracts that are named or, where none is, those that left DRAFT and run or have work in the range; each with
-- its whole balance, with or without its accounts.
WITH contracts_in_range AS MATERIALIZED (
  SELECT contract.contract_id
  FROM contracts AS contract
  WHERE contract.organization_id = :organization AND contract.status IS NOT NULL
    AND CASE
      WHEN :refs::text[] IS NOT NULL THEN contract.contract_id IN (
        SELECT contract_ref.contract_id FROM contract_refs AS contract_ref WHERE contract_ref.ref = ANY(:refs::text[])
      )
      ELSE contract.status <> 'DRAFT' AND (
        (contract.start_date <= :last_day::date AND contract.end_date >= :first_day::date)
        OR EXISTS (
          SELECT FROM daily_totals AS total
          WHERE total.contract_id = contract.contract_id AND total.day BETWEEN :first_day::date AND :last_day::date
        )
      )
    END
)
SELECT
  contract.contract_id, contract.code, contract.name, contract.owner_name, contract.owner_email, contract.type,
  contract.recurrence, contract.start_date, contract.end_date, contract.timezone, contract.scale_divisor,
  balance(contract.contract_id, :moment, TRUE, :with_accounts)::text AS body
FROM contracts_in_range
JOIN contracts AS contract USING (contract_id)
ORDER BY contract.code;

-- name: report_work(contracts, accounts, first_day, last_day)
-- The work of the range, by day of the work: each contract's billable and other work, in total and by team; and that of
-- each account, in total and by team. `by_account` and `by_team` say which of these a row is.
SELECT
  work.contract_id, work.account_id, work.team_id, team.name AS team_name, work.billable, work.by_account, work.by_team,
  work.seconds, hours(work.seconds) AS hours, half_even(work.units, contract.scale_divisor)::bigint AS consumed,
  decimal_amount(as_minor(work.units, contract.scale_divisor), contract.currency_digits) AS amount,
  CASE WHEN contract.scale_divisor <> 1 THEN work.unrated_seconds END AS unrated_seconds, work.worklog_count
FROM (
  SELECT
    total.contract_id, total.account_id, total.team_id, account.billable,
    grouping(total.account_id) = 0 AS by_account, grouping(total.team_id) = 0 AS by_team,
    sum(total.seconds)::bigint AS seconds,
    CASE any_value(contract.scale_divisor) WHEN 1 THEN sum(total.seconds) ELSE sum(total.amount) END AS units,
    sum(total.unrated_seconds)::bigint AS unrated_seconds, sum(total.worklog_count)::bigint AS worklog_count
  FROM daily_totals AS total
  JOIN contracts AS contract USING (contract_id)
  JOIN accounts AS account USING (contract_id, account_id)
  WHERE total.contract_id = ANY(:contracts::uuid[]) AND total.day BETWEEN :first_day AND :last_day
    AND (:accounts::uuid[] IS NULL OR total.account_id = ANY(:accounts::uuid[]))
  GROUP BY GROUPING SETS (
    (total.contract_id, account.billable), (total.contract_id, account.billable, total.team_id),
    (total.contract_id, account.billable, total.account_id),
    (total.contract_id, account.billable, total.account_id, total.team_id)
  )
) AS work
JOIN contracts AS contract USING (contract_id)
LEFT JOIN teams AS team USING (team_id)
ORDER BY work.contract_id, work.seconds DESC, team.name, work.team_id;

-- name: report_days(contracts, accounts, first_day, last_day)
-- Each day of the range with work, and the last one before it, of the accounts that are named or of all billable ones:
-- what was done that day, and since the contract began. Sums run over exact units, and are rounded when they are shown.
SELECT
  daily.contract_id, daily.day, daily.seconds,
  half_even(daily.units, contract.scale_divisor)::bigint AS consumed,
  half_even(daily.total_units, contract.scale_divisor)::bigint AS cumulative
FROM (
  SELECT
    work.contract_id, work.day, work.seconds, work.units,
    sum(work.units) OVER earlier AS total_units, lead(work.day, 1, 'infinity'::date) OVER earlier AS next_day
  FROM (
    SELECT
      total.contract_id, total.day, sum(total.seconds)::bigint AS seconds,
      CASE any_value(contract.scale_divisor) WHEN 1 THEN sum(total.seconds) ELSE sum(total.amount) END AS units
    FROM daily_totals AS total
    JOIN contracts AS contract USING (contract_id)
    JOIN accounts AS account USING (contract_id, account_id)
    WHERE total.contract_id = ANY(:contracts::uuid[]) AND total.day <= :last_day
      AND CASE
        WHEN :accounts::uuid[] IS NULL THEN account.billable ELSE total.account_id = ANY(:accounts::uuid[])
      END
    GROUP BY total.contract_id, total.day
  ) AS work
  WINDOW earlier AS (PARTITION BY work.contract_id ORDER BY work.day)
) AS daily
JOIN contracts AS contract USING (contract_id)
WHERE daily.next_day >= :first_day OR daily.day >= :first_day
ORDER BY daily.contract_id, daily.day;

-- name: report_people(contracts, accounts, first_day, last_day)
-- The work of the range by person. There are no totals by person, so this reads the worklogs of the contracts.
SELECT
  work.contract_id, work.author_id, author.name AS author_name, work.billable, work.seconds,
  hours(work.seconds) AS hours, half_even(work.units, contract.scale_divisor)::bigint AS consumed,
  decimal_amount(as_minor(work.units, contract.scale_divisor), contract.currency_digits) AS amount,
  CASE WHEN contract.scale_divisor <> 1 THEN work.unrated_seconds END AS unrated_seconds, work.worklog_count
FROM (
  SELECT
    worklog.contract_id, worklog.author_id, account.billable, sum(worklog.seconds)::bigint AS seconds,
    CASE any_value(contract.scale_divisor) WHEN 1 THEN sum(worklog.seconds) ELSE coalesce(sum(rating.amount), 0) END
      AS units,
    coalesce(sum(rating.unrated_seconds), 0)::bigint AS unrated_seconds, count(*) AS worklog_count
  FROM contract_refs AS contract_ref
  JOIN contracts AS contract USING (contract_id)
  JOIN issues AS issue ON issue.contract_ref = contract_ref.ref
  JOIN worklogs AS worklog
    ON worklog.source = issue.source AND worklog.issue_id = issue.issue_id
    AND worklog.contract_id = contract_ref.contract_id
  JOIN accounts AS account ON account.contract_id = worklog.contract_id AND account.account_id = worklog.account_id
  LEFT JOIN ratings AS rating ON rating.source = worklog.source AND rating.worklog_id = worklog.worklog_id
  WHERE contract_ref.contract_id = ANY(:contracts::uuid[]) AND worklog.reason IS NULL
    AND worklog.day BETWEEN :first_day AND :last_day
    AND (:accounts::uuid[] IS NULL OR worklog.account_id = ANY(:accounts::uuid[]))
  GROUP BY worklog.contract_id, worklog.author_id, account.billable
) AS work
JOIN contracts AS contract USING (contract_id)
LEFT JOIN LATERAL (
  SELECT membership.name
  FROM memberships AS membership
  WHERE membership.person_id = work.author_id AND membership.name IS NOT NULL
  ORDER BY membership.first_day <= :last_day DESC, membership.first_day DESC, membership.team_id
  LIMIT 1
) AS author ON TRUE
ORDER BY work.contract_id, work.seconds DESC, work.author_id COLLATE "C";

-- name: report_unaccounted(contracts)
SELECT contract_id, reason, seconds, hours(seconds) AS hours, worklog_count
FROM unaccounted_totals
WHERE contract_id = ANY(:contracts::uuid[])
ORDER BY contract_id, seconds DESC, reason;

-- name: report_restatements(contracts, accounts, first_day, last_day, moment, max_rows)
-- What was learned on days of the range, in the contract's time zone, up to the moment; the newest where there are many.
-- A replay makes no restatements: `consumption.` names the real table.
SELECT
  newest.contract_id, newest.account_id, account.name AS account_name, newest.period_start, newest.period_end,
  newest.before_seconds, newest.after_seconds, as_minor(newest.before_amount, 3600) AS before_amount_minor,
  as_minor(newest.after_amount, 3600) AS after_amount_minor, newest.cause, newest.restated_at
FROM contracts AS contract
CROSS JOIN LATERAL (
  SELECT
    restatement.restatement, restatement.contract_id, restatement.account_id, restatement.period_start,
    restatement.period_end, restatement.before_seconds, restatement.after_seconds, restatement.before_amount,
    restatement.after_amount, restatement.cause, restatement.restated_at
  FROM consumption.restatements AS restatement
  WHERE restatement.contract_id = contract.contract_id AND restatement.restated_at <= :moment
    AND (restatement.restated_at AT TIME ZONE contract.timezone)::date BETWEEN :first_day AND :last_day
    AND (:accounts::uuid[] IS NULL OR restatement.account_id = ANY(:accounts::uuid[]))
  ORDER BY restatement.restatement DESC
  LIMIT :max_rows
) AS newest
LEFT JOIN accounts AS account ON account.contract_id = newest.contract_id AND account.account_id = newest.account_id
WHERE contract.contract_id = ANY(:contracts::uuid[])
ORDER BY newest.contract_id, newest.restatement;

-- name: report_teams(contracts)
-- The names of the teams of these contracts.
SELECT DISTINCT team.team_id, team.name
FROM account_teams AS account_team
JOIN teams AS team USING (team_id)
WHERE account_team.contract_id = ANY(:contracts::uuid[]);
