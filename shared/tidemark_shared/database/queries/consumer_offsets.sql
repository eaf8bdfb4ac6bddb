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
