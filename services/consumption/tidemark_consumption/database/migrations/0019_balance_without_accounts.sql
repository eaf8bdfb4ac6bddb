-- a balance can be had without its accounts: the function of three parameters goes, the one of four serves its callers
-- depends: 0018_traces

-- migrate: apply

DROP FUNCTION IF EXISTS balance(uuid, timestamptz, boolean);

-- migrate: rollback

DROP FUNCTION balance(uuid, timestamptz, boolean, boolean);
