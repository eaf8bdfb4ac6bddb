-- the lock of the relay that publishes balances
-- depends: 0009_revisions

-- migrate: apply

CREATE TABLE balances_lock ();
COMMENT ON TABLE balances_lock IS 'No rows: the relay that publishes balances holds a lock on this table.';

-- migrate: rollback

DROP TABLE balances_lock;
