-- How far the figures are: reporting.consumer_offsets is what was read, this is what is counted.
CREATE OR REPLACE VIEW reporting.folded_offsets AS
SELECT
  consumer_offset.service, consumer_offset.cluster, consumer_offset.topic, consumer_offset.partition,
  coalesce(min(batch.first_offset), consumer_offset.next_offset) AS next_offset,
  coalesce(sum(batch.record_count), 0)::bigint AS waiting_records, min(batch.appended_at) AS waiting_since
FROM consumer_offsets AS consumer_offset
LEFT JOIN batches AS batch
  ON batch.learned_at IS NULL AND batch.cluster = consumer_offset.cluster
  AND batch.topic = consumer_offset.topic AND batch.partition = consumer_offset.partition
GROUP BY
  consumer_offset.service, consumer_offset.cluster, consumer_offset.topic, consumer_offset.partition,
  consumer_offset.next_offset;
COMMENT ON VIEW reporting.folded_offsets IS
'How far the figures are: reporting.consumer_offsets is what was read, this is what is counted.';
COMMENT ON COLUMN reporting.folded_offsets.service IS 'The service that counts.';
COMMENT ON COLUMN reporting.folded_offsets.cluster IS 'Id of the Kafka cluster.';
COMMENT ON COLUMN reporting.folded_offsets.topic IS 'Topic.';
COMMENT ON COLUMN reporting.folded_offsets.partition IS 'Partition.';
COMMENT ON COLUMN reporting.folded_offsets.next_offset IS 'The first offset whose record is not counted yet.';
COMMENT ON COLUMN reporting.folded_offsets.waiting_records IS 'Records that were read and are not counted yet.';
COMMENT ON COLUMN reporting.folded_offsets.waiting_since IS 'When the oldest of them was read; null where none waits.';
