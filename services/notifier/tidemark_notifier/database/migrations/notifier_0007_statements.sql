-- settled periods, for the trigger period_closed
-- depends: notifier_0006_offers

-- migrate: apply

ALTER TABLE contracts ADD COLUMN closed_periods jsonb NOT NULL DEFAULT '[]';
COMMENT ON COLUMN contracts.closed_periods IS
'The newest statement, with those that have not been evaluated yet, in the order of their numbers.';

-- migrate: rollback

ALTER TABLE contracts DROP COLUMN closed_periods;
