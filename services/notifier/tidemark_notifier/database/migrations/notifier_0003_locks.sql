-- the lock of the configuration

CREATE TABLE configuration_lock ();
COMMENT ON TABLE configuration_lock IS 'No rows: a transaction that changes rules or the directory locks this table '
'exclusively, one that stores or evaluates contracts in share mode.';
