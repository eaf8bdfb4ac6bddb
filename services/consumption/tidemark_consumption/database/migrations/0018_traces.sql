-- what metrics and traces need: when a batch was published, and which trace it and a balance belong to

ALTER TABLE batches ADD COLUMN published_at timestamptz;
ALTER TABLE batches ADD COLUMN traceparent text;
ALTER TABLE balances ADD COLUMN traceparent text;
COMMENT ON COLUMN batches.published_at IS
'The time of its first record in Kafka; null for batches that are older than this column.';
COMMENT ON COLUMN batches.traceparent IS 'The span that appended it (W3C Trace Context); null where nothing is traced.';
COMMENT ON COLUMN balances.traceparent IS 'The span of the last change; null where nothing is traced.';
