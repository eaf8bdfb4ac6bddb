-- name: write_dead_letters(cluster, topic, partition, copy_topic, offsets, reasons, keys, values, headers, timestamps)!
-- A record that fails again, after a redelivery or a replay, keeps its one row. The outbox publishes a copy to the
-- dead-letter topic. A record may be too large for that topic (compressed, any size can arrive): then the copy has
-- the reason only, and this table has the record.
WITH dead_letter AS (
  INSERT INTO dead_letters (
    service, cluster, topic, partition, record_offset, reason, key, value, headers, record_timestamp
  )
  SELECT
    current_schema(), :cluster, :topic, :partition,
    record.record_offset, record.reason, record.key, record.value, record.headers, record.record_timestamp
  FROM unnest(
    :offsets::bigint[], :reasons::text[], :keys::bytea[], :values::bytea[], :headers::jsonb[],
    :timestamps::bigint[]
  ) AS record (record_offset, reason, key, value, headers, record_timestamp)
  ON CONFLICT (service, cluster, topic, partition, record_offset) DO UPDATE
  SET reason = excluded.reason, replayed_at = NULL
  RETURNING
    dead_letters.*,
    coalesce(octet_length(key), 0) + coalesce(octet_length(value), 0) + octet_length(headers::text) / 2 < 1150000
    AS fits_topic
)
INSERT INTO outbox (topic, key, headers, value)
SELECT
  :copy_topic, CASE WHEN fits_topic THEN key END,
  CASE WHEN fits_topic THEN headers ELSE '[]' END || jsonb_build_array(
    jsonb_build_array('tidemark_dlq_service', encode(convert_to(service, 'UTF8'), 'hex')),
    jsonb_build_array('tidemark_dlq_reason', encode(convert_to(reason, 'UTF8'), 'hex')),
    jsonb_build_array('tidemark_dlq_topic', encode(convert_to(topic, 'UTF8'), 'hex')),
    jsonb_build_array('tidemark_dlq_partition', encode(convert_to(partition::text, 'UTF8'), 'hex')),
    jsonb_build_array('tidemark_dlq_offset', encode(convert_to(record_offset::text, 'UTF8'), 'hex')),
    jsonb_build_array('tidemark_dlq_time', encode(convert_to(
      to_char(received_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'UTF8'
    ), 'hex'))
  ),
  CASE WHEN fits_topic THEN value END
FROM dead_letter
ORDER BY record_offset;

-- name: list_dead_letters(topic, reason, include_replayed, after, max_rows)
-- Oldest first, after a number; all where `max_rows` is null.
SELECT id, service, topic, partition, record_offset, reason, received_at, replayed_at
FROM dead_letters
WHERE (replayed_at IS NULL OR :include_replayed)
  AND (:topic::text IS NULL OR topic = :topic)
  AND (:reason::text IS NULL OR strpos(lower(reason), lower(:reason)) > 0)
  AND (:after::bigint IS NULL OR id > :after)
ORDER BY id
LIMIT :max_rows;

-- name: count_waiting_dead_letters()$
SELECT count(*) FROM dead_letters
WHERE replayed_at IS NULL;

-- name: find_dead_letter(id)^
SELECT * FROM dead_letters
WHERE id = :id;

-- name: begin_replay(id)^
-- Locked to the end of the transaction, so that two replays of one record run one after the other.
UPDATE dead_letters SET replayed_at = now()
WHERE id = :id
RETURNING *;

-- name: find_unreplayed_reason(id)$
-- The reason, if the replay failed.
SELECT reason FROM dead_letters
WHERE id = :id AND replayed_at IS NULL;

-- name: cancel_replay(id)$
-- The row waits as before.
UPDATE dead_letters SET replayed_at = NULL
WHERE id = :id
RETURNING reason;
