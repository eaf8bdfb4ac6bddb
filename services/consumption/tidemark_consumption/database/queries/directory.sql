-- Versions of organizations, teams and rate cards, in the order in which projection/fold.py calls the queries.

-- name: logged_directory(batch)
SELECT type, event
FROM directory_log
WHERE batch = :batch
ORDER BY record_offset;

-- name: persons_of_team(team)
SELECT DISTINCT person_id FROM memberships WHERE team_id = :team;

-- name: apply_organizations(rows)!
INSERT INTO organizations AS organization (organization_id, version, name)
SELECT organization_id, version, name
FROM jsonb_populate_recordset(NULL::organizations, :rows::jsonb)
ON CONFLICT (organization_id) DO UPDATE SET version = excluded.version, name = excluded.name
WHERE excluded.version > organization.version;

-- name: apply_teams(rows)
-- Gives the teams that changed.
INSERT INTO teams AS team (team_id, version, name)
SELECT team_id, version, name
FROM jsonb_populate_recordset(NULL::teams, :rows::jsonb)
ON CONFLICT (team_id) DO UPDATE SET version = excluded.version, name = excluded.name
WHERE excluded.version > team.version
RETURNING team_id;

-- name: delete_memberships(teams)!
DELETE FROM memberships WHERE team_id = ANY(:teams::uuid[]);

-- name: insert_memberships(rows)!
INSERT INTO memberships (person_id, team_id, first_day, last_day, name)
SELECT person_id, team_id, first_day, last_day, name
FROM jsonb_populate_recordset(NULL::memberships, :rows::jsonb);

-- name: apply_rate_cards(rows)
-- Gives the cards that changed.
INSERT INTO rate_cards AS rate_card (
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
WHERE excluded.version > rate_card.version
RETURNING rate_card_id;
