-- names of members and renewals, for the views in `reporting`

ALTER TABLE memberships ADD COLUMN name text;
COMMENT ON COLUMN memberships.name IS 'Name of the person, as the team has it; null where it has none.';
UPDATE memberships AS membership
SET name = member.name
FROM teams AS team
JOIN (
  SELECT DISTINCT ON (logged.entity_id, logged.version) logged.entity_id, logged.version, logged.event
  FROM directory_log AS logged
  JOIN batches AS batch USING (batch)
  WHERE batch.learned_at IS NOT NULL AND logged.event ? 'members'
  ORDER BY logged.entity_id, logged.version, batch.learned_at, logged.batch, logged.record_offset
) AS newest ON newest.entity_id = team.team_id AND newest.version = team.version
CROSS JOIN LATERAL jsonb_to_recordset(newest.event -> 'members') AS member (person_id text, name text, "from" date)
WHERE membership.team_id = team.team_id AND membership.person_id = member.person_id
  AND membership.first_day = member."from";

ALTER TABLE contracts ADD COLUMN renewed_from uuid, ADD COLUMN renewed_as uuid;
COMMENT ON COLUMN contracts.renewed_from IS 'The contract that this one renews; null where it renews none.';
COMMENT ON COLUMN contracts.renewed_as IS 'The contract that renews this one; null where it was not renewed.';
UPDATE contracts AS contract
SET renewed_from = (newest.event ->> 'renewed_from')::uuid, renewed_as = (newest.event ->> 'renewed_as')::uuid
FROM (
  SELECT DISTINCT ON (logged.contract_id, logged.stream_version)
    logged.contract_id, logged.stream_version, logged.event
  FROM contract_log AS logged
  JOIN batches AS batch USING (batch)
  WHERE batch.learned_at IS NOT NULL
  ORDER BY logged.contract_id, logged.stream_version, batch.learned_at, logged.batch, logged.record_offset
) AS newest
WHERE newest.contract_id = contract.contract_id AND newest.stream_version = contract.stream_version;
