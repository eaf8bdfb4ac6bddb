-- name: list_schemas(schemas)
SELECT nspname AS schema FROM pg_namespace WHERE nspname = ANY(:schemas::text[]) ORDER BY nspname;

-- name: disconnect_others()!
-- Ends the other connections of this user to this database.
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid();
