-- the lock of a leader is a view: VACUUM waits for the lock of a table
-- depends: 0016_statements

-- migrate: apply

DROP TABLE balances_lock;
CREATE VIEW balances_lock AS SELECT;
COMMENT ON VIEW balances_lock IS 'No rows: the relay that publishes balances holds a lock on this view.';

-- migrate: rollback

DROP VIEW balances_lock;
CREATE TABLE balances_lock ();
COMMENT ON TABLE balances_lock IS 'No rows: the relay that publishes balances holds a lock on this table.';
