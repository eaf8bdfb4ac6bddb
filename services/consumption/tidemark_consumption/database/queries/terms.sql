-- Versions of contracts and of the directory, in the order in which projection/fold.py calls it.

-- name: logged_contracts(batch)
-- In the order in which they are learned. Of two events of one version the first holds, as when the log is replayed.
SELECT l.event
FROM contract_log AS l
JOIN batches AS b USING (batch)
WHERE l.batch = :batch AND NOT EXISTS (
  SELECT FROM contract_log AS e
  JOIN batches AS n ON n.batch = e.batch
  WHERE e.contract_id = l.contract_id AND e.stream_version = l.stream_version
    AND (coalesce(n.learned_at, 'infinity'), e.batch, e.record_offset)
      < (coalesce(b.learned_at, 'infinity'), l.batch, l.record_offset)
)
ORDER BY l.record_offset;

-- name: logged_directory(batch)
SELECT type, event
FROM directory_log
WHERE batch = :batch
ORDER BY record_offset;

-- name: apply_contracts(rows)
-- The newest version of each, where it is newer than what is here. Gives the contracts that changed.
INSERT INTO contracts AS c (
  contract_id, stream_version, status, code, name, organization_id, owner_name, owner_email, type, recurrence,
  start_date, end_date, timezone, holidays, currency, currency_digits, per_shown, contracted, unused, cap, lapse_after,
  overrun, settle_days, activated_at, changed_at
)
SELECT
  contract_id, stream_version, status, code, name, organization_id, owner_name, owner_email, type, recurrence,
  start_date, end_date, timezone, holidays, currency, currency_digits, per_shown, contracted, unused, cap, lapse_after,
  overrun, settle_days, activated_at, changed_at
FROM jsonb_populate_recordset(NULL::contracts, :rows::jsonb)
ON CONFLICT (contract_id) DO UPDATE SET
  stream_version = excluded.stream_version, status = excluded.status, code = excluded.code, name = excluded.name,
  organization_id = excluded.organization_id, owner_name = excluded.owner_name, owner_email = excluded.owner_email,
  type = excluded.type, recurrence = excluded.recurrence, start_date = excluded.start_date,
  end_date = excluded.end_date, timezone = excluded.timezone, holidays = excluded.holidays,
  currency = excluded.currency, currency_digits = excluded.currency_digits, per_shown = excluded.per_shown,
  contracted = excluded.contracted, unused = excluded.unused, cap = excluded.cap, lapse_after = excluded.lapse_after,
  overrun = excluded.overrun, settle_days = excluded.settle_days, changed_at = excluded.changed_at
WHERE excluded.stream_version > c.stream_version
RETURNING contract_id;

-- name: activate(rows)!
-- The first activation there was, in whatever order its versions come.
UPDATE contracts AS c
SET activated_at = a.activated_at
FROM jsonb_to_recordset(:rows::jsonb) AS a (contract_id uuid, activated_at timestamptz)
WHERE c.contract_id = a.contract_id AND coalesce(c.activated_at > a.activated_at, TRUE);

-- name: clear_terms(ids)!
WITH a AS (DELETE FROM accounts WHERE contract_id = ANY(:ids::uuid [])),
t AS (DELETE FROM account_teams WHERE contract_id = ANY(:ids::uuid [])),
j AS (DELETE FROM adjustments WHERE contract_id = ANY(:ids::uuid []))
DELETE FROM periods WHERE contract_id = ANY(:ids::uuid []);

-- name: missing_calendars(codes)
SELECT code FROM unnest(:codes::text []) AS c (code)
WHERE NOT EXISTS (SELECT FROM holidays AS h WHERE h.code = c.code);

-- name: insert_holidays(code, days)!
INSERT INTO holidays (code, day)
SELECT :code, unnest(:days::date []) ON CONFLICT DO NOTHING;

-- name: insert_accounts(rows)!
INSERT INTO accounts (contract_id, account_id, position, name, billable, planned)
SELECT contract_id, account_id, position, name, billable, planned
FROM jsonb_populate_recordset(NULL::accounts, :rows::jsonb);

-- name: insert_account_teams(rows)!
INSERT INTO account_teams (contract_id, account_id, team_id, position, is_slice, planned)
SELECT contract_id, account_id, team_id, position, is_slice, planned
FROM jsonb_populate_recordset(NULL::account_teams, :rows::jsonb);

-- name: insert_periods(rows)!
INSERT INTO periods (contract_id, period_start, period_end)
SELECT contract_id, period_start, period_end
FROM jsonb_populate_recordset(NULL::periods, :rows::jsonb);

-- name: insert_adjustments(rows)!
INSERT INTO adjustments (contract_id, account_id, period_start, planned)
SELECT contract_id, account_id, period_start, sum(planned)
FROM jsonb_populate_recordset(NULL::adjustments, :rows::jsonb)
GROUP BY contract_id, account_id, period_start;

-- name: name_accounts(rows)!
-- From every version, however late it comes: a name belongs to its latest holder, an id to its account for good.
INSERT INTO account_refs AS r (contract_id, ref, account_id, stream_version)
SELECT DISTINCT ON (contract_id, ref) contract_id, ref, account_id, stream_version
FROM jsonb_populate_recordset(NULL::account_refs, :rows::jsonb)
ORDER BY contract_id, ref, stream_version DESC
ON CONFLICT (contract_id, ref) DO UPDATE SET account_id = excluded.account_id, stream_version = excluded.stream_version
WHERE excluded.stream_version > r.stream_version;

