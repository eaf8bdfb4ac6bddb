-- the lock of a leader is a view: VACUUM waits for the lock of a table

DROP TABLE outbox_lock;
CREATE VIEW outbox_lock AS SELECT;
COMMENT ON VIEW outbox_lock IS 'No rows: the relay that publishes the outbox holds a lock on this view.';
