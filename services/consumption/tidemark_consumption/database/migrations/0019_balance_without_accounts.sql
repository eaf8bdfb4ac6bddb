-- a balance can be had without its accounts: the function of three parameters goes, the one of four serves its callers

DROP FUNCTION IF EXISTS balance(uuid, timestamptz, boolean);
