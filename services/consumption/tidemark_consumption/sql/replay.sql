-- What was known at a moment: the logs folded anew, into the session's own world (migration 0005).

-- name: open_world#
SELECT open_world();

-- name: first_moment$
-- Before it nothing is known: either nothing was learned, or the database was filled anew.
SELECT min(learned_at) FROM batches;

-- name: know(moment)!
INSERT INTO known
SELECT batch FROM batches WHERE :moment::timestamptz IS NULL OR learned_at <= :moment;

-- name: unknown
-- What was learned since.
SELECT b.batch AS number, b.learned_at, p.name AS log
FROM batches AS b
CROSS JOIN LATERAL (
  SELECT 'facts' AS name WHERE EXISTS (SELECT FROM fact_log AS l WHERE l.batch = b.batch)
  UNION ALL
  SELECT 'contracts' WHERE EXISTS (SELECT FROM contract_log AS l WHERE l.batch = b.batch)
  UNION ALL
  SELECT 'directory' WHERE EXISTS (SELECT FROM directory_log AS l WHERE l.batch = b.batch)
) AS p
WHERE NOT EXISTS (SELECT FROM known AS k WHERE k.batch = b.batch)
ORDER BY b.batch;

-- name: known_directory
-- The newest version of each.
SELECT DISTINCT ON (entity_id) type, event
FROM directory_log
JOIN known USING (batch)
ORDER BY entity_id, version DESC;

-- name: directory_of(batch)
SELECT type, event FROM directory_log WHERE batch = :batch ORDER BY version;

-- name: known_contracts(ref)
-- Every version of every contract or, with a reference, of those that answer or answered to it, or to their code.
SELECT l.event
FROM contract_log AS l
JOIN known USING (batch)
WHERE :ref::text IS NULL
  OR l.contract_id IN (
    SELECT o.contract_id
    FROM contract_log AS n
    JOIN contract_log AS o ON o.contract_id = n.contract_id OR o.code = n.code
    WHERE n.code = :ref OR n.contract_id::text = :ref
  )
ORDER BY l.contract_id, l.stream_version;

-- name: contracts_of(batch)
SELECT event FROM contract_log WHERE batch = :batch ORDER BY contract_id, stream_version;

-- name: recall_links(refs)!
-- The newest link of each issue or, with references, of those that ever were linked to one of these.
INSERT INTO issues (source, issue_id, contract_ref, account_ref, created_at, changed_at, content)
SELECT DISTINCT ON (source, issue_id) source, issue_id, contract_ref, account_ref, created_at, changed_at, content
FROM fact_log
JOIN known USING (batch)
WHERE kind = 'linked'
  AND (
    :refs::text [] IS NULL
    OR (source, issue_id) IN (
      SELECT source, issue_id FROM fact_log WHERE kind = 'linked' AND contract_ref = ANY(:refs::text [])
    )
  )
ORDER BY source, issue_id, changed_at DESC, content DESC;

-- name: recall_placeholders!
-- Issues that work names and no link.
INSERT INTO issues (source, issue_id)
SELECT DISTINCT source, issue_id
FROM fact_log
JOIN known USING (batch)
WHERE kind = 'recorded'
ON CONFLICT DO NOTHING;

-- name: recall_worklogs(refs)!
-- The newest version of each worklog or, with references, of those that ever stood on an issue linked to one of these.
WITH newest AS (
  SELECT DISTINCT ON (source, worklog_id) *
  FROM fact_log
  JOIN known USING (batch)
  WHERE kind <> 'linked'
    AND (
      :refs::text [] IS NULL
      OR (source, worklog_id) IN (
        SELECT l.source, l.worklog_id
        FROM issues AS i
        JOIN fact_log AS l ON l.issue_id = i.issue_id AND l.source = i.source AND l.kind <> 'deleted'
        WHERE i.contract_ref = ANY(:refs::text []) AND l.kind = 'recorded'
      )
    )
  ORDER BY source, worklog_id, changed_at DESC, kind = 'deleted' DESC, content DESC
)
INSERT INTO staged
SELECT
  batch, record_offset, 'recalled', source, worklog_id, issue_id, author_id, team_ref, started_at, changed_at, content
FROM newest AS n
WHERE :refs::text [] IS NULL
  OR EXISTS (
    SELECT FROM issues AS i
    WHERE i.source = n.source AND i.issue_id = n.issue_id AND i.contract_ref = ANY(:refs::text [])
  );

-- name: count_rows#
-- The planner knows nothing of what was just written.
ANALYZE known, issues, staged;

-- name: stop_learning#
-- Until the transaction ends: whoever folds waits, and those that fold are waited for.
LOCK TABLE batches IN EXCLUSIVE MODE;

-- name: projections
SELECT unnest(projections()) AS name;

-- name: differences(relation)
-- What is kept beside what should be there, where both have the key.
SELECT k.key::text, d.side, d.row::text
FROM differences(:relation) AS d
CROSS JOIN LATERAL (
  SELECT jsonb_object_agg(c, d.row -> c) AS key FROM unnest(key_of(:relation)) AS c
) AS k
ORDER BY k.key;

-- name: mend(relation)!
SELECT mend(:relation);

-- name: publish_all(correlation_id)!
SELECT publish_all(:correlation_id);
