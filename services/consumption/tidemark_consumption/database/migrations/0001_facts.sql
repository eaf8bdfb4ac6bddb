-- what was learned (append-only), what holds now, and what it adds up to

-- The log: every version of every fact with the time it was learned (SPEC W8). Never updated, never pruned.

CREATE TABLE batches (
  batch bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  cluster text NOT NULL,
  topic text NOT NULL,
  partition integer NOT NULL,
  learned_at timestamptz NOT NULL
);
COMMENT ON TABLE batches IS 'One row a transaction that took records of a partition.';
COMMENT ON COLUMN batches.learned_at IS 'When Tidemark learned what came with it: the time of the transaction (SPEC W8).';
CREATE INDEX batches_by_time ON batches (learned_at);

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
-- What an earlier moment knew of a contract is found from its links to its issues, from these to their worklogs, and
-- from each worklog to all its versions. Without the source, which says little and costs each row its length.
CREATE INDEX fact_log_links_to ON fact_log (contract_ref) WHERE kind = 'linked';
CREATE INDEX fact_log_by_issue ON fact_log (issue_id) WHERE kind <> 'deleted';
CREATE INDEX fact_log_by_worklog ON fact_log (worklog_id) WHERE kind <> 'linked';

CREATE TABLE contract_log (
  contract_id uuid NOT NULL,
  stream_version integer NOT NULL,
  batch bigint NOT NULL REFERENCES batches,
  code text NOT NULL,
  event jsonb NOT NULL,
  PRIMARY KEY (contract_id, stream_version)
);
COMMENT ON TABLE contract_log IS 'Every version of every contract, as learned.';
CREATE INDEX contract_log_by_code ON contract_log (code);
CREATE INDEX contract_log_by_batch ON contract_log (batch);

CREATE TABLE directory_log (
  entity_id uuid NOT NULL,
  version integer NOT NULL,
  batch bigint NOT NULL REFERENCES batches,
  type text NOT NULL,
  event jsonb NOT NULL,
  PRIMARY KEY (entity_id, version)
);
COMMENT ON TABLE directory_log IS 'Every version of every organization, team and rate card, as learned.';
CREATE INDEX directory_log_by_batch ON directory_log (batch);

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
CREATE INDEX worklogs_by_contract ON worklogs (contract_id, author_id, day);
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
  team_id uuid NOT NULL,
  first_day date NOT NULL,
  last_day date NOT NULL,
  PRIMARY KEY (person_id, team_id, first_day)
);
CREATE INDEX memberships_by_team ON memberships (team_id);

CREATE TABLE rate_cards (
  rate_card_id uuid PRIMARY KEY,
  version integer NOT NULL,
  deleted boolean NOT NULL,
  person_id text NOT NULL,
  team_id uuid,
  first_day date NOT NULL,
  currency text NOT NULL,
  workload_seconds integer NOT NULL,
  normal bigint NOT NULL,
  extra_time bigint NOT NULL,
  weekend bigint NOT NULL,
  holiday bigint NOT NULL
);
COMMENT ON TABLE rate_cards IS 'Minor units an hour, by kind of hour, from a day on; a card of a team before a general one.';
CREATE INDEX rate_cards_by_person ON rate_cards (person_id);

CREATE TABLE holidays (
  code text NOT NULL,
  day date NOT NULL,
  PRIMARY KEY (code, day)
);
COMMENT ON TABLE holidays IS 'The public holidays of the calendars that contracts name.';

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
  holidays text,
  currency text,
  currency_digits smallint,
  -- What is planned and consumed is held in units, exactly: seconds, or seconds times minor units an hour.
  per_shown smallint NOT NULL CHECK (per_shown IN (1, 3600)),
  contracted numeric,
  unused text NOT NULL,
  cap numeric,
  lapse_after integer,
  overrun text NOT NULL,
  settle_days integer NOT NULL,
  activated_at timestamptz,
  changed_at timestamptz NOT NULL
);
COMMENT ON COLUMN contracts.per_shown IS 'Units in one that is shown: 1 in a second; 3600 in a minor unit (fixed price).';
COMMENT ON COLUMN contracts.activated_at IS 'The first activation; null until then.';
COMMENT ON COLUMN contracts.status IS 'Null once a draft is discarded: the contract is unknown again.';
CREATE INDEX contracts_by_code ON contracts (code);

CREATE TABLE contract_refs (
  ref text PRIMARY KEY,
  contract_id uuid NOT NULL
);
COMMENT ON TABLE contract_refs IS 'What a link may call a contract: its id, or its code. Ids come before codes.';

CREATE TABLE accounts (
  contract_id uuid NOT NULL,
  account_id uuid NOT NULL,
  position smallint NOT NULL,
  name text NOT NULL,
  billable boolean NOT NULL,
  planned numeric,
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
  planned numeric,
  PRIMARY KEY (contract_id, account_id, team_id)
);
COMMENT ON TABLE account_teams IS 'The teams of an account: those of its slices or, where it has none, its own.';
CREATE INDEX account_teams_by_team ON account_teams (team_id);

