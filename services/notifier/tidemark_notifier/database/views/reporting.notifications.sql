-- One row for each delivery: who was notified of what, and the result.
CREATE OR REPLACE VIEW reporting.notifications AS
SELECT
  notification.id, delivery.id AS delivery_id, notification.rule_id, notification.rule_name,
  notification.contract_id, notification.contract_code, notification.subject, notification.subject_id,
  notification.threshold, notification.period_start, notification.raised_at, delivery.channel, delivery.receiver,
  delivery.status, delivery.attempts, delivery.last_error, delivery.delivered_at, delivery.message_id,
  notification.offer_id
FROM notifications AS notification
JOIN deliveries AS delivery ON delivery.notification_id = notification.id;
COMMENT ON VIEW reporting.notifications IS 'One row for each delivery: who was notified of what, and the result.';
COMMENT ON COLUMN reporting.notifications.id IS 'Id of the notification; its deliveries share it.';
COMMENT ON COLUMN reporting.notifications.delivery_id IS
'Id of the delivery; a webhook has it as webhook-id.';
COMMENT ON COLUMN reporting.notifications.rule_id IS
'Id of the rule that fired, which may have been deleted since; null for the mails of offers.';
COMMENT ON COLUMN reporting.notifications.rule_name IS 'Name of the rule when it fired; null for the mails of offers.';
COMMENT ON COLUMN reporting.notifications.contract_id IS 'Id of the contract.';
COMMENT ON COLUMN reporting.notifications.contract_code IS 'Code of the contract.';
COMMENT ON COLUMN reporting.notifications.subject IS 'What was evaluated: contract, account or slice.';
COMMENT ON COLUMN reporting.notifications.subject_id IS
'Id of the contract or account; for a slice, ACCOUNT/TEAM.';
COMMENT ON COLUMN reporting.notifications.threshold IS
'The highest threshold reached, as written in the rule; null for triggers without thresholds.';
COMMENT ON COLUMN reporting.notifications.period_start IS
'First day of the evaluated period; null for the whole contract.';
COMMENT ON COLUMN reporting.notifications.raised_at IS 'When the threshold was found to be crossed.';
COMMENT ON COLUMN reporting.notifications.channel IS 'email or webhook.';
COMMENT ON COLUMN reporting.notifications.receiver IS
'Mail address or webhook URL; null where the receivers of the rule resolved to no address.';
COMMENT ON COLUMN reporting.notifications.status IS
'pending, delivered (accepted by the mail server or the webhook), failed (see last_error), no_receiver.';
COMMENT ON COLUMN reporting.notifications.attempts IS 'Number of attempts.';
COMMENT ON COLUMN reporting.notifications.last_error IS 'Why the last failed attempt failed; null if none did.';
COMMENT ON COLUMN reporting.notifications.delivered_at IS 'When the mail server or the webhook accepted it.';
COMMENT ON COLUMN reporting.notifications.message_id IS
'Id of the mail, with which its Message-ID begins. Deliveries of one mail share it: what was raised together.';
COMMENT ON COLUMN reporting.notifications.offer_id IS 'Id of the offer that a mail is about; null if a rule fired.';
