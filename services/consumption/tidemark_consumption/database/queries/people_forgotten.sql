-- Persons who are forgotten. Their figures stay, under a pseudonym.

-- name: person_identities()
-- Authors of work, and what teams, contacts and contracts have said of persons, in every version.
SELECT author_id AS person_id, NULL AS name, NULL AS email FROM fact_log WHERE author_id IS NOT NULL
UNION
SELECT rate_card.event ->> 'person_id', NULL, NULL
FROM directory_log AS rate_card
WHERE rate_card.type = 'tidemark.rate_card.changed.v1'
UNION
SELECT member.person_id, member.name, member.email
FROM directory_log AS team
CROSS JOIN LATERAL jsonb_to_recordset(team.event -> 'members') AS member (person_id text, name text, email text)
WHERE team.type = 'tidemark.team.changed.v1'
UNION
SELECT NULL, contact.name, contact.email
FROM directory_log AS organization
CROSS JOIN LATERAL jsonb_to_recordset(organization.event -> 'contacts') AS contact (name text, email text)
WHERE organization.type = 'tidemark.organization.changed.v1'
UNION
SELECT NULL, contract.event #>> '{terms,owner,name}', contract.event #>> '{terms,owner,email}'
FROM contract_log AS contract;

-- name: facts_of(author)
SELECT batch, record_offset, worklog_id, issue_id, started_at, seconds, team_ref, changed_at
FROM fact_log
WHERE author_id = :author;

-- name: rewrite_facts(pseudonym, batches, offsets, digests)!
-- Where versions of a worklog have one time, the digest decides between them: there it stays, so that the same holds.
WITH rewritten AS MATERIALIZED (
  SELECT fact.batch, fact.record_offset, fact.source, fact.worklog_id, fact.changed_at, new.digest
  FROM unnest(:batches::bigint[], :offsets::bigint[], :digests::bytea[]) AS new (batch, record_offset, digest)
  JOIN fact_log AS fact USING (batch, record_offset)
),
ties AS MATERIALIZED (
  SELECT other.source, other.worklog_id, other.changed_at
  FROM (SELECT DISTINCT source, worklog_id, changed_at FROM rewritten) AS version
  JOIN fact_log AS other USING (source, worklog_id, changed_at)
  WHERE other.kind = 'recorded'
  GROUP BY other.source, other.worklog_id, other.changed_at
  HAVING count(DISTINCT other.digest) > 1
)
UPDATE fact_log AS fact
SET
  author_id = :pseudonym, description = NULL,
  digest = CASE WHEN tie.worklog_id IS NULL THEN rewritten.digest ELSE fact.digest END
FROM rewritten
LEFT JOIN ties AS tie USING (source, worklog_id, changed_at)
WHERE fact.batch = rewritten.batch AND fact.record_offset = rewritten.record_offset;

-- name: rename_author(author, pseudonym)!
WITH renamed_worklogs AS (UPDATE worklogs SET author_id = :pseudonym WHERE author_id = :author),
renamed_ratings AS (UPDATE ratings SET author_id = :pseudonym WHERE author_id = :author),
renamed_members AS (UPDATE memberships SET person_id = :pseudonym, name = NULL WHERE person_id = :author),
renamed_restatements AS (
  UPDATE restatements SET cause = left(cause, 48) || :pseudonym
  WHERE cause LIKE 'membership:%' AND substr(cause, 49) = :author
)
UPDATE rate_cards SET person_id = :pseudonym
WHERE person_id = :author;
