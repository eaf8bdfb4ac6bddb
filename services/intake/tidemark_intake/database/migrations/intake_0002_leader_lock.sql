-- one process reads all sources; a locked row kept Postgres from cleaning up
-- depends: intake_0001_sources

-- migrate: apply

DROP TABLE source_locks;
CREATE VIEW sources_lock AS SELECT;
COMMENT ON VIEW sources_lock IS 'No rows: the process that reads the sources holds a lock on this view.';

-- migrate: rollback

DROP VIEW sources_lock;
CREATE TABLE source_locks (
  source_id text COLLATE "C" PRIMARY KEY REFERENCES sources (id)
);
INSERT INTO source_locks (source_id) SELECT id FROM sources;
COMMENT ON TABLE source_locks IS 'The process that reads a source locks its row; webhooks update the source meanwhile.';
