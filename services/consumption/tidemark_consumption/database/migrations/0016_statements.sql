-- what each settled period came to, frozen once

CREATE TABLE statements (
  contract_id uuid,
  period_start date,
  period_end date NOT NULL,
  number bigint NOT NULL,
  as_of timestamptz NOT NULL,
  closed_at timestamptz NOT NULL,
  last_restatement bigint NOT NULL,
  body text NOT NULL,
  sha256 text NOT NULL,
  PRIMARY KEY (contract_id, period_start)
);
COMMENT ON TABLE statements IS
'The figures of a period of a contract at the moment it was settled, frozen once. Only inserted into: what changes later '
'is a restatement. Rebuild and verify leave it alone, because it depends on when things were learned.';
COMMENT ON COLUMN statements.period_start IS 'Identifies the period, even after an amendment moves its last day.';
COMMENT ON COLUMN statements.period_end IS 'The last day of the period when it was settled.';
COMMENT ON COLUMN statements.number IS 'Counts the statements of the contract, from 1, in the order frozen.';
COMMENT ON COLUMN statements.as_of IS 'When the last of what the figures show was learned.';
COMMENT ON COLUMN statements.closed_at IS 'When it was frozen.';
COMMENT ON COLUMN statements.last_restatement IS
'The last restatement of the contract that the figures include; later ones of the same period correct this statement. '
'0 where there was none.';
COMMENT ON COLUMN statements.body IS 'The statement as RFC 8785 JSON, as it was published.';
COMMENT ON COLUMN statements.sha256 IS 'SHA-256 of the body in UTF-8, in hexadecimal digits.';
