-- what the notifier knows, its rules, what it told and how it is delivered
-- depends:

-- migrate: apply

CREATE TABLE rules (
  id uuid PRIMARY KEY DEFAULT uuidv7(),
  version integer NOT NULL DEFAULT 1,
  body jsonb NOT NULL,
  name text NOT NULL GENERATED ALWAYS AS (body ->> 'name') STORED,
  scope text NOT NULL GENERATED ALWAYS AS (body #>> '{scope,kind}') STORED,
  scope_id uuid GENERATED ALWAYS AS ((body #>> '{scope,id}')::uuid) STORED,
  UNIQUE NULLS NOT DISTINCT (scope, scope_id, name)
);
COMMENT ON TABLE rules IS 'Notification rules, as clients send them.';

CREATE TABLE directory (
  id uuid PRIMARY KEY,
  kind text NOT NULL,
  version integer NOT NULL,
  body jsonb NOT NULL
);
COMMENT ON TABLE directory IS 'Organizations and teams, as contracts.directory last told of them.';

CREATE TABLE contracts (
  id uuid PRIMARY KEY,
  stream_version integer NOT NULL DEFAULT 0,
  plan_version integer NOT NULL DEFAULT 0,
  status text,
  organization_id uuid,
  terms jsonb,
  balance_stream_version integer,
  revision bigint NOT NULL DEFAULT 0,
  balance jsonb,
  skipped jsonb
);
CREATE INDEX contracts_organization ON contracts (organization_id);
COMMENT ON TABLE contracts IS
'A contract''s terms and its balance, each in its newest version, in one row: whichever comes second sees the first.';
COMMENT ON COLUMN contracts.plan_version IS
'The stream version that last changed what is planned; 0 where no change was seen. An older balance is not judged.';
COMMENT ON COLUMN contracts.skipped IS
'Rules with existing: skip whose earlier crossings count as told: {rule id: version}; null before the first judgement.';

CREATE TABLE notifications (
  id uuid PRIMARY KEY,
  contract_id uuid NOT NULL,
  contract_code text NOT NULL,
  rule_id uuid NOT NULL,
  rule_name text NOT NULL,
  subject text NOT NULL,
  subject_id text NOT NULL,
  threshold text NOT NULL,
  period_start date,
  raised_at timestamptz NOT NULL,
  snapshot jsonb NOT NULL
);
CREATE INDEX notifications_contract ON notifications (contract_id, id);
COMMENT ON TABLE notifications IS 'What was told, with a frozen copy of what was seen.';

CREATE TABLE told (
  contract_id uuid NOT NULL,
  rule_name text NOT NULL,
  trigger text NOT NULL,
  subject text NOT NULL,
  subject_id text NOT NULL,
  period_start date,
  threshold text NOT NULL,
  episode text NOT NULL,
  notification_id uuid,
  UNIQUE NULLS NOT DISTINCT (
    contract_id, rule_name, trigger, subject, subject_id, period_start, threshold, episode
  )
);
COMMENT ON TABLE told IS 'The guard of "once": what counts as told, by which notification; by none where a rule skips it.';

CREATE TABLE deliveries (
  id uuid PRIMARY KEY DEFAULT uuidv7(),
  notification_id uuid NOT NULL REFERENCES notifications (id),
  channel text NOT NULL,
  addressee jsonb,
  receiver text GENERATED ALWAYS AS (addressee ->> 'email') STORED,
  status text NOT NULL CHECK (status IN ('pending', 'delivered', 'failed', 'no_receiver')),
  attempts integer NOT NULL DEFAULT 0,
  last_error text,
  due_at timestamptz NOT NULL DEFAULT now(),
  leased_until timestamptz,
  delivered_at timestamptz
);
CREATE INDEX deliveries_notification ON deliveries (notification_id);
CREATE INDEX deliveries_due ON deliveries (due_at) WHERE status = 'pending';
COMMENT ON TABLE deliveries IS 'One mail to one receiver.';
COMMENT ON COLUMN deliveries.due_at IS 'Not to be tried before: attempts that fail are spaced.';
COMMENT ON COLUMN deliveries.leased_until IS 'Until when it is whose attempt is under way; then another takes over.';

CREATE VIEW reporting.notifications AS
SELECT
  n.id, d.id AS delivery_id, n.rule_id, n.rule_name, n.contract_id, n.contract_code, n.subject, n.subject_id,
  n.threshold, n.period_start, n.raised_at, d.channel, d.receiver, d.status, d.attempts, d.last_error, d.delivered_at
FROM notifications AS n
JOIN deliveries AS d ON d.notification_id = n.id;

COMMENT ON VIEW reporting.notifications IS 'Who was told what, and how it went: one row a delivery.';
COMMENT ON COLUMN reporting.notifications.id IS 'Id of the notification; its deliveries share it.';
COMMENT ON COLUMN reporting.notifications.delivery_id IS 'Id of the delivery; the mail''s Message-ID begins with it.';
COMMENT ON COLUMN reporting.notifications.rule_id IS 'Id of the rule that fired; it may be gone since.';
COMMENT ON COLUMN reporting.notifications.rule_name IS 'Name of the rule when it fired.';
COMMENT ON COLUMN reporting.notifications.contract_id IS 'Id of the contract.';
COMMENT ON COLUMN reporting.notifications.contract_code IS 'Code of the contract.';
COMMENT ON COLUMN reporting.notifications.subject IS 'What reached the threshold: contract or account.';
COMMENT ON COLUMN reporting.notifications.subject_id IS 'Id of that contract or account.';
COMMENT ON COLUMN reporting.notifications.threshold IS 'The furthest threshold reached, in percent of what is planned.';
COMMENT ON COLUMN reporting.notifications.period_start IS 'First day of the period judged; null for the whole contract.';
COMMENT ON COLUMN reporting.notifications.raised_at IS 'When the crossing was seen.';
COMMENT ON COLUMN reporting.notifications.channel IS 'How it is told: email.';
COMMENT ON COLUMN reporting.notifications.receiver IS 'The address; null where the rule''s receivers resolved to nobody.';
COMMENT ON COLUMN reporting.notifications.status IS
'pending, delivered (the mail server has taken it), failed (given up, see last_error), no_receiver.';
COMMENT ON COLUMN reporting.notifications.attempts IS 'How often it was tried.';
COMMENT ON COLUMN reporting.notifications.last_error IS 'Why the last attempt that failed did; null if none did.';
COMMENT ON COLUMN reporting.notifications.delivered_at IS 'When the mail server took it.';

-- migrate: rollback

DROP VIEW reporting.notifications;
DROP TABLE deliveries, told, notifications, contracts, directory, rules;
