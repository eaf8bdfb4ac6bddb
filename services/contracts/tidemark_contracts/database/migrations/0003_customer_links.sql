-- links that show a customer its own contracts

CREATE TABLE customer_links (
  id uuid PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES directory ON DELETE CASCADE,
  issued_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  password_hash text,
  note text,
  created_by text NOT NULL,
  last_used_at timestamptz,
  revoked_at timestamptz,
  revoked_by text,
  attempts bigint NOT NULL DEFAULT 0,
  attempts_since timestamptz NOT NULL DEFAULT '-infinity'
);
CREATE INDEX customer_links_organization_id_idx ON customer_links (organization_id, issued_at DESC, id DESC);
CREATE INDEX customer_links_issued_at_idx ON customer_links (issued_at DESC, id DESC);
COMMENT ON TABLE customer_links IS
'The links that managers have made for customers, and those of mails that have been used. The signed text of a link is '
'stored nowhere.';
COMMENT ON COLUMN customer_links.organization_id IS 'The customer whose contracts the link shows.';
COMMENT ON COLUMN customer_links.issued_at IS 'When it was made; for a link of a mail, when its message was raised.';
COMMENT ON COLUMN customer_links.password_hash IS 'scrypt, with its parameters and salt; null without a password.';
COMMENT ON COLUMN customer_links.note IS 'What the link is for, in the words of its maker.';
COMMENT ON COLUMN customer_links.created_by IS 'The manager who made it; "notifier" for a link of a mail.';
COMMENT ON COLUMN customer_links.attempts IS 'Passwords that were tried since attempts_since and were not right.';

CREATE TABLE customer_link_revocations (
  organization_id uuid PRIMARY KEY REFERENCES directory ON DELETE CASCADE,
  revoked_at timestamptz NOT NULL,
  revoked_by text NOT NULL
);
COMMENT ON TABLE customer_link_revocations IS
'When all links of an organization were last revoked. It also holds for links of mails that nobody has used yet.';
