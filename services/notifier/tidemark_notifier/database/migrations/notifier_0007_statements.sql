-- settled periods, for the trigger period_closed

ALTER TABLE contracts ADD COLUMN closed_periods jsonb NOT NULL DEFAULT '[]';
COMMENT ON COLUMN contracts.closed_periods IS
'The newest statement, with those that have not been evaluated yet, in the order of their numbers.';
