-- the answers given to idempotency keys

CREATE TABLE idempotency_keys (
  actor text NOT NULL,
  key text NOT NULL,
  request bytea NOT NULL,
  status integer NOT NULL,
  headers jsonb NOT NULL,
  body bytea NOT NULL,
  answered_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (actor, key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (answered_at);
COMMENT ON TABLE idempotency_keys IS 'What was answered to an Idempotency-Key, committed with what it did; kept 7 days.';
COMMENT ON COLUMN idempotency_keys.request IS 'A digest of the request: the key with another one is refused.';
