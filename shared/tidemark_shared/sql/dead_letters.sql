-- name: refuse(cluster, topic, partition, copy_topic, offsets, reasons, keys, values, headers)!
-- A record refused again, by a redelivery or a replay, stays one row. The topic's copy follows by the outbox; of a
-- record beyond what a topic takes (compressed, any size can arrive), the copy has the reason and the table the rest.
WITH refused AS (
  INSERT INTO dead_letters (service, cluster, topic, partition, record_offset, reason, key, value, headers)
  SELECT current_schema(), :cluster, :topic, :partition, r.record_offset, r.reason, r.key, r.value, r.headers
  FROM unnest(
    :offsets::bigint [], :reasons::text [], :keys::bytea [], :values::bytea [], :headers::jsonb []
  ) AS r (record_offset, reason, key, value, headers)
  ON CONFLICT (service, cluster, topic, partition, record_offset) DO UPDATE SET reason = excluded.reason
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
