-- One row for each worklog that is not published, with the reason.
CREATE OR REPLACE VIEW reporting.intake_skipped AS
SELECT source_id, worklog_id, reason, detail, seen_at
FROM skipped;
COMMENT ON VIEW reporting.intake_skipped IS 'One row for each worklog that is not published, with the reason.';
COMMENT ON COLUMN reporting.intake_skipped.source_id IS 'The id of the source in TIDEMARK_INTAKE_FILE.';
COMMENT ON COLUMN reporting.intake_skipped.worklog_id IS 'The id of the worklog in the tracker.';
COMMENT ON COLUMN reporting.intake_skipped.reason IS 'running, invisible, invalid or unreadable: see docs/intake.md.';
COMMENT ON COLUMN reporting.intake_skipped.detail IS 'More about the reason; empty if there is no more.';
COMMENT ON COLUMN reporting.intake_skipped.seen_at IS 'When the tracker was last asked for it.';
