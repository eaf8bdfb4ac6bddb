-- offers, notifications that no rule raised, and digests

CREATE TABLE offers (
  id uuid PRIMARY KEY,
  contract_id uuid NOT NULL,
  version bigint NOT NULL,
  notified_version bigint NOT NULL DEFAULT 0,
  body jsonb NOT NULL,
  next_notification_at timestamptz
);
CREATE INDEX offers_next_notification ON offers (next_notification_at);
COMMENT ON TABLE offers IS 'Offers, each in its newest version, and what is to be sent about them.';
COMMENT ON COLUMN offers.notified_version IS 'The last version that was notified; 0 for none. Each is notified once.';
COMMENT ON COLUMN offers.next_notification_at IS
'When the version, or after it the reminder of an open offer, is to be notified; null if nothing is to come.';

ALTER TABLE notifications
ALTER COLUMN rule_id DROP NOT NULL,
ALTER COLUMN rule_name DROP NOT NULL,
ADD COLUMN offer_id uuid;
COMMENT ON COLUMN notifications.offer_id IS 'The offer that it is about; null if a rule raised it.';

ALTER TABLE rules ADD COLUMN next_digest_at timestamptz;
CREATE INDEX rules_next_digest ON rules (next_digest_at) WHERE body #>> '{trigger,kind}' = 'digest';
COMMENT ON COLUMN rules.next_digest_at IS
'A digest: from when on its days are still to be looked at; null for a new or changed rule, which begins now.';
