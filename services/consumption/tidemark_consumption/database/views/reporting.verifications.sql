-- The results of `tidemark verify`.
CREATE OR REPLACE VIEW reporting.verifications AS
SELECT
  started_at, finished_at, extract(EPOCH FROM finished_at - started_at)::bigint AS seconds, row_count, difference_count
FROM verifications;
COMMENT ON VIEW reporting.verifications IS 'Comparisons of all figures with the facts, by `tidemark verify`.';
COMMENT ON COLUMN reporting.verifications.started_at IS 'When it started; it compares the figures of this moment.';
COMMENT ON COLUMN reporting.verifications.finished_at IS 'When it ended.';
COMMENT ON COLUMN reporting.verifications.seconds IS 'How long it took.';
COMMENT ON COLUMN reporting.verifications.row_count IS 'Rows that it compared.';
COMMENT ON COLUMN reporting.verifications.difference_count IS
'Rows that differ from the facts, are missing, or should not exist. `tidemark rebuild` repairs them.';
