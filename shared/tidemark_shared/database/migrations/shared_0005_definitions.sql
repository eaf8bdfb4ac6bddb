-- which version of the views and functions a schema has

CREATE TABLE definitions (
  package text PRIMARY KEY,
  digest bytea NOT NULL
);
COMMENT ON TABLE definitions IS
'The views and functions that were created last, so that a migration leaves them alone while they are the same.';
COMMENT ON COLUMN definitions.package IS 'The package that has them in database/views and database/functions.';
COMMENT ON COLUMN definitions.digest IS 'SHA-256 of its migrations, views and functions.';
