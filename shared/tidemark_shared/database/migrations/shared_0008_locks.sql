-- locks are tables of the service, which no reader of `reporting` can lock; they replace advisory locks, which anyone can
-- depends: shared_0007_comments

-- migrate: apply

CREATE TABLE outbox_lock ();
COMMENT ON TABLE outbox_lock IS 'No rows: the relay that publishes the outbox holds a lock on this table.';

-- migrate: rollback

DROP TABLE outbox_lock;
