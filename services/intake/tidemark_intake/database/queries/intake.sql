-- name: register_source(id, kind, event_source, site)!
INSERT INTO sources (id, kind, event_source, site)
VALUES (:id, :kind, :event_source, :site)
ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, event_source = excluded.event_source, site = excluded.site;

-- name: list_conflicts(id, kind, event_source, site, replaces)
-- Sources with published work that would count twice: the source itself, as another kind or under another name, and
-- another source of its site, unless it is replaced.
SELECT source.id, source.kind, source.event_source
FROM sources AS source
WHERE
  (
    (source.id = :id AND (source.kind <> :kind OR source.event_source <> :event_source))
    OR (source.id <> :id AND source.site = :site AND source.id IS DISTINCT FROM :replaces)
  )
  AND EXISTS (SELECT FROM worklogs WHERE worklogs.source_id = source.id AND digest IS NOT NULL);

-- name: find_event_source(id)$
SELECT event_source
FROM sources
WHERE id = :id;

-- name: list_current(source_id, after_id, max_rows)
-- Worklogs that were published and are not deleted.
SELECT id
FROM worklogs
WHERE source_id = :source_id AND id > :after_id AND digest IS NOT NULL
ORDER BY id
LIMIT :max_rows;

-- name: store_delivery(source_id, id, body, received_at, is_dated)$
-- The number of new deliveries: 0 for one that has come before. One without a date can be another event, so it waits
-- again.
WITH stored AS (
  INSERT INTO deliveries (source_id, id, body, received_at)
  VALUES (:source_id, :id, :body, :received_at)
  ON CONFLICT (source_id, id) DO UPDATE
  SET body = excluded.body, received_at = excluded.received_at, processed_at = NULL
  WHERE NOT :is_dated::boolean
  RETURNING source_id
),

counted AS (
  UPDATE sources
  SET
    last_delivery_at = :received_at, deliveries_received = deliveries_received + 1,
    deliveries_repeated = deliveries_repeated + 1 - (SELECT count(*) FROM stored)
  WHERE id = :source_id
)

SELECT count(*) FROM stored;

-- name: count_refused(source_id)!
UPDATE sources
SET deliveries_refused = deliveries_refused + 1
WHERE id = :source_id;

-- name: load_deliveries(source_id, max_rows)
SELECT id, body, received_at
FROM deliveries
WHERE source_id = :source_id AND processed_at IS NULL
ORDER BY received_at
LIMIT :max_rows;

-- name: load_waiting_bodies()
-- Locked until the transaction ends: they are rewritten.
SELECT source_id, id, body
FROM deliveries
WHERE processed_at IS NULL
ORDER BY source_id, id
FOR UPDATE;

-- name: rewrite_body(source_id, id, body)!
UPDATE deliveries
SET body = :body
WHERE source_id = :source_id AND id = :id;

-- name: mark_processed(source_id, ids, received_until, now)!
-- Not those that have come again meanwhile.
UPDATE deliveries
SET processed_at = :now, body = ''
WHERE source_id = :source_id AND id = ANY(:ids::text[]) AND received_at <= :received_until;

-- name: delete_old_deliveries(before)!
DELETE FROM deliveries
WHERE processed_at < :before;

-- name: load_worklogs(source_id, ids)
SELECT id, issue_id, digest, updated_at
FROM worklogs
WHERE source_id = :source_id AND id = ANY(:ids::text[]);

-- name: load_window(source_id, begins_at, ends_at)
-- The worklogs that started in a range and are not deleted.
SELECT id
FROM worklogs
WHERE source_id = :source_id AND started_at >= :begins_at AND started_at < :ends_at AND digest IS NOT NULL;

-- name: save_worklogs(source_id, ids, issue_ids, started_at, digests, updated_at)!
INSERT INTO worklogs (source_id, id, issue_id, started_at, digest, updated_at)
SELECT :source_id, row.id, row.issue_id, row.started_at, row.digest, row.updated_at
FROM unnest(
  :ids::text[], :issue_ids::text[], :started_at::timestamptz[], :digests::bytea[], :updated_at::timestamptz[]
) AS row (id, issue_id, started_at, digest, updated_at)
ON CONFLICT (source_id, id) DO UPDATE
SET
  issue_id = excluded.issue_id, started_at = excluded.started_at, digest = excluded.digest,
  updated_at = excluded.updated_at;

-- name: load_issues(source_id, ids)
SELECT id, digest, updated_at
FROM issues
WHERE source_id = :source_id AND id = ANY(:ids::text[]);

