-- one process reads all sources; a locked row kept Postgres from cleaning up

DROP TABLE source_locks;
CREATE VIEW sources_lock AS SELECT;
COMMENT ON VIEW sources_lock IS 'No rows: the process that reads the sources holds a lock on this view.';
