-- saved reports, and their mails

CREATE TABLE saved_reports (
  id uuid PRIMARY KEY DEFAULT uuidv7(),
  version bigint NOT NULL DEFAULT 1,
  body jsonb NOT NULL,
  name text NOT NULL GENERATED ALWAYS AS (body ->> 'name') STORED,
  organization_id uuid NOT NULL GENERATED ALWAYS AS ((body ->> 'organization_id')::uuid) STORED,
  mailed_on date NOT NULL,
  next_mail_on date,
  next_mail_at timestamptz,
  UNIQUE (organization_id, name)
);
CREATE INDEX saved_reports_next_mail ON saved_reports (next_mail_at);
COMMENT ON TABLE saved_reports IS 'Delivery reports under a name, as clients send them, and when they are mailed next.';
COMMENT ON COLUMN saved_reports.mailed_on IS
'The last day of its schedule that is done with; the day on which the schedule was set, until then.';
COMMENT ON COLUMN saved_reports.next_mail_on IS 'The day of the next mail, in the customer''s time zone; null for none.';
COMMENT ON COLUMN saved_reports.next_mail_at IS 'When that day begins; null for none.';

CREATE TABLE report_mails (
  id uuid PRIMARY KEY DEFAULT uuidv7(),
  report_id uuid NOT NULL REFERENCES saved_reports (id) ON DELETE CASCADE,
  addressee jsonb NOT NULL,
  snapshot jsonb NOT NULL,
  status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'delivered', 'failed')),
  attempts bigint NOT NULL DEFAULT 0,
  last_error text,
  raised_at timestamptz NOT NULL,
  due_at timestamptz NOT NULL DEFAULT now(),
  leased_until timestamptz,
  delivered_at timestamptz
);
CREATE INDEX report_mails_report ON report_mails (report_id, id);
CREATE INDEX report_mails_due ON report_mails (due_at) WHERE status = 'pending';
COMMENT ON TABLE report_mails IS 'One mail of a saved report to one receiver, with its frozen days and moment.';
COMMENT ON COLUMN report_mails.due_at IS 'Not before: failed attempts are spaced.';
COMMENT ON COLUMN report_mails.leased_until IS 'Until when an attempt is in progress; then another instance takes over.';
