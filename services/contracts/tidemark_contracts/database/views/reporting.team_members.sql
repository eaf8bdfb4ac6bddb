-- One row for each membership of a team.
CREATE OR REPLACE VIEW reporting.team_members AS
SELECT
  team.id AS team_id, team.name AS team_name, member.person_id, member.name AS person_name, member.email,
  member."from" AS first_day, member.until AS last_day
FROM directory AS team
CROSS JOIN LATERAL jsonb_to_recordset(team.body -> 'members') AS member (
  person_id text, name text, email text, "from" date, until date
)
WHERE team.kind = 'team';
COMMENT ON VIEW reporting.team_members IS
'One row for each membership of a team; a person can have several, in one team one after another.';
COMMENT ON COLUMN reporting.team_members.team_id IS 'Id of the team.';
COMMENT ON COLUMN reporting.team_members.team_name IS 'Name of the team.';
COMMENT ON COLUMN reporting.team_members.person_id IS 'The person, as the source of the worklogs identifies them.';
COMMENT ON COLUMN reporting.team_members.person_name IS 'Name of the person; null where the team has none.';
COMMENT ON COLUMN reporting.team_members.email IS 'Mail address of the person; null where the team has none.';
COMMENT ON COLUMN reporting.team_members.first_day IS 'First day of the membership.';
COMMENT ON COLUMN reporting.team_members.last_day IS 'Last day of the membership, inclusive; null where it has no end.';
