-- name: load_seconds(contract_code, period_start)^
SELECT consumed_seconds, available_seconds
FROM reporting.contract_periods
WHERE contract_code = :contract_code AND period_start = :period_start;

-- name: list_deliveries(contract_code, receiver)
-- The deliveries to a receiver for a contract, oldest first.
SELECT message_id, rule_name, offer_id, raised_at, status
FROM reporting.notifications
WHERE contract_code = :contract_code AND receiver = :receiver
ORDER BY raised_at;
