-- where each partition ends, for reporting.consumer_lag

-- One relation for all services that share a database: each owns, and writes, its own partition alone.
CREATE TABLE IF NOT EXISTS reporting.end_offsets (
  service text NOT NULL,
  cluster text NOT NULL,
  topic text NOT NULL,
  -- squawk-ignore prefer-bigint-over-int
  partition integer NOT NULL,
  end_offset bigint NOT NULL,
  checked_at timestamptz NOT NULL,
  PRIMARY KEY (service, cluster, topic, partition)
) PARTITION BY LIST (service);

COMMENT ON TABLE reporting.end_offsets IS
'Where each partition ended when a service last asked Kafka. Apart from reporting.consumer_offsets, whose rows are '
'locked while records are processed.';
COMMENT ON COLUMN reporting.end_offsets.service IS 'Service that reads the partition.';
COMMENT ON COLUMN reporting.end_offsets.cluster IS 'Id of the Kafka cluster.';
COMMENT ON COLUMN reporting.end_offsets.topic IS 'Topic.';
COMMENT ON COLUMN reporting.end_offsets.partition IS 'Partition.';
COMMENT ON COLUMN reporting.end_offsets.end_offset IS 'The offset that the next record gets.';
COMMENT ON COLUMN reporting.end_offsets.checked_at IS 'When Kafka said so.';

CREATE TABLE end_offsets PARTITION OF reporting.end_offsets FOR VALUES IN (current_schema()::text);
