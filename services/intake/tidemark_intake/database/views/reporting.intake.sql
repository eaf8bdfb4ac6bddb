-- One row for each tracker: how far it is read, what webhooks missed, and what is skipped.
CREATE OR REPLACE VIEW reporting.intake AS
SELECT
  source.id AS source_id, source.kind, source.event_source AS source, source.is_loaded,
  (SELECT count(*) FROM worklogs WHERE worklogs.source_id = source.id AND digest IS NOT NULL) AS worklog_count,
  source.reconciled_at, extract(EPOCH FROM now() - source.reconciled_at)::bigint AS lag_seconds,
  source.last_delivery_at, source.deliveries_received, source.deliveries_refused, source.deliveries_repeated,
  (SELECT count(*) FROM deliveries WHERE deliveries.source_id = source.id AND processed_at IS NULL)
    AS deliveries_waiting,
  source.found_by_reconciling,
  (
    SELECT jsonb_object_agg(reason, worklog_count)
    FROM (SELECT reason, count(*) AS worklog_count FROM skipped WHERE source_id = source.id GROUP BY reason) AS reasons
  ) AS skipped,
  source.failure, source.failed_at, source.cursor
FROM sources AS source;
COMMENT ON VIEW reporting.intake IS
'One row for each tracker: how far it is read, what webhooks missed, and what is skipped.';
COMMENT ON COLUMN reporting.intake.source_id IS 'The id of the source in TIDEMARK_INTAKE_FILE.';
COMMENT ON COLUMN reporting.intake.kind IS 'The kind of tracker.';
COMMENT ON COLUMN reporting.intake.source IS 'ce_source of its events: the source of its worklogs.';
COMMENT ON COLUMN reporting.intake.is_loaded IS 'Whether everything has been read once.';
COMMENT ON COLUMN reporting.intake.worklog_count IS 'Worklogs that the tracker has and that were published.';
COMMENT ON COLUMN reporting.intake.reconciled_at IS 'When the tracker was last read to the end.';
COMMENT ON COLUMN reporting.intake.lag_seconds IS 'Seconds since then.';
COMMENT ON COLUMN reporting.intake.last_delivery_at IS 'When the last webhook came.';
COMMENT ON COLUMN reporting.intake.deliveries_received IS 'Webhooks with a valid signature, repetitions included.';
COMMENT ON COLUMN reporting.intake.deliveries_refused IS 'Webhooks without a valid signature, or that cannot be read.';
COMMENT ON COLUMN reporting.intake.deliveries_repeated IS 'Webhooks that had come before: they were not stored again.';
COMMENT ON COLUMN reporting.intake.deliveries_waiting IS 'Webhooks that are not processed yet.';
COMMENT ON COLUMN reporting.intake.found_by_reconciling IS 'Worklogs whose state no webhook had brought before.';
COMMENT ON COLUMN reporting.intake.skipped IS 'The number of worklogs that are not published, by reason.';
COMMENT ON COLUMN reporting.intake.failure IS 'Why reading fails; null if it does not.';
COMMENT ON COLUMN reporting.intake.failed_at IS 'Since when it fails.';
COMMENT ON COLUMN reporting.intake.cursor IS
'From where the next reading goes on: times as text or in milliseconds, and first days that are not read yet.';
