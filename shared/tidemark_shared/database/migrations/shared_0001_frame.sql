-- what every service has: its consumer offsets, its dead letters, its outbox; and the schema for operations teams

CREATE SCHEMA IF NOT EXISTS reporting;

DO $$
BEGIN
  CREATE ROLE tidemark_ops NOLOGIN;
EXCEPTION
  WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;
END
$$;

-- One relation for all services that share a database: each owns, and writes, its own partition alone.
CREATE TABLE IF NOT EXISTS reporting.dead_letters (
  id bigint GENERATED ALWAYS AS IDENTITY,
  service text NOT NULL,
  cluster text NOT NULL,
  topic text NOT NULL,
  partition integer NOT NULL,
  record_offset bigint NOT NULL,
  reason text NOT NULL,
  key bytea,
  value bytea,
  headers jsonb NOT NULL,
  record_timestamp bigint NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now(),
  replayed_at timestamptz,
  PRIMARY KEY (service, id),
  UNIQUE (service, cluster, topic, partition, record_offset)
) PARTITION BY LIST (service);

COMMENT ON TABLE reporting.dead_letters IS 'Records that a service refused, as they came.';
COMMENT ON COLUMN reporting.dead_letters.id IS 'Number for `tidemark dlq show`.';
COMMENT ON COLUMN reporting.dead_letters.service IS 'The service that refused the record.';
COMMENT ON COLUMN reporting.dead_letters.cluster IS 'Id of the Kafka cluster it came from.';
COMMENT ON COLUMN reporting.dead_letters.topic IS 'Topic it came from.';
COMMENT ON COLUMN reporting.dead_letters.partition IS 'Partition it came from.';
COMMENT ON COLUMN reporting.dead_letters.record_offset IS 'Offset in that partition.';
COMMENT ON COLUMN reporting.dead_letters.reason IS 'Why it was refused and how to mend it.';
COMMENT ON COLUMN reporting.dead_letters.key IS 'The record''s key, byte for byte.';
COMMENT ON COLUMN reporting.dead_letters.value IS 'The record''s value, byte for byte.';
COMMENT ON COLUMN reporting.dead_letters.headers IS 'The record''s headers: [[name, hex of the value or null], …].';
COMMENT ON COLUMN reporting.dead_letters.record_timestamp IS 'The record''s timestamp in milliseconds since 1970: a '
'number, because what a publisher wrote need not be a time.';
COMMENT ON COLUMN reporting.dead_letters.received_at IS 'When it was refused.';
COMMENT ON COLUMN reporting.dead_letters.replayed_at IS 'When a replay took it; null while it waits, and again once it is refused again.';

CREATE TABLE IF NOT EXISTS reporting.consumer_offsets (
  service text NOT NULL,
  cluster text NOT NULL,
  topic text NOT NULL,
  partition integer NOT NULL,
  next_offset bigint NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (service, cluster, topic, partition)
) PARTITION BY LIST (service);

COMMENT ON TABLE reporting.consumer_offsets IS 'How far each service has read: the offset is committed with what it made.';
COMMENT ON COLUMN reporting.consumer_offsets.service IS 'The service that reads.';
COMMENT ON COLUMN reporting.consumer_offsets.cluster IS 'Id of the Kafka cluster.';
COMMENT ON COLUMN reporting.consumer_offsets.topic IS 'Topic.';
COMMENT ON COLUMN reporting.consumer_offsets.partition IS 'Partition.';
COMMENT ON COLUMN reporting.consumer_offsets.next_offset IS 'The first offset not yet read.';
COMMENT ON COLUMN reporting.consumer_offsets.updated_at IS 'When the last batch was committed.';

CREATE TABLE dead_letters PARTITION OF reporting.dead_letters FOR VALUES IN (current_schema()::text);
CREATE TABLE consumer_offsets PARTITION OF reporting.consumer_offsets FOR VALUES IN (current_schema()::text);

CREATE TABLE outbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  topic text NOT NULL,
  key bytea,
  headers jsonb NOT NULL,
  value bytea,
  created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE outbox IS 'Records to publish, written with the change they tell of; deleted once Kafka has them.';

DO $$
BEGIN
  GRANT USAGE ON SCHEMA reporting TO tidemark_ops;
  GRANT SELECT ON ALL TABLES IN SCHEMA reporting TO tidemark_ops;
  ALTER DEFAULT PRIVILEGES IN SCHEMA reporting GRANT SELECT ON TABLES TO tidemark_ops;
EXCEPTION
  WHEN undefined_object OR insufficient_privilege THEN NULL;
END
$$;
