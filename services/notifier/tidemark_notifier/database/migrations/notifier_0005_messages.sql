-- deliveries of one mail share a message; a new version of a contract waits for its balance

ALTER TABLE deliveries ADD COLUMN message_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000';
UPDATE deliveries SET message_id = id;
ALTER TABLE deliveries ALTER COLUMN message_id DROP DEFAULT;
CREATE INDEX deliveries_message ON deliveries (message_id);
COMMENT ON COLUMN deliveries.message_id IS
'The mail that contains this delivery: the id of its first delivery, whose lease is that of all. A mail contains what '
'one evaluation raised for one contract and receiver. A webhook has one delivery.';

ALTER TABLE contracts ADD COLUMN balance_awaited_until timestamptz;
COMMENT ON COLUMN contracts.balance_awaited_until IS
'Until then a balance for this stream version is awaited, and the contract is not evaluated without it; null if its '
'last change is older than this column.';
