-- what was learned (append-only), what holds now, and what it adds up to
-- depends:

-- migrate: apply

-- The log: every version of every fact with the time it was learned (SPEC W8). Never updated, never pruned.

CREATE TABLE batches (
  batch bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  cluster text NOT NULL,
  topic text NOT NULL,
  partition integer NOT NULL,
  learned_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE batches IS 'One row a transaction that took records of a partition.';

CREATE TABLE fact_log (
  -- No foreign key: the row of the batch is written first, in the same transaction, and the check would cost a
  -- third of the copying.
  batch bigint NOT NULL,
  record_offset bigint NOT NULL,
  kind text NOT NULL CHECK (kind IN ('recorded', 'deleted', 'linked')),
  source text NOT NULL,
  issue_id text NOT NULL,
  worklog_id text,
  author_id text,
  started_at timestamptz,
  seconds integer,
  team_ref text,
  contract_ref text,
  account_ref text,
  created_at timestamptz,
  changed_at timestamptz NOT NULL,
  content bytea NOT NULL,
  PRIMARY KEY (batch, record_offset)
);
COMMENT ON TABLE fact_log IS 'Every version of every worklog and issue link, as learned; also the stage a batch is folded from.';
COMMENT ON COLUMN fact_log.content IS 'Canonical content (SPEC 9): decides between versions of equal time.';

CREATE TABLE contract_log (
  contract_id uuid NOT NULL,
  stream_version integer NOT NULL,
  batch bigint NOT NULL REFERENCES batches,
  event jsonb NOT NULL,
  PRIMARY KEY (contract_id, stream_version)
);
COMMENT ON TABLE contract_log IS 'Every version of every contract, as learned.';

CREATE TABLE directory_log (
  entity_id uuid NOT NULL,
  version integer NOT NULL,
  batch bigint NOT NULL REFERENCES batches,
  type text NOT NULL,
  event jsonb NOT NULL,
  PRIMARY KEY (entity_id, version)
);
COMMENT ON TABLE directory_log IS 'Every version of every organization and team, as learned.';

-- The facts that hold now: the last writer's (SPEC W6). Keyed by source and id.

CREATE TABLE issues (
  source text NOT NULL,
  issue_id text NOT NULL,
  contract_ref text,
  account_ref text,
  created_at timestamptz,
  changed_at timestamptz,
  content bytea,
  PRIMARY KEY (source, issue_id)
);
COMMENT ON TABLE issues IS 'Links. A row without content is a placeholder: work names the issue, no link is known. '
'Whoever touches work of an issue, or its link, holds this row.';
CREATE INDEX issues_by_contract_ref ON issues (contract_ref);

CREATE TABLE worklogs (
  source text NOT NULL,
  worklog_id text NOT NULL,
  issue_id text NOT NULL,
  author_id text,
  started_at timestamptz,
  seconds integer,
  team_ref text,
  deleted boolean NOT NULL,
  changed_at timestamptz NOT NULL,
  content bytea NOT NULL,
  -- Where the work belongs, as the query `place` says; kept, so that a change moves exactly what was counted.
  contract_id uuid,
  account_id uuid,
  team_id uuid,
  period_start date,
  day date,
  reason text,
  PRIMARY KEY (source, worklog_id)
);
COMMENT ON COLUMN worklogs.reason IS 'Why the work does not count (SPEC W5); null where it counts.';
CREATE INDEX worklogs_by_issue ON worklogs (source, issue_id);
CREATE INDEX worklogs_by_contract ON worklogs (contract_id, account_id);
CREATE INDEX worklogs_unaccounted ON worklogs (reason) WHERE reason IS NOT NULL;

CREATE TABLE organizations (
  organization_id uuid PRIMARY KEY,
  version integer NOT NULL,
  name text NOT NULL
);

CREATE TABLE teams (
  team_id uuid PRIMARY KEY,
  version integer NOT NULL,
  name text NOT NULL
);

CREATE TABLE memberships (
  person_id text NOT NULL,
  team_id uuid NOT NULL REFERENCES teams ON DELETE CASCADE,
  first_day date NOT NULL,
  last_day date NOT NULL,
  PRIMARY KEY (person_id, team_id, first_day)
);
CREATE INDEX memberships_by_team ON memberships (team_id);

CREATE TABLE contracts (
  contract_id uuid PRIMARY KEY,
  stream_version integer NOT NULL,
  status text,
  code text NOT NULL,
  name text NOT NULL,
  organization_id uuid NOT NULL,
  owner_name text NOT NULL,
  owner_email text NOT NULL,
  type text NOT NULL,
  recurrence text NOT NULL,
  start_date date NOT NULL,
  end_date date NOT NULL,
  timezone text NOT NULL,
  contracted_seconds bigint,
  changed_at timestamptz NOT NULL
);
COMMENT ON COLUMN contracts.status IS 'Null once a draft is discarded: the contract is unknown again.';
CREATE INDEX contracts_by_code ON contracts (code);

CREATE TABLE contract_refs (
  ref text PRIMARY KEY,
  contract_id uuid NOT NULL
);
COMMENT ON TABLE contract_refs IS 'What a link may call a contract: its id, or its code. Ids come before codes.';

CREATE TABLE accounts (
  contract_id uuid NOT NULL REFERENCES contracts,
  account_id uuid NOT NULL,
  position smallint NOT NULL,
  name text NOT NULL,
  billable boolean NOT NULL,
  planned_seconds bigint,
  PRIMARY KEY (contract_id, account_id)
);

CREATE TABLE account_refs (
  contract_id uuid NOT NULL,
  ref text NOT NULL,
  account_id uuid NOT NULL,
  stream_version bigint NOT NULL,
  PRIMARY KEY (contract_id, ref)
);
COMMENT ON TABLE account_refs IS 'What a link may call an account: its id, or a name it has or had.';
COMMENT ON COLUMN account_refs.stream_version IS 'The last version in which the account was called so; the latest holder '
'keeps a name. An id is never given up: it has the greatest version there is.';

CREATE TABLE account_teams (
  contract_id uuid NOT NULL,
  account_id uuid NOT NULL,
  team_id uuid NOT NULL,
  position smallint NOT NULL,
  is_slice boolean NOT NULL,
  planned_seconds bigint,
  PRIMARY KEY (contract_id, account_id, team_id),
  FOREIGN KEY (contract_id, account_id) REFERENCES accounts ON DELETE CASCADE
);
COMMENT ON TABLE account_teams IS 'The teams of an account: those of its slices or, where it has none, its own.';
CREATE INDEX account_teams_by_team ON account_teams (team_id);

CREATE TABLE periods (
  contract_id uuid NOT NULL REFERENCES contracts,
  period_start date NOT NULL,
  period_end date NOT NULL,
  PRIMARY KEY (contract_id, period_start)
);
COMMENT ON TABLE periods IS 'They tile the days from start to end: a day in none of them is outside the contract.';

-- The projections: sums over `worklogs`, moved by what changed. Keyed by contract.

CREATE TABLE shares (
  contract_id uuid NOT NULL,
  account_id uuid NOT NULL,
  team_id uuid,
  period_start date NOT NULL,
  seconds bigint NOT NULL,
  worklogs bigint NOT NULL,
  UNIQUE NULLS NOT DISTINCT (contract_id, account_id, team_id, period_start)
);
COMMENT ON TABLE shares IS 'What counts, by account, team and period; only where there is work.';

CREATE TABLE days (
  contract_id uuid NOT NULL,
  account_id uuid NOT NULL,
  team_id uuid,
  day date NOT NULL,
  seconds bigint NOT NULL,
  worklogs bigint NOT NULL,
  UNIQUE NULLS NOT DISTINCT (contract_id, account_id, team_id, day)
);
COMMENT ON TABLE days IS 'What counts, by account, team and day of the work; only where there is work.';

CREATE TABLE unaccounted (
  contract_id uuid NOT NULL,
  reason text NOT NULL,
  seconds bigint NOT NULL,
  worklogs bigint NOT NULL,
  PRIMARY KEY (contract_id, reason)
);
COMMENT ON TABLE unaccounted IS 'Work whose issue names the contract and that does not count; only where there is some.';

CREATE TABLE balances (
  contract_id uuid PRIMARY KEY REFERENCES contracts,
  revision bigint NOT NULL DEFAULT (extract(EPOCH FROM now()) * 1000)::bigint,
  published bigint NOT NULL DEFAULT 0,
  correlation_id text NOT NULL DEFAULT '',
  updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE balances IS 'The outbox of balances: a change only raises the revision, so a busy contract is published '
'once a round. Revisions start at the clock, so that a database filled anew is ahead of the one before it.';
CREATE INDEX balances_to_publish ON balances (contract_id) WHERE revision > published;

-- Percent of a plan with two decimals, half-even; null where nothing is planned (SPEC 9).
CREATE FUNCTION percent(consumed numeric, planned numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN planned > 0 THEN ((
  div(consumed * 10000, planned)
  + CASE
      WHEN 2 * mod(consumed * 10000, planned) > planned
        OR (2 * mod(consumed * 10000, planned) = planned AND mod(div(consumed * 10000, planned), 2) = 1)
      THEN 1 ELSE 0
    END
  ) * 0.01)::numeric(38, 2)
END;

-- migrate: rollback

DROP FUNCTION percent;
DROP TABLE balances, unaccounted, days, shares, periods, account_teams, account_refs, accounts, contract_refs, contracts,
memberships, teams, organizations, worklogs, issues, directory_log, contract_log, fact_log, batches;
