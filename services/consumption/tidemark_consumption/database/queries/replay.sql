-- The log folded again, into the session's shadow tables (migration 0006). `consumption.` names the real ones.

-- name: create_shadow_tables#
SELECT create_shadow_tables();

-- name: bound_lock_wait#
SET LOCAL lock_timeout = '10s';

-- name: settle_moment(moment)!
-- The fold in flight, if there is one, was begun after `learned_at`: it may be learned at the moment. It is waited for,
-- and every later one is learned after it.
UPDATE projection SET learned_at = :moment
WHERE learned_at < :moment;

-- name: lock_projection!
SELECT FROM projection FOR UPDATE;

-- name: rebuild_due$
SELECT rebuild_due FROM projection;

-- name: note_rebuilt!
UPDATE projection SET rebuild_due = FALSE;

-- name: first_moment$
-- Before it nothing is known: either nothing was learned, or the database was filled again.
SELECT min(learned_at) FROM batches;

-- name: set_scope(moment)!
INSERT INTO batches_in_scope (batch, learned_at)
SELECT batch, learned_at FROM batches WHERE learned_at <= coalesce(:moment::timestamptz, 'infinity');

-- name: folded_since
-- What was folded after the scope was set.
SELECT b.batch, b.log, b.correlation_id, b.learned_at
FROM batches AS b
WHERE b.learned_at IS NOT NULL AND NOT EXISTS (SELECT FROM batches_in_scope AS s WHERE s.batch = b.batch)
ORDER BY b.learned_at, b.batch;

-- name: directory_in_scope
-- The newest version of each; of equal ones the first.
SELECT DISTINCT ON (l.entity_id) l.type, l.event
FROM directory_log AS l
JOIN batches_in_scope AS s USING (batch)
ORDER BY l.entity_id, l.version DESC, s.learned_at, l.batch, l.record_offset;

-- name: contracts_in_scope(ref)
-- Every version of every contract or, with a reference, of those that it names or named, or that share a code with
-- these.
SELECT DISTINCT ON (l.contract_id, l.stream_version) l.event
FROM contract_log AS l
JOIN batches_in_scope AS s USING (batch)
WHERE :ref::text IS NULL
  OR l.contract_id IN (
    SELECT o.contract_id
    FROM contract_log AS n
    JOIN contract_log AS o
      ON o.contract_id = n.contract_id OR o.code = n.code
      -- An id comes before a code, also one that is another's id.
      OR o.contract_id::text = n.code OR o.code = n.contract_id::text
    WHERE n.code = :ref OR n.contract_id::text = :ref
  )
ORDER BY l.contract_id, l.stream_version, s.learned_at, l.batch, l.record_offset;

-- name: replay_links!
-- The last writer of each link.
INSERT INTO issues (source, issue_id, contract_ref, account_ref, created_at, changed_at, batch, record_offset)
SELECT DISTINCT ON (l.source, l.issue_id)
  l.source, l.issue_id, l.contract_ref, l.account_ref, l.created_at, l.changed_at, l.batch, l.record_offset
FROM fact_log AS l
JOIN batches_in_scope AS s USING (batch)
WHERE l.kind = 'linked'
ORDER BY l.source, l.issue_id, l.changed_at DESC, l.digest DESC, s.learned_at, l.batch, l.record_offset;

-- name: replay_links_to(refs)!
-- The same of the issues that ever were linked to one of these.
INSERT INTO issues (source, issue_id, contract_ref, account_ref, created_at, changed_at, batch, record_offset)
SELECT DISTINCT ON (l.source, l.issue_id)
  l.source, l.issue_id, l.contract_ref, l.account_ref, l.created_at, l.changed_at, l.batch, l.record_offset
FROM (
  SELECT DISTINCT source, issue_id FROM fact_log WHERE kind = 'linked' AND contract_ref = ANY(:refs::text [])
) AS i
JOIN fact_log AS l ON l.source = i.source AND l.issue_id = i.issue_id AND l.kind = 'linked'
JOIN batches_in_scope AS s ON s.batch = l.batch
ORDER BY l.source, l.issue_id, l.changed_at DESC, l.digest DESC, s.learned_at, l.batch, l.record_offset;

-- name: replay_worklogs!
-- The last writer of each worklog.
INSERT INTO batch_worklogs (
  batch, record_offset, source, worklog_id, issue_id, author_id, team_ref, started_at, seconds, deleted, changed_at
)
SELECT DISTINCT ON (l.source, l.worklog_id)
  l.batch, l.record_offset, l.source, l.worklog_id, l.issue_id, l.author_id, l.team_ref, l.started_at, l.seconds,
  l.kind = 'deleted', l.changed_at
FROM fact_log AS l
JOIN batches_in_scope AS s USING (batch)
WHERE l.kind <> 'linked'
ORDER BY
  l.source, l.worklog_id, l.changed_at DESC, l.kind = 'deleted' DESC, l.digest DESC, s.learned_at, l.batch,
  l.record_offset;

-- name: replay_worklogs_of(refs)!
-- The same of those that were on an issue linked to one of these: the version that held is the one that holds, or a
-- former one.
WITH linked AS MATERIALIZED (
  SELECT source, issue_id FROM issues WHERE contract_ref = ANY(:refs::text [])
),
candidates AS MATERIALIZED (
  SELECT w.source, w.worklog_id FROM linked JOIN consumption.worklogs AS w USING (source, issue_id)
  UNION
  SELECT f.source, f.worklog_id FROM linked JOIN consumption.former_versions AS f USING (source, issue_id)
),
versions AS MATERIALIZED (
  SELECT w.batch, w.record_offset FROM candidates JOIN consumption.worklogs AS w USING (source, worklog_id)
  UNION ALL
  SELECT f.batch, f.record_offset FROM candidates JOIN consumption.former_versions AS f USING (source, worklog_id)
),
newest AS (
  SELECT DISTINCT ON (l.source, l.worklog_id) l.*
  FROM versions
  JOIN batches_in_scope AS s USING (batch)
  JOIN fact_log AS l USING (batch, record_offset)
  ORDER BY
    l.source, l.worklog_id, l.changed_at DESC, l.kind = 'deleted' DESC, l.digest DESC, s.learned_at, l.batch,
    l.record_offset
)
INSERT INTO batch_worklogs (
  batch, record_offset, source, worklog_id, issue_id, author_id, team_ref, started_at, seconds, deleted, changed_at
)
SELECT
  n.batch, n.record_offset, n.source, n.worklog_id, n.issue_id, n.author_id, n.team_ref, n.started_at, n.seconds,
  n.kind = 'deleted', n.changed_at
FROM newest AS n
JOIN linked USING (source, issue_id);

-- name: analyze_replayed#
-- The planner knows nothing of what was just written.
ANALYZE batches_in_scope, issues, batch_worklogs;

-- name: projections
SELECT unnest(projections()) AS name;

-- name: differences(relation)
-- The actual row beside the expected one, where both have the key.
SELECT k.key::text, d.side, d.row::text
FROM differences(:relation) AS d
CROSS JOIN LATERAL (
  SELECT jsonb_object_agg(c, d.row -> c) AS key FROM unnest(key_of(:relation)) AS c
) AS k
ORDER BY k.key;

-- name: repair(relation)!
SELECT repair(:relation);

-- name: publish_all(correlation_id)!
SELECT publish_all(:correlation_id);
