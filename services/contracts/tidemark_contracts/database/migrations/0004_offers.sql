-- offers: their events, and the current state of each

CREATE TABLE offer_events (
  offer_id uuid NOT NULL,
  version bigint NOT NULL CHECK (version > 0),
  type text NOT NULL,
  data jsonb NOT NULL,
  actor text NOT NULL,
  occurred_at timestamptz NOT NULL,
  correlation_id text NOT NULL,
  PRIMARY KEY (offer_id, version)
);
COMMENT ON TABLE offer_events IS 'The event streams of all offers, append-only. The table offers is derived from them.';
COMMENT ON COLUMN offer_events.data IS 'The whole offer after the event.';

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON offer_events
FOR EACH STATEMENT EXECUTE FUNCTION reject_event_change();

CREATE TABLE offers (
  id uuid PRIMARY KEY,
  version bigint NOT NULL,
  status text NOT NULL CHECK (status IN ('requested', 'open', 'accepted', 'declined', 'withdrawn', 'expired')),
  contract_id uuid NOT NULL,
  account_id uuid NOT NULL,
  period_start date NOT NULL,
  valid_until timestamptz,
  notification_id uuid CONSTRAINT offers_notification_id_key UNIQUE,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  body jsonb NOT NULL
);
CREATE INDEX offers_contract_id_idx ON offers (contract_id);
CREATE INDEX offers_valid_until_idx ON offers (valid_until) WHERE status = 'open';
-- Rules never make a second offer while one is open, whatever is delivered twice.
CREATE UNIQUE INDEX offers_open_of_rules_key ON offers (contract_id, account_id, period_start)
WHERE status = 'open' AND notification_id IS NOT NULL;
COMMENT ON TABLE offers IS 'The read model: the current state of each offer, written with its events.';
COMMENT ON COLUMN offers.notification_id IS
'The notification whose rule made the offer: at most one for each. Null for offers of people.';
