-- How far each service is behind the records of each partition.
CREATE OR REPLACE VIEW reporting.consumer_lag AS
SELECT
  consumer_offset.service, consumer_offset.cluster, consumer_offset.topic, consumer_offset.partition,
  consumer_offset.next_offset, end_offset.end_offset,
  -- greatest() ignores nulls.
  CASE WHEN end_offset.end_offset IS NOT NULL THEN greatest(end_offset.end_offset - consumer_offset.next_offset, 0) END
    AS lag,
  extract(EPOCH FROM now() - consumer_offset.updated_at)::bigint AS seconds_since_progress,
  end_offset.checked_at
FROM reporting.consumer_offsets AS consumer_offset
LEFT JOIN reporting.end_offsets AS end_offset USING (service, cluster, topic, partition);
COMMENT ON VIEW reporting.consumer_lag IS
'How far each service is behind. What was read and is not counted yet is in reporting.folded_offsets.';
COMMENT ON COLUMN reporting.consumer_lag.service IS 'Service that reads the partition.';
COMMENT ON COLUMN reporting.consumer_lag.cluster IS 'Id of the Kafka cluster.';
COMMENT ON COLUMN reporting.consumer_lag.topic IS 'Topic.';
COMMENT ON COLUMN reporting.consumer_lag.partition IS 'Partition.';
COMMENT ON COLUMN reporting.consumer_lag.next_offset IS 'Next offset to read.';
COMMENT ON COLUMN reporting.consumer_lag.end_offset IS
'Where the partition ended at checked_at; null where the service has not asked Kafka yet.';
COMMENT ON COLUMN reporting.consumer_lag.lag IS
'Offsets to read; at most so many records, because some offsets have none. Null like end_offset.';
COMMENT ON COLUMN reporting.consumer_lag.seconds_since_progress IS
'Seconds since a batch was committed. Large where nothing arrives; a fault only where lag is above zero.';
COMMENT ON COLUMN reporting.consumer_lag.checked_at IS
'When Kafka was asked. More than a minute ago: the service does not run, or Kafka does not answer.';
