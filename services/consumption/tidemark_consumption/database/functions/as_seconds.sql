-- Exact units as seconds; null for a fixed price.
CREATE OR REPLACE FUNCTION as_seconds(exact_units numeric, scale_divisor integer) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN scale_divisor = 1 THEN exact_units END;
