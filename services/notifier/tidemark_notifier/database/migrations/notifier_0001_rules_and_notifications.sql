-- what the notifier knows, its rules, what it told and how it is delivered

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
  changes jsonb NOT NULL DEFAULT '[]',
  organization_id uuid,
  terms jsonb,
  balance_stream_version integer,
  revision bigint NOT NULL DEFAULT 0,
  balance jsonb,
  skipped jsonb,
  due_at timestamptz
);
CREATE INDEX contracts_organization ON contracts (organization_id);
CREATE INDEX contracts_code ON contracts ((terms ->> 'code'));
CREATE INDEX contracts_due ON contracts (due_at);
COMMENT ON TABLE contracts IS
'A contract''s terms and its balance, each in its newest version, in one row: whichever comes second sees the first.';
COMMENT ON COLUMN contracts.plan_version IS
'The stream version that last changed what is planned; 0 where no change was seen. An older balance is not judged.';
COMMENT ON COLUMN contracts.changes IS
'[[stream version, status], …]: the status last judged and what came after it, oldest first; the last is how it stands.';
COMMENT ON COLUMN contracts.due_at IS
'When to judge it again because time has passed; null where time alone changes nothing.';
COMMENT ON COLUMN contracts.skipped IS
'Rules with existing: skip whose earlier crossings count as told: {rule id: version}; null before the first judgement.';

CREATE TABLE sweeps (
  id uuid PRIMARY KEY DEFAULT uuidv7(),
  scope_id uuid,
  after uuid
);
-- What has begun may have passed by a contract that what comes now is about; what waits has not.
CREATE UNIQUE INDEX sweeps_waiting ON sweeps (scope_id) NULLS NOT DISTINCT WHERE after IS NULL;
COMMENT ON TABLE sweeps IS 'Contracts to be judged because of what many of them rest on: rules, an organization.';
COMMENT ON COLUMN sweeps.scope_id IS 'A contract, or an organization whose contracts they are; null for all.';
COMMENT ON COLUMN sweeps.after IS 'The last contract that was judged, in the order of ids; null where none was.';

CREATE TABLE notifications (
  id uuid PRIMARY KEY,
  contract_id uuid NOT NULL,
  contract_code text NOT NULL,
  rule_id uuid NOT NULL,
  rule_name text NOT NULL,
  subject text NOT NULL,
  subject_id text NOT NULL,
  threshold text,
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
  threshold text,
  episode text NOT NULL,
  again integer NOT NULL,
  occasion text NOT NULL,
  told_on date NOT NULL,
  notification_id uuid,
  UNIQUE NULLS NOT DISTINCT (
    contract_id, rule_name, trigger, subject, subject_id, period_start, threshold, episode, again, occasion
  )
);
COMMENT ON TABLE told IS 'The guard of "once": what counts as told, by which notification; by none where a rule skips it.';
COMMENT ON COLUMN told.episode IS 'The planned amount, the end date or the stream version that was judged.';
COMMENT ON COLUMN told.again IS 'How many resolutions of this threshold were told before: what follows one is another episode.';
COMMENT ON COLUMN told.occasion IS 'crossing, resolved, or reminder and its day.';
COMMENT ON COLUMN told.told_on IS 'The day, in the contract''s time zone.';

CREATE TABLE deliveries (
  id uuid PRIMARY KEY DEFAULT uuidv7(),
  notification_id uuid NOT NULL REFERENCES notifications (id),
  channel text NOT NULL,
  addressee jsonb,
  receiver text GENERATED ALWAYS AS (coalesce(addressee ->> 'email', addressee ->> 'url')) STORED,
  status text NOT NULL CHECK (status IN ('pending', 'delivered', 'failed', 'no_receiver')),
  attempts integer NOT NULL DEFAULT 0,
  last_error text,
  due_at timestamptz NOT NULL DEFAULT now(),
  leased_until timestamptz,
  delivered_at timestamptz
);
CREATE INDEX deliveries_notification ON deliveries (notification_id);
CREATE INDEX deliveries_due ON deliveries (channel, due_at) WHERE status = 'pending';
COMMENT ON TABLE deliveries IS 'One mail to one receiver, or one webhook.';
COMMENT ON COLUMN deliveries.addressee IS 'Whom it is for, as the rule resolved when it fired; a webhook with its secret.';
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
COMMENT ON COLUMN reporting.notifications.delivery_id IS
'Id of the delivery; the mail''s Message-ID begins with it, and a webhook has it as webhook-id.';
COMMENT ON COLUMN reporting.notifications.rule_id IS 'Id of the rule that fired; it may be gone since.';
COMMENT ON COLUMN reporting.notifications.rule_name IS 'Name of the rule when it fired.';
COMMENT ON COLUMN reporting.notifications.contract_id IS 'Id of the contract.';
COMMENT ON COLUMN reporting.notifications.contract_code IS 'Code of the contract.';
COMMENT ON COLUMN reporting.notifications.subject IS 'What is judged: contract, account or slice.';
COMMENT ON COLUMN reporting.notifications.subject_id IS 'Id of that contract or account; of a slice, ACCOUNT/TEAM.';
COMMENT ON COLUMN reporting.notifications.threshold IS 'The furthest threshold reached, as the rule has it; null for triggers without one.';
COMMENT ON COLUMN reporting.notifications.period_start IS 'First day of the period judged; null for the whole contract.';
COMMENT ON COLUMN reporting.notifications.raised_at IS 'When the crossing was seen.';
COMMENT ON COLUMN reporting.notifications.channel IS 'How it is told: email or webhook.';
COMMENT ON COLUMN reporting.notifications.receiver IS
'The mail address or the webhook''s URL; null where the rule''s receivers resolved to nobody.';
COMMENT ON COLUMN reporting.notifications.status IS
'pending, delivered (the mail server or the webhook has taken it), failed (given up, see last_error), no_receiver.';
COMMENT ON COLUMN reporting.notifications.attempts IS 'How often it was tried.';
COMMENT ON COLUMN reporting.notifications.last_error IS 'Why the last attempt that failed did; null if none did.';
COMMENT ON COLUMN reporting.notifications.delivered_at IS 'When the mail server or the webhook took it.';
