-- Work by person and week, against capacity. Weeks begin on Monday. There are no totals by person, so these queries read
-- the worklogs of the range.

-- name: people_memberships(team, first_day, last_day)
-- The memberships in the range of everybody or, where a team is named, of its members; the latest ones first.
SELECT membership.person_id, membership.name, membership.team_id, team.name AS team_name
FROM memberships AS membership
JOIN teams AS team USING (team_id)
WHERE membership.first_day <= :last_day AND membership.last_day >= :first_day
  AND (
    :team::uuid IS NULL
    OR membership.person_id IN (
      SELECT member.person_id
      FROM memberships AS member
      WHERE member.team_id = :team::uuid AND member.first_day <= :last_day AND member.last_day >= :first_day
    )
  )
ORDER BY membership.person_id, membership.last_day DESC, membership.first_day DESC, team.name, membership.team_id;

-- name: people_work(persons, first_day, last_day)
-- The seconds of each person by week and contract: billable, not billable, and not counted. `persons` null: everybody.
-- A day is that of the contract's time zone; work whose contract is unknown has its day in UTC.
SELECT
  work.author_id, date_trunc('week', work.day)::date AS week, work.contract_id, contract.code AS contract_code,
  contract.name AS contract_name,
  coalesce(sum(work.seconds) FILTER (WHERE work.billable), 0)::bigint AS billable_seconds,
  coalesce(sum(work.seconds) FILTER (WHERE NOT work.billable), 0)::bigint AS non_billable_seconds,
  coalesce(sum(work.seconds) FILTER (WHERE work.billable IS NULL), 0)::bigint AS unaccounted_seconds
FROM (
  SELECT worklog.author_id, worklog.day, worklog.contract_id, account.billable, worklog.seconds
  FROM worklogs AS worklog
  JOIN accounts AS account USING (contract_id, account_id)
  WHERE worklog.reason IS NULL AND worklog.day BETWEEN :first_day AND :last_day
    AND (:persons::text[] IS NULL OR worklog.author_id = ANY(:persons::text[]))
  UNION ALL
  SELECT
    worklog.author_id, coalesce(worklog.day, (worklog.started_at AT TIME ZONE 'UTC')::date), worklog.contract_id, NULL,
    worklog.seconds
  FROM worklogs AS worklog
  WHERE worklog.reason IS NOT NULL
    AND coalesce(worklog.day, (worklog.started_at AT TIME ZONE 'UTC')::date) BETWEEN :first_day AND :last_day
    AND (:persons::text[] IS NULL OR worklog.author_id = ANY(:persons::text[]))
) AS work
LEFT JOIN contracts AS contract USING (contract_id)
GROUP BY work.author_id, date_trunc('week', work.day), work.contract_id, contract.code, contract.name
ORDER BY work.author_id, week, contract.code;

-- name: people_capacity(persons, first_day, last_day, default_seconds)
-- The seconds that each person has in each week: on each day from Monday to Friday on which the person is a member of a
-- team, the daily workload of the latest rate card by then (one for all teams before others), else the default.
SELECT
  person.person_id, date_trunc('week', day.day)::date AS week,
  sum(coalesce(rate_card.workload_seconds, :default_seconds::integer))::bigint AS capacity_seconds
FROM unnest(:persons::text[]) AS person (person_id)
CROSS JOIN generate_series(:first_day::date::timestamp, :last_day::date::timestamp, '1 day') AS day (day)
LEFT JOIN LATERAL (
  SELECT card.workload_seconds
  FROM rate_cards AS card
  WHERE card.person_id = person.person_id AND NOT card.deleted AND card.first_day <= day.day::date
  ORDER BY card.team_id IS NULL DESC, card.first_day DESC, card.rate_card_id
  LIMIT 1
) AS rate_card ON TRUE
WHERE extract(ISODOW FROM day.day) <= 5
  AND EXISTS (
    SELECT FROM memberships AS membership
    WHERE membership.person_id = person.person_id
      AND day.day::date BETWEEN membership.first_day AND membership.last_day
  )
GROUP BY person.person_id, date_trunc('week', day.day);

-- name: people_names(persons)
-- The latest name of each person that has one.
SELECT DISTINCT ON (person_id) person_id, name
FROM memberships
WHERE person_id = ANY(:persons::text[]) AND name IS NOT NULL
ORDER BY person_id, first_day DESC, team_id;

-- name: people_team_exists(team)$
SELECT count(*) > 0 FROM teams WHERE team_id = :team;