-- name: forget_refs(refs)!
DELETE FROM contract_refs WHERE ref = ANY(:refs::text []);

-- name: name_contracts(refs)!
-- Who answers to each of these references now; an id comes before a code, a discarded draft answers to none.
INSERT INTO contract_refs (ref, contract_id)
SELECT DISTINCT ON (n.ref) n.ref, n.contract_id
FROM (
  SELECT r.ref, c.contract_id, c.status, FALSE AS by_id
  FROM unnest(:refs::text []) AS r (ref)
  JOIN contracts AS c ON c.code = r.ref
  UNION ALL
  SELECT r.ref, c.contract_id, c.status, TRUE
  FROM unnest(:refs::text []) AS r (ref)
  JOIN contracts AS c ON c.contract_id = CASE WHEN r.ref ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN r.ref::uuid END
) AS n
WHERE n.status IS NOT NULL
ORDER BY n.ref, n.by_id DESC, n.contract_id;

-- name: stage_contracts(refs, versions)!
-- The work whose links name one of these, in the version that decides now.
INSERT INTO batch_worklogs (
  cause, source, worklog_id, issue_id, author_id, team_ref, started_at, seconds, deleted, changed_at
)
SELECT
  'contract:' || r.version, w.source, w.worklog_id, w.issue_id, w.author_id, w.team_ref, w.started_at, w.seconds, FALSE, w.changed_at
FROM unnest(:refs::text [], :versions::integer []) AS r (ref, version)
JOIN issues AS i ON i.contract_ref = r.ref
JOIN worklogs AS w ON w.source = i.source AND w.issue_id = i.issue_id
WHERE NOT w.deleted;

-- name: open_balances(ids, moment, correlation_id)!
-- A contract's terms are part of its balance, so a change of them is published as work is.
INSERT INTO balances AS b (contract_id, day, correlation_id)
SELECT contract_id, (:moment::timestamptz AT TIME ZONE timezone)::date, :correlation_id
FROM contracts
WHERE contract_id = ANY(:ids::uuid [])
ON CONFLICT (contract_id) DO UPDATE
SET revision = b.revision + 1, correlation_id = excluded.correlation_id, updated_at = now();

-- name: persons_of_team(team)
SELECT DISTINCT person_id FROM memberships WHERE team_id = :team;

-- name: apply_organizations(rows)!
INSERT INTO organizations AS o (organization_id, version, name)
SELECT organization_id, version, name
FROM jsonb_populate_recordset(NULL::organizations, :rows::jsonb)
ON CONFLICT (organization_id) DO UPDATE SET version = excluded.version, name = excluded.name
WHERE excluded.version > o.version;

-- name: apply_teams(rows)
-- Gives the teams that changed.
INSERT INTO teams AS t (team_id, version, name)
SELECT team_id, version, name
FROM jsonb_populate_recordset(NULL::teams, :rows::jsonb)
ON CONFLICT (team_id) DO UPDATE SET version = excluded.version, name = excluded.name
WHERE excluded.version > t.version
RETURNING team_id;

-- name: clear_memberships(teams)!
DELETE FROM memberships WHERE team_id = ANY(:teams::uuid []);

-- name: insert_memberships(rows)!
INSERT INTO memberships (person_id, team_id, first_day, last_day)
SELECT person_id, team_id, first_day, last_day
FROM jsonb_populate_recordset(NULL::memberships, :rows::jsonb);

-- name: stage_persons(teams, persons)!
-- The work of each person in contracts with the team beside it.
INSERT INTO batch_worklogs (
  cause, source, worklog_id, issue_id, author_id, team_ref, started_at, seconds, deleted, changed_at
)
SELECT
  'membership:' || p.team_id || '/' || p.person_id, w.source, w.worklog_id, w.issue_id, w.author_id, w.team_ref, w.started_at, w.seconds, FALSE, w.changed_at
FROM unnest(:teams::uuid [], :persons::text []) AS p (team_id, person_id)
JOIN worklogs AS w ON w.author_id = p.person_id
WHERE NOT w.deleted
  AND EXISTS (SELECT FROM account_teams AS t WHERE t.team_id = p.team_id AND t.contract_id = w.contract_id);

-- name: apply_rate_cards(rows)
-- Gives the cards that changed.
INSERT INTO rate_cards AS r (
  rate_card_id, version, deleted, person_id, team_id, first_day, currency, workload_seconds, normal, extra_time,
  weekend, holiday
)
SELECT
  rate_card_id, version, deleted, person_id, team_id, first_day, currency, workload_seconds, normal, extra_time,
  weekend, holiday
FROM jsonb_populate_recordset(NULL::rate_cards, :rows::jsonb)
ON CONFLICT (rate_card_id) DO UPDATE SET
  version = excluded.version, deleted = excluded.deleted, person_id = excluded.person_id, team_id = excluded.team_id,
  first_day = excluded.first_day, currency = excluded.currency, workload_seconds = excluded.workload_seconds,
  normal = excluded.normal, extra_time = excluded.extra_time, weekend = excluded.weekend, holiday = excluded.holiday
WHERE excluded.version > r.version
RETURNING rate_card_id;
