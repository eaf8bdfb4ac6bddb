-- the results of `tidemark verify`

CREATE TABLE verifications (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  started_at timestamptz NOT NULL,
  finished_at timestamptz NOT NULL,
  row_count bigint NOT NULL,
  difference_count bigint NOT NULL
);
COMMENT ON TABLE verifications IS 'One row for each comparison of the projections with the facts.';
COMMENT ON COLUMN verifications.id IS 'Number, in the order in which they ended.';
COMMENT ON COLUMN verifications.started_at IS 'When it started; it compares the projections of this moment.';
COMMENT ON COLUMN verifications.finished_at IS 'When it ended.';
COMMENT ON COLUMN verifications.row_count IS 'Rows of the projections that it compared.';
COMMENT ON COLUMN verifications.difference_count IS 'Rows that differ from the facts, are missing, or should not exist.';
