-- the events of contracts, what they add up to, and the directory

CREATE TABLE events (
  contract_id uuid NOT NULL,
  version integer NOT NULL CHECK (version > 0),
  type text NOT NULL,
  data jsonb NOT NULL,
  actor text NOT NULL,
  reason text,
  occurred_at timestamptz NOT NULL,
  correlation_id text NOT NULL,
  -- Two who both read version n and append n + 1: the second is refused, and nothing is lost.
  PRIMARY KEY (contract_id, version)
);
COMMENT ON TABLE events IS 'The streams of all contracts: the truth that every other table here follows. Append-only.';

CREATE FUNCTION refuse_to_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'Events are never changed or removed: append one that corrects.';
END
$$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON events
FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_rewrite();

CREATE TABLE directory (
  id uuid PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('organization', 'team', 'rate_card')),
  version integer NOT NULL,
  name text COLLATE "C" NOT NULL,
  body jsonb NOT NULL,
  team_id uuid GENERATED ALWAYS AS ((body ->> 'team_id')::uuid) STORED CONSTRAINT named_by_card REFERENCES directory
);
CREATE INDEX directory_listed ON directory (kind, name, id);
CREATE INDEX directory_of_team ON directory (team_id);
CREATE UNIQUE INDEX card_is_unique ON directory (
  (body ->> 'person_id'), team_id, (body ->> 'currency'), (body ->> 'from')
) NULLS NOT DISTINCT WHERE kind = 'rate_card';
COMMENT ON TABLE directory IS 'Organizations and teams, which contracts refer to; rate cards.';
COMMENT ON COLUMN directory.name IS 'Lists go by it: a name, or the person and the first day of a rate card.';
COMMENT ON COLUMN directory.team_id IS 'The team of a rate card: it cannot be deleted.';

CREATE TABLE contracts (
  id uuid PRIMARY KEY,
  version integer NOT NULL,
  status text NOT NULL CHECK (status IN ('DRAFT', 'ACTIVE', 'EXPIRED', 'INACTIVE', 'CLOSED')),
  code text COLLATE "C" NOT NULL CONSTRAINT code_is_unique UNIQUE,
  name text NOT NULL,
  description text NOT NULL,
  owner_name text NOT NULL,
  owner_email text NOT NULL,
  organization_id uuid NOT NULL,
  start_date date NOT NULL,
  end_date date NOT NULL,
  ends_at timestamptz NOT NULL,
  renewed_from uuid,
  renewed_as uuid,
  body jsonb NOT NULL
);
CREATE INDEX contracts_ending ON contracts (ends_at) WHERE status = 'ACTIVE';
COMMENT ON TABLE contracts IS 'Where each stream stands, written with its events; a discarded draft has no row.';
COMMENT ON COLUMN contracts.ends_at IS 'The first instant after the end date, in the contract''s own time zone.';

CREATE TABLE contract_references (
  contract_id uuid NOT NULL REFERENCES contracts ON DELETE CASCADE,
  entity_id uuid NOT NULL CONSTRAINT referred_to REFERENCES directory,
  PRIMARY KEY (contract_id, entity_id)
);
CREATE INDEX contract_references_to ON contract_references (entity_id);
COMMENT ON TABLE contract_references IS 'The organization and the teams that a contract names: these cannot be deleted.';

CREATE FUNCTION holds(whole text, part text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT strpos(casefold(whole COLLATE pg_unicode_fast), casefold(part COLLATE pg_unicode_fast)) > 0
$$;
COMMENT ON FUNCTION holds IS 'Whether a text holds another, whatever the case in any script and database locale.';
