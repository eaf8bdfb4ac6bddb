-- restatements, for the trigger period_closed

ALTER TABLE contracts
ADD COLUMN restatements jsonb NOT NULL DEFAULT '[]',
ADD COLUMN last_restatement bigint NOT NULL DEFAULT 0,
ADD COLUMN restated_since timestamptz,
ADD COLUMN restated_at timestamptz;
COMMENT ON COLUMN contracts.restatements IS 'Restatements that no notification has yet, oldest first.';
COMMENT ON COLUMN contracts.last_restatement IS 'The number of the last restatement that was stored.';
COMMENT ON COLUMN contracts.restated_since IS 'When the first of the restatements was stored.';
COMMENT ON COLUMN contracts.restated_at IS 'When the last of the restatements was stored.';
