-- name: register_source(id, kind, event_source)!
INSERT INTO sources (id, kind, event_source)
VALUES (:id, :kind, :event_source)
ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, event_source = excluded.event_source;

-- name: store_delivery(source_id, id, body, received_at)$
-- The number of new deliveries: 0 for one that has come before.
WITH inserted AS (
  INSERT INTO deliveries (source_id, id, body, received_at)
  VALUES (:source_id, :id, :body, :received_at)
  ON CONFLICT (source_id, id) DO NOTHING
  RETURNING source_id
),

counted AS (
  UPDATE sources
  SET last_delivery_at = :received_at, deliveries_received = deliveries_received + 1
  WHERE id = :source_id
)

SELECT count(*) FROM inserted;

-- name: count_refused(source_id)!
UPDATE sources
SET deliveries_refused = deliveries_refused + 1
WHERE id = :source_id;

-- name: load_deliveries(source_id, max_rows)
SELECT id, body
FROM deliveries
WHERE source_id = :source_id AND processed_at IS NULL
ORDER BY received_at
LIMIT :max_rows;

-- name: mark_processed(source_id, ids, now)!
UPDATE deliveries
SET processed_at = :now, body = ''
WHERE source_id = :source_id AND id = ANY(:ids::text[]);

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

-- name: save_issues(source_id, ids, keys, contracts, accounts, digests, updated_at)!
INSERT INTO issues (source_id, id, key, contract, account, digest, updated_at)
SELECT :source_id, row.id, row.key, row.contract, row.account, row.digest, row.updated_at
FROM unnest(
  :ids::text[], :keys::text[], :contracts::text[], :accounts::text[], :digests::bytea[], :updated_at::timestamptz[]
) AS row (id, key, contract, account, digest, updated_at)
ON CONFLICT (source_id, id) DO UPDATE
SET
  key = excluded.key, contract = excluded.contract, account = excluded.account, digest = excluded.digest,
  updated_at = excluded.updated_at;

-- name: save_skipped(source_id, ids, reasons, details, now)!
-- Not those that are deleted.
INSERT INTO skipped (source_id, worklog_id, reason, detail, seen_at)
SELECT :source_id, row.id, row.reason, row.detail, :now
FROM unnest(:ids::text[], :reasons::text[], :details::text[]) AS row (id, reason, detail)
WHERE NOT EXISTS (
  SELECT FROM worklogs
  WHERE worklogs.source_id = :source_id AND worklogs.id = row.id AND worklogs.digest IS NULL
)
ON CONFLICT (source_id, worklog_id) DO UPDATE
SET reason = excluded.reason, detail = excluded.detail, seen_at = excluded.seen_at;

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
-- Sources that fail, or have not been read for too long.
SELECT id, failure, failed_at, reconciled_at
FROM sources
WHERE
  id = ANY(:ids::text[])
  AND (failed_at < :overdue_before OR (is_loaded AND reconciled_at < :overdue_before));

-- name: load_position(id)^
SELECT cursor
FROM sources
WHERE id = :id;

-- name: queues()
SELECT 'pending_webhooks' AS name, count(*) AS length, min(received_at) AS oldest_at
FROM deliveries
WHERE processed_at IS NULL;
