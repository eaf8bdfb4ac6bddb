-- revisions follow the clock, so that they are ahead of those before a restore

ALTER TABLE balances ALTER COLUMN revision SET DEFAULT (extract(EPOCH FROM clock_timestamp()) * 1000000)::bigint;
COMMENT ON TABLE balances IS
'The outbox of balances. A change only increases the revision, so a busy contract is published once a round. A revision '
'is at least the time in microseconds, so that what a restored database publishes is ahead of what it published before.';