CREATE TABLE periods (
  contract_id uuid NOT NULL,
  period_start date NOT NULL,
  period_end date NOT NULL,
  PRIMARY KEY (contract_id, period_start)
);
COMMENT ON TABLE periods IS 'They tile the days from start to end: a day in none of them is outside the contract.';

CREATE TABLE adjustments (
  contract_id uuid NOT NULL,
  account_id uuid NOT NULL,
  period_start date NOT NULL,
  planned numeric NOT NULL,
  PRIMARY KEY (contract_id, account_id, period_start)
);
COMMENT ON TABLE adjustments IS 'What the adjustments of an account in a period come to.';

CREATE TABLE ratings (
  source text NOT NULL,
  worklog_id text NOT NULL,
  contract_id uuid NOT NULL,
  account_id uuid NOT NULL,
  team_id uuid,
  period_start date NOT NULL,
  day date NOT NULL,
  author_id text NOT NULL,
  amount numeric NOT NULL,
  unrated_seconds bigint NOT NULL,
  PRIMARY KEY (source, worklog_id)
);
COMMENT ON TABLE ratings IS 'What each worklog of a fixed price consumes, and where it was rated: a person''s work of a '
'day in a contract is rated together.';
COMMENT ON COLUMN ratings.amount IS 'Seconds times minor units an hour, exactly.';
CREATE INDEX ratings_by_day ON ratings (contract_id, author_id, day);

-- The projections: sums over `worklogs`, moved by what changed. Keyed by contract.

CREATE TABLE shares (
  contract_id uuid NOT NULL,
  account_id uuid NOT NULL,
  team_id uuid,
  period_start date NOT NULL,
  seconds bigint NOT NULL,
  amount numeric NOT NULL,
  unrated_seconds bigint NOT NULL,
  worklogs bigint NOT NULL,
  UNIQUE NULLS NOT DISTINCT (contract_id, account_id, team_id, period_start)
);
COMMENT ON TABLE shares IS 'What counts, by account, team and period; only where there is work.';
COMMENT ON COLUMN shares.amount IS 'Fixed price: seconds times minor units an hour, exactly; else 0.';

CREATE TABLE days (
  contract_id uuid NOT NULL,
  account_id uuid NOT NULL,
  team_id uuid,
  period_start date NOT NULL,
  day date NOT NULL,
  seconds bigint NOT NULL,
  amount numeric NOT NULL,
  unrated_seconds bigint NOT NULL,
  worklogs bigint NOT NULL,
  UNIQUE NULLS NOT DISTINCT (contract_id, account_id, team_id, period_start, day)
);
COMMENT ON TABLE days IS 'What counts, by account, team and day of the work; only where there is work. The period is not '
'always that of the day: a fixed price counts by the day on which the issue was created.';

CREATE TABLE unaccounted (
  contract_id uuid NOT NULL,
  reason text NOT NULL,
  seconds bigint NOT NULL,
  worklogs bigint NOT NULL,
  PRIMARY KEY (contract_id, reason)
);
COMMENT ON TABLE unaccounted IS 'Work whose issue names the contract and that does not count; only where there is some.';

CREATE TABLE balances (
  contract_id uuid PRIMARY KEY,
  revision bigint NOT NULL DEFAULT (extract(EPOCH FROM now()) * 1000)::bigint,
  published bigint NOT NULL DEFAULT 0,
  day date NOT NULL,
  correlation_id text NOT NULL DEFAULT '',
  updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE balances IS 'The outbox of balances: a change only raises the revision, so a busy contract is published '
'once a round. Revisions start at the clock, so that a database filled anew is ahead of the one before it.';
COMMENT ON COLUMN balances.day IS 'The contract''s day on which it was last raised: the next day it is published anew, for the '
'period and the forecast are those of the day.';
CREATE INDEX balances_to_publish ON balances (contract_id) WHERE revision > published;

-- Periods that are closed for what is learned at a moment (SPEC 9): a change of their figures leaves a restatement.
CREATE FUNCTION closed_periods(moment timestamptz)
RETURNS TABLE (contract_id uuid, period_start date, period_end date, per_shown smallint)
LANGUAGE sql STABLE AS $$
  SELECT c.contract_id, p.period_start, p.period_end, c.per_shown
  FROM contracts AS c
  JOIN periods AS p USING (contract_id)
  WHERE c.status = 'CLOSED' OR (
    c.activated_at IS NOT NULL
    AND (moment AT TIME ZONE c.timezone)::date
      > greatest(p.period_end, (c.activated_at AT TIME ZONE c.timezone)::date) + c.settle_days
  )
$$;

CREATE TABLE restatements (
  restatement bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  contract_id uuid NOT NULL,
  account_id uuid NOT NULL,
  period_start date NOT NULL,
  period_end date NOT NULL,
  before_seconds bigint NOT NULL,
  after_seconds bigint NOT NULL,
  before_amount numeric,
  after_amount numeric,
  cause text NOT NULL,
  restated_at timestamptz NOT NULL
);
COMMENT ON TABLE restatements IS 'What changed of a period that was closed, in the order learned. Append-only.';
COMMENT ON COLUMN restatements.before_amount IS 'In units; null where it was no fixed price.';
CREATE INDEX restatements_by_contract ON restatements (contract_id);