-- name: list_published_issues(source_id, ids)
-- Those among these, and those that these are the numbers of.
SELECT id
FROM issues
WHERE source_id = :source_id AND id = ANY(:ids::text[])
UNION
SELECT id
FROM issues
WHERE source_id = :source_id AND split_part(id, '/', 1) = ANY(:ids::text[]);

-- name: list_issues(source_id, after_id, max_rows)
SELECT id
FROM issues
WHERE source_id = :source_id AND id > :after_id
ORDER BY id
LIMIT :max_rows;

-- name: load_attributes(source_id, ids)
SELECT id, attributes::text
FROM issues
WHERE source_id = :source_id AND id = ANY(:ids::text[]) AND attributes IS NOT NULL;

-- name: save_issues(source_id, ids, keys, contracts, accounts, attributes, digests, updated_at)!
INSERT INTO issues (source_id, id, key, contract, account, attributes, digest, updated_at)
SELECT
  :source_id, row.id, row.key, row.contract, row.account, row.attributes::jsonb, row.digest, row.updated_at
FROM unnest(
  :ids::text[], :keys::text[], :contracts::text[], :accounts::text[], :attributes::text[], :digests::bytea[],
  :updated_at::timestamptz[]
) AS row (id, key, contract, account, attributes, digest, updated_at)
ON CONFLICT (source_id, id) DO UPDATE
SET
  key = excluded.key, contract = excluded.contract, account = excluded.account, attributes = excluded.attributes,
  digest = excluded.digest, updated_at = excluded.updated_at;

-- name: load_links_digest(id)$
SELECT links_digest
FROM sources
WHERE id = :id;

-- name: save_links_digest(id, links_digest)!
UPDATE sources
SET links_digest = :links_digest
WHERE id = :id;

-- name: save_skipped(source_id, ids, reasons, details, now)!
-- Not those that are deleted: nobody can see them.
INSERT INTO skipped (source_id, worklog_id, reason, detail, seen_at)
SELECT :source_id, row.id, row.reason, row.detail, :now
FROM unnest(:ids::text[], :reasons::text[], :details::text[]) AS row (id, reason, detail)
WHERE row.reason <> 'invisible' OR NOT EXISTS (
  SELECT FROM worklogs
  WHERE worklogs.source_id = :source_id AND worklogs.id = row.id AND worklogs.digest IS NULL
)
ON CONFLICT (source_id, worklog_id) DO UPDATE
SET reason = excluded.reason, detail = excluded.detail, seen_at = excluded.seen_at;

-- name: list_invisible(source_id, seen_before, max_rows)
-- Worklogs that the account could not see: it may see them by now.
SELECT worklog_id
FROM skipped
WHERE source_id = :source_id AND reason = 'invisible' AND seen_at < :seen_before
ORDER BY seen_at
LIMIT :max_rows;

-- name: delete_skipped(source_id, ids)!
DELETE FROM skipped
WHERE source_id = :source_id AND worklog_id = ANY(:ids::text[]);

-- name: save_position(id, cursor, count)!
UPDATE sources
SET cursor = :cursor::jsonb, found_by_reconciling = found_by_reconciling + :count
WHERE id = :id;

-- name: save_reconciled(id, now)!
UPDATE sources
SET reconciled_at = :now, is_loaded = TRUE, failure = NULL, failed_at = NULL
WHERE id = :id;

-- name: save_failure(id, failure, now)!
UPDATE sources
SET failure = :failure, failed_at = coalesce(failed_at, :now)
WHERE id = :id;

-- name: list_problems(ids, overdue_before)
-- Sources that fail, or have not been read for too long; each has its own limit.
SELECT source.id, source.failure, source.failed_at, source.reconciled_at
FROM sources AS source
INNER JOIN unnest(:ids::text[], :overdue_before::timestamptz[]) AS expected (id, overdue_before)
  ON source.id = expected.id
WHERE
  source.failed_at < expected.overdue_before
  OR (source.is_loaded AND source.reconciled_at < expected.overdue_before);

-- name: load_progress()
-- How far each source is read. Not the number of its worklogs: counting them takes long.
SELECT
  source.id, source.cursor::text, extract(EPOCH FROM now() - source.reconciled_at)::bigint AS lag_seconds,
  source.last_delivery_at, source.found_by_reconciling,
  (
    SELECT jsonb_object_agg(reason, worklog_count)::text
    FROM (SELECT reason, count(*) AS worklog_count FROM skipped WHERE source_id = source.id GROUP BY reason) AS reasons
  ) AS skipped
FROM sources AS source
ORDER BY source.id;

-- name: load_position(id)^
SELECT cursor
FROM sources
WHERE id = :id;

-- name: queues()
SELECT 'pending_webhooks' AS name, count(*) AS length, min(received_at) AS oldest_at
FROM deliveries
WHERE processed_at IS NULL;
