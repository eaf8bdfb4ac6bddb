-- name: insert_outbox_records(topics, keys, headers, values)!
INSERT INTO outbox (topic, key, headers, value)
SELECT record.topic, record.key, record.headers, record.value
FROM unnest(:topics::text[], :keys::bytea[], :headers::jsonb[], :values::bytea[]) WITH ORDINALITY
  AS record (topic, key, headers, value, position)
ORDER BY record.position;

-- name: load_outbox_rows(max_rows)
SELECT id, topic, key, headers, value
FROM outbox
ORDER BY id
LIMIT :max_rows;

-- name: oldest_outbox_row()^
-- The record that waits longest, and for how many seconds.
SELECT
  format('record %s of the outbox, for %s', id, topic) AS name,
  extract(EPOCH FROM clock_timestamp() - created_at)::float AS seconds
FROM outbox
ORDER BY id
LIMIT 1;

-- name: outbox_queue()
SELECT 'outbox' AS name, count(*) AS length, min(created_at) AS oldest_at
FROM outbox;

-- name: delete_outbox_rows(ids)!
DELETE FROM outbox
WHERE id = ANY(:ids::bigint[]);
