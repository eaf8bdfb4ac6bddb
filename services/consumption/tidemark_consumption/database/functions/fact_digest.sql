-- The digest of a fact in the log. The fold reads it where two versions have the same time.
CREATE OR REPLACE FUNCTION fact_digest(of_batch bigint, of_offset bigint) RETURNS bytea
LANGUAGE sql STABLE
AS $$ SELECT digest FROM fact_log WHERE batch = of_batch AND record_offset = of_offset $$;
