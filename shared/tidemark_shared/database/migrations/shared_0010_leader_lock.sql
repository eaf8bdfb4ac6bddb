-- the lock of a leader is a view: VACUUM waits for the lock of a table
-- depends: shared_0009_end_offsets

-- migrate: apply

DROP TABLE outbox_lock;
CREATE VIEW outbox_lock AS SELECT;
COMMENT ON VIEW outbox_lock IS 'No rows: the relay that publishes the outbox holds a lock on this view.';

-- migrate: rollback

DROP VIEW outbox_lock;
CREATE TABLE outbox_lock ();
COMMENT ON TABLE outbox_lock IS 'No rows: the relay that publishes the outbox holds a lock on this table.';
