-- Seconds as hours with four decimals.
CREATE OR REPLACE FUNCTION hours(seconds numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN round(seconds / 3600, 4);
