-- the state of each tracker, webhooks that wait, and what was published of its issues and worklogs

CREATE TABLE sources (
  id text COLLATE "C" PRIMARY KEY,
  kind text NOT NULL,
  event_source text COLLATE "C" NOT NULL,
  cursor jsonb NOT NULL DEFAULT '{}',
  reconciled_at timestamptz,
  is_loaded boolean NOT NULL DEFAULT false,
  last_delivery_at timestamptz,
  deliveries_received bigint NOT NULL DEFAULT 0,
  deliveries_refused bigint NOT NULL DEFAULT 0,
  found_by_reconciling bigint NOT NULL DEFAULT 0,
  failure text,
  failed_at timestamptz
);
COMMENT ON TABLE sources IS 'One row for each tracker: how far it is read, and how reading goes.';
COMMENT ON COLUMN sources.cursor IS 'From where the next reading of changes goes on; its members depend on the kind.';
COMMENT ON COLUMN sources.is_loaded IS 'Whether a reading of changes has reached the end once.';
COMMENT ON COLUMN sources.found_by_reconciling IS 'Worklogs whose state no webhook had brought before.';

CREATE TABLE source_locks (
  source_id text COLLATE "C" PRIMARY KEY REFERENCES sources (id)
);
COMMENT ON TABLE source_locks IS 'The process that reads a source locks its row; webhooks update the source meanwhile.';

CREATE TABLE deliveries (
  source_id text COLLATE "C" NOT NULL REFERENCES sources (id),
  id text COLLATE "C" NOT NULL,
  body bytea NOT NULL,
  received_at timestamptz NOT NULL,
  processed_at timestamptz,
  PRIMARY KEY (source_id, id)
);
COMMENT ON TABLE deliveries IS 'Webhooks as they came, until they are processed; their ids are kept for 8 days.';
CREATE INDEX deliveries_waiting ON deliveries (source_id, received_at) WHERE processed_at IS NULL;
CREATE INDEX deliveries_processed ON deliveries (processed_at);

CREATE TABLE issues (
  source_id text COLLATE "C" NOT NULL REFERENCES sources (id),
  id text COLLATE "C" NOT NULL,
  key text,
  contract text,
  account text,
  digest bytea NOT NULL,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (source_id, id)
);
COMMENT ON TABLE issues IS 'Issues whose link was published, with the link.';

CREATE TABLE worklogs (
  source_id text COLLATE "C" NOT NULL REFERENCES sources (id),
  id text COLLATE "C" NOT NULL,
  issue_id text COLLATE "C" NOT NULL,
  started_at timestamptz,
  digest bytea,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (source_id, id)
);
COMMENT ON TABLE worklogs IS 'Worklogs that were published, each in its newest version.';
COMMENT ON COLUMN worklogs.digest IS 'Of the content that was published; null once the worklog is deleted.';
CREATE INDEX worklogs_started ON worklogs (source_id, started_at) WHERE digest IS NOT NULL;

CREATE TABLE skipped (
  source_id text COLLATE "C" NOT NULL REFERENCES sources (id),
  worklog_id text COLLATE "C" NOT NULL,
  reason text NOT NULL,
  detail text NOT NULL,
  seen_at timestamptz NOT NULL,
  PRIMARY KEY (source_id, worklog_id)
);
COMMENT ON TABLE skipped IS 'Worklogs that are not published, and why: running, invisible or invalid.';
