-- The logs folded again, into the shadow tables of the session. `consumption.` names the real tables.

-- name: create_shadow_tables()#
SELECT create_shadow_tables();

-- name: set_lock_timeout()#
SET LOCAL lock_timeout = '10s';

-- name: settle_moment(moment)!
-- A fold in progress began after `learned_at`, so its facts may be learned at this moment. The update waits for it,
-- and every later fold is learned after the moment.
UPDATE projection SET learned_at = :moment
WHERE learned_at < :moment;

-- name: lock_projection()!
SELECT FROM projection FOR UPDATE;

-- name: is_rebuild_due()$
SELECT rebuild_due FROM projection;

-- name: set_rebuilt()!
UPDATE projection SET rebuild_due = FALSE;

-- name: first_moment()$
-- Null where nothing was learned yet. An earlier moment has no answer: nothing was learned then, or the database was
-- filled again.
SELECT min(learned_at) FROM batches;

-- name: set_scope(moment)!
INSERT INTO batches_in_scope (batch, learned_at)
SELECT batch, learned_at FROM batches WHERE learned_at <= coalesce(:moment::timestamptz, 'infinity');

-- name: batches_folded_since()
-- The batches that were folded after the scope was set.
SELECT batch.batch, batch.log, batch.correlation_id, batch.learned_at
FROM batches AS batch
WHERE batch.learned_at IS NOT NULL
  AND NOT EXISTS (SELECT FROM batches_in_scope AS scope WHERE scope.batch = batch.batch)
ORDER BY batch.learned_at, batch.batch;

-- name: directory_in_scope()
-- The newest version of each entity; of equal versions the first.
SELECT DISTINCT ON (logged.entity_id) logged.type, logged.event
FROM directory_log AS logged
JOIN batches_in_scope AS scope USING (batch)
ORDER BY logged.entity_id, logged.version DESC, scope.learned_at, logged.batch, logged.record_offset;

-- name: contracts_in_scope(ref, organization)
-- Every version of every contract or, with a reference or an organization, of the contracts that it names or that ever
-- belonged to it, and of those that share a code with them.
WITH named AS MATERIALIZED (
  SELECT contract_id, code FROM contract_log WHERE code = :ref
  UNION
  SELECT contract_id, code
  FROM contract_log
  WHERE contract_id = CASE WHEN :ref ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN :ref::uuid END
  UNION
  SELECT contract_id, code
  FROM contract_log
  WHERE :organization::uuid IS NOT NULL AND event #>> '{terms,organization_id}' = (:organization::uuid)::text
),
related AS MATERIALIZED (
  SELECT contract_id FROM named
  UNION
  SELECT other.contract_id FROM named JOIN contract_log AS other USING (code)
  UNION
  -- An id comes before a code, even where the code is the id of another contract.
  SELECT other.contract_id FROM named JOIN contract_log AS other ON other.code = named.contract_id::text
  UNION
  SELECT other.contract_id
  FROM named
  JOIN contract_log AS other
    ON other.contract_id
      = CASE WHEN named.code ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN named.code::uuid END
)
SELECT DISTINCT ON (logged.contract_id, logged.stream_version) logged.event
FROM contract_log AS logged
JOIN batches_in_scope AS scope USING (batch)
WHERE (:ref::text IS NULL AND :organization::uuid IS NULL) OR logged.contract_id IN (SELECT contract_id FROM related)
ORDER BY logged.contract_id, logged.stream_version, scope.learned_at, logged.batch, logged.record_offset;

-- name: replay_links()!
-- The last writer of each link.
INSERT INTO issues (source, issue_id, contract_ref, account_ref, created_at, changed_at, batch, record_offset)
SELECT DISTINCT ON (link.source, link.issue_id)
  link.source, link.issue_id, link.contract_ref, link.account_ref, link.created_at, link.changed_at, link.batch,
  link.record_offset
FROM fact_log AS link
JOIN batches_in_scope AS scope USING (batch)
WHERE link.kind = 'linked'
ORDER BY
  link.source, link.issue_id, link.changed_at DESC, link.digest DESC, scope.learned_at, link.batch,
  link.record_offset;

-- name: replay_links_to(refs)!
-- The same for the issues that were ever linked to one of these contracts.
INSERT INTO issues (source, issue_id, contract_ref, account_ref, created_at, changed_at, batch, record_offset)
SELECT DISTINCT ON (link.source, link.issue_id)
  link.source, link.issue_id, link.contract_ref, link.account_ref, link.created_at, link.changed_at, link.batch,
  link.record_offset
