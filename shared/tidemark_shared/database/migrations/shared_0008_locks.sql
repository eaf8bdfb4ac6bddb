-- locks are tables of the service, which no reader of `reporting` can lock; they replace advisory locks, which anyone can

CREATE TABLE outbox_lock ();
COMMENT ON TABLE outbox_lock IS 'No rows: the relay that publishes the outbox holds a lock on this table.';
