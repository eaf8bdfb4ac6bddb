-- name: write_dead_letters(cluster, topic, partition, copy_topic, offsets, reasons, keys, values, headers, timestamps)!
-- A record refused again, by a redelivery or a replay, stays one row. The topic's copy follows by the outbox; of a
-- record beyond what a topic takes (compressed, any size can arrive), the copy has the reason and the table the rest.
WITH refused AS (
  INSERT INTO dead_letters (
    service, cluster, topic, partition, record_offset, reason, key, value, headers, record_timestamp
  )
  SELECT
    current_schema(), :cluster, :topic, :partition,
    r.record_offset, r.reason, r.key, r.value, r.headers, r.record_timestamp
  FROM unnest(
    :offsets::bigint [], :reasons::text [], :keys::bytea [], :values::bytea [], :headers::jsonb [],
    :timestamps::bigint []
  ) AS r (record_offset, reason, key, value, headers, record_timestamp)
  ON CONFLICT (service, cluster, topic, partition, record_offset) DO UPDATE
  SET reason = excluded.reason, replayed_at = NULL
  RETURNING
    *,
    coalesce(octet_length(key), 0) + coalesce(octet_length(value), 0) + octet_length(headers::text) / 2 < 1150000 AS fits
)
INSERT INTO outbox (topic, key, headers, value)
SELECT
  :copy_topic, CASE WHEN fits THEN key END,
  CASE WHEN fits THEN headers ELSE '[]' END || jsonb_build_array(
    jsonb_build_array('tidemark_dlq_service', encode(convert_to(service, 'UTF8'), 'hex')),
    jsonb_build_array('tidemark_dlq_reason', encode(convert_to(reason, 'UTF8'), 'hex')),
    jsonb_build_array('tidemark_dlq_topic', encode(convert_to(topic, 'UTF8'), 'hex')),
    jsonb_build_array('tidemark_dlq_partition', encode(convert_to(partition::text, 'UTF8'), 'hex')),
    jsonb_build_array('tidemark_dlq_offset', encode(convert_to(record_offset::text, 'UTF8'), 'hex')),
    jsonb_build_array('tidemark_dlq_time', encode(convert_to(
      to_char(received_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'UTF8'
    ), 'hex'))
  ),
  CASE WHEN fits THEN value END
FROM refused
ORDER BY record_offset;

-- name: dead_letters(topic, reason, everything)
-- Oldest first; those that a replay has taken only where everything is asked for.
SELECT id, service, topic, partition, record_offset, reason, received_at, replayed_at
FROM dead_letters
WHERE (replayed_at IS NULL OR :everything)
  AND (:topic::text IS NULL OR topic = :topic)
  AND (:reason::text IS NULL OR strpos(lower(reason), lower(:reason)) > 0)
ORDER BY id;

-- name: dead_letter(id)^
SELECT * FROM dead_letters
WHERE id = :id;

-- name: begin_replay(id)^
-- Held to the end of the transaction, so that two replays of one record follow each other.
UPDATE dead_letters SET replayed_at = now()
WHERE id = :id
RETURNING *;

-- name: refused_again(id)$
SELECT reason FROM dead_letters
WHERE id = :id AND replayed_at IS NULL;

-- name: refuse_replay(id)$
-- It waits as before: only a part of the record is kept.
UPDATE dead_letters SET replayed_at = NULL
WHERE id = :id
RETURNING reason;