FROM (
  SELECT DISTINCT source, issue_id FROM fact_log WHERE kind = 'linked' AND contract_ref = ANY(:refs::text[])
) AS issue
JOIN fact_log AS link ON link.source = issue.source AND link.issue_id = issue.issue_id AND link.kind = 'linked'
JOIN batches_in_scope AS scope ON scope.batch = link.batch
ORDER BY
  link.source, link.issue_id, link.changed_at DESC, link.digest DESC, scope.learned_at, link.batch,
  link.record_offset;

-- name: replay_worklogs()!
-- The last writer of each worklog.
INSERT INTO batch_worklogs (
  batch, record_offset, source, worklog_id, issue_id, author_id, team_ref, started_at, seconds, deleted, changed_at
)
SELECT DISTINCT ON (fact.source, fact.worklog_id)
  fact.batch, fact.record_offset, fact.source, fact.worklog_id, fact.issue_id, fact.author_id, fact.team_ref,
  fact.started_at, fact.seconds, fact.kind = 'deleted', fact.changed_at
FROM fact_log AS fact
JOIN batches_in_scope AS scope USING (batch)
WHERE fact.kind <> 'linked'
ORDER BY
  fact.source, fact.worklog_id, fact.changed_at DESC, fact.kind = 'deleted' DESC, fact.digest DESC, scope.learned_at,
  fact.batch, fact.record_offset;

-- name: replay_worklogs_of(refs)!
-- The same for worklogs that were on an issue linked to one of these contracts. The version that held at the moment is
-- the one that holds now, or a former one.
WITH linked_issues AS MATERIALIZED (
  SELECT source, issue_id FROM issues WHERE contract_ref = ANY(:refs::text[])
),
candidates AS MATERIALIZED (
  SELECT worklog.source, worklog.worklog_id
  FROM linked_issues JOIN consumption.worklogs AS worklog USING (source, issue_id)
  UNION
  SELECT former.source, former.worklog_id
  FROM linked_issues JOIN consumption.former_versions AS former USING (source, issue_id)
),
versions AS MATERIALIZED (
  SELECT worklog.batch, worklog.record_offset
  FROM candidates JOIN consumption.worklogs AS worklog USING (source, worklog_id)
  UNION ALL
  SELECT former.batch, former.record_offset
  FROM candidates JOIN consumption.former_versions AS former USING (source, worklog_id)
),
newest_versions AS (
  SELECT DISTINCT ON (fact.source, fact.worklog_id)
    fact.batch, fact.record_offset, fact.source, fact.worklog_id, fact.issue_id, fact.author_id, fact.team_ref,
    fact.started_at, fact.seconds, fact.kind, fact.changed_at
  FROM versions
  JOIN batches_in_scope AS scope USING (batch)
  JOIN fact_log AS fact USING (batch, record_offset)
  ORDER BY
    fact.source, fact.worklog_id, fact.changed_at DESC, fact.kind = 'deleted' DESC, fact.digest DESC,
    scope.learned_at, fact.batch, fact.record_offset
)
INSERT INTO batch_worklogs (
  batch, record_offset, source, worklog_id, issue_id, author_id, team_ref, started_at, seconds, deleted, changed_at
)
SELECT
  fact.batch, fact.record_offset, fact.source, fact.worklog_id, fact.issue_id, fact.author_id, fact.team_ref,
  fact.started_at, fact.seconds, fact.kind = 'deleted', fact.changed_at
FROM newest_versions AS fact
JOIN linked_issues USING (source, issue_id);

-- name: analyze_replayed()#
-- The planner has no statistics of rows that were just written.
ANALYZE batches_in_scope, issues, batch_worklogs;

-- name: projection_tables()
SELECT unnest(projection_tables()) AS name;

-- name: differences(relation)
-- The actual row beside the expected row, where both have the key.
SELECT identity.key::text, difference.side, difference.row::text
FROM differences(:relation) AS difference
CROSS JOIN LATERAL (
  SELECT jsonb_object_agg(name, difference.row -> name) AS key FROM unnest(key_columns(:relation)) AS name
) AS identity
ORDER BY identity.key;

-- name: repair(relation)!
SELECT repair(:relation);
