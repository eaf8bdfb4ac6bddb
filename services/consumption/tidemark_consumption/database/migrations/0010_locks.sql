-- the lock of the relay that publishes balances

CREATE TABLE balances_lock ();
COMMENT ON TABLE balances_lock IS 'No rows: the relay that publishes balances holds a lock on this table.';
