-- name: load_offsets(cluster, topics, partitions)
-- The next offset of each partition that has one.
SELECT topic, partition, next_offset
FROM consumer_offsets
WHERE cluster = :cluster
  AND (topic, partition) IN (SELECT * FROM unnest(:topics::text[], :partitions::integer[]));

-- name: insert_offset(cluster, topic, partition, next_offset)!
INSERT INTO consumer_offsets (service, cluster, topic, partition, next_offset)
VALUES (current_schema(), :cluster, :topic, :partition, :next_offset)
ON CONFLICT DO NOTHING;

-- name: lock_offset(cluster, topic, partition)$
-- Locked to the end of the transaction: of two consumers of one partition, the second waits and then skips the
-- records that the first has processed.
SELECT next_offset
FROM consumer_offsets
WHERE cluster = :cluster AND topic = :topic AND partition = :partition
FOR UPDATE;

-- name: advance_offset(cluster, topic, partition, next_offset)!
UPDATE consumer_offsets
SET next_offset = :next_offset, updated_at = now()
WHERE cluster = :cluster AND topic = :topic AND partition = :partition;

-- name: save_end_offsets(cluster, topics, partitions, end_offsets)!
-- Writes a row only where the end has moved, and otherwise every ten seconds.
INSERT INTO end_offsets AS stored (service, cluster, topic, partition, end_offset, checked_at)
SELECT current_schema(), :cluster, checked.topic, checked.partition, checked.end_offset, now()
FROM unnest(:topics::text[], :partitions::integer[], :end_offsets::bigint[])
  AS checked (topic, partition, end_offset)
ON CONFLICT (service, cluster, topic, partition) DO UPDATE
SET end_offset = excluded.end_offset, checked_at = excluded.checked_at
WHERE stored.end_offset <> excluded.end_offset OR stored.checked_at < excluded.checked_at - interval '10 seconds';

-- name: lag_by_topic()
-- The topics of the cluster that was read last; offsets of an earlier cluster are kept. The lag is null where that of a
-- partition is unknown. As in `reporting.consumer_lag`, which shows the partitions of all services.
SELECT
  topic, count(*) AS partitions,
  CASE WHEN bool_and(end_offset IS NOT NULL) THEN sum(greatest(end_offset - next_offset, 0))::bigint END AS lag,
  min(extract(EPOCH FROM now() - updated_at)::bigint) AS seconds_since_progress, min(checked_at) AS checked_at
FROM consumer_offsets
LEFT JOIN end_offsets USING (service, cluster, topic, partition)
WHERE cluster = (SELECT cluster FROM consumer_offsets ORDER BY updated_at DESC LIMIT 1)
GROUP BY topic
ORDER BY topic;
