-- the lock of a leader is a view: VACUUM waits for the lock of a table

DROP TABLE balances_lock;
CREATE VIEW balances_lock AS SELECT;
COMMENT ON VIEW balances_lock IS 'No rows: the relay that publishes balances holds a lock on this view.';
