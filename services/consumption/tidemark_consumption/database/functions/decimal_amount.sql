-- Minor units as a decimal of the currency: 1050 minor units of EUR are 10.50.
CREATE OR REPLACE FUNCTION decimal_amount(amount_minor bigint, digits integer) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN round(amount_minor / power(10::numeric, digits), digits);
