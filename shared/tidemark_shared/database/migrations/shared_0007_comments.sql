-- comments in plain English

COMMENT ON TABLE reporting.dead_letters IS 'Dead letters: records that a service could not process, byte for byte.';
COMMENT ON COLUMN reporting.dead_letters.id IS 'Id of the dead letter, for `tidemark dlq show`.';
COMMENT ON COLUMN reporting.dead_letters.service IS 'Service that could not process the record.';
COMMENT ON COLUMN reporting.dead_letters.cluster IS 'Id of the record''s Kafka cluster.';
COMMENT ON COLUMN reporting.dead_letters.topic IS 'Topic of the record.';
COMMENT ON COLUMN reporting.dead_letters.partition IS 'Partition of the record.';
COMMENT ON COLUMN reporting.dead_letters.record_offset IS 'Offset of the record in its partition.';
COMMENT ON COLUMN reporting.dead_letters.reason IS 'What is wrong with the record and how to repair it.';
COMMENT ON COLUMN reporting.dead_letters.key IS 'Key of the record.';
COMMENT ON COLUMN reporting.dead_letters.value IS 'Value of the record.';
COMMENT ON COLUMN reporting.dead_letters.headers IS 'Headers of the record: [[name, hex of the value or null], …].';
COMMENT ON COLUMN reporting.dead_letters.record_timestamp IS 'Timestamp of the record in milliseconds since 1970. A '
'number, because a publisher can write one that is not a valid time.';
COMMENT ON COLUMN reporting.dead_letters.received_at IS 'When the record became a dead letter.';
COMMENT ON COLUMN reporting.dead_letters.replayed_at IS 'When a replay succeeded; null before, and null again if the '
'record fails again.';

COMMENT ON TABLE reporting.consumer_offsets IS 'How far each service has read each partition. The offset is committed '
'in the transaction that processes the records.';
COMMENT ON COLUMN reporting.consumer_offsets.service IS 'Service that reads the partition.';
COMMENT ON COLUMN reporting.consumer_offsets.cluster IS 'Id of the Kafka cluster.';
COMMENT ON COLUMN reporting.consumer_offsets.topic IS 'Topic.';
COMMENT ON COLUMN reporting.consumer_offsets.partition IS 'Partition.';
COMMENT ON COLUMN reporting.consumer_offsets.next_offset IS 'Next offset to read.';
COMMENT ON COLUMN reporting.consumer_offsets.updated_at IS 'When the last batch was committed.';

COMMENT ON TABLE outbox IS 'Records to publish, written in the transaction of the change that they report. The relay '
'deletes a row after Kafka has acknowledged its record.';

COMMENT ON TABLE idempotency_keys IS 'Responses to requests with an Idempotency-Key, written in the transaction of the '
'request and kept for 7 days.';
COMMENT ON COLUMN idempotency_keys.request IS 'Digest of the request. The same key with another digest is an error.';

COMMENT ON TABLE tokens IS 'Tokens of the HTTP API, the same at every service. A token with a valid signature that is '
'not listed here is valid.';
COMMENT ON COLUMN tokens.id IS 'Id of the token: its claim jti.';
COMMENT ON COLUMN tokens.name IS 'Name of the token''s user; null if the token was revoked by an unregistered id.';
COMMENT ON COLUMN tokens.role IS 'Role of the token; null like the name.';
COMMENT ON COLUMN tokens.created_at IS 'When the token was made; null like the name.';
COMMENT ON COLUMN tokens.expires_at IS 'When the token expires; null if never.';
COMMENT ON COLUMN tokens.revoked_at IS 'When the token was revoked; null if it was not.';

COMMENT ON TABLE definitions IS 'The version of the views and functions that the last migration created.';
COMMENT ON COLUMN definitions.package IS 'Package with the files in database/views and database/functions.';
COMMENT ON COLUMN definitions.digest IS 'SHA-256 of its migrations, views and functions.';
