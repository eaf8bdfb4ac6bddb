-- One row for each offer, with its current state.
CREATE OR REPLACE VIEW reporting.offers AS
SELECT
  offer.id AS offer_id, offer.contract_id, state.contract_code, offer.account_id, state.account_name,
  offer.period_start, offer.status, (state.hours * 3600)::bigint AS seconds, state.hours, state.value_minor,
  state.currency, state.reason, state.price_minor, state.price_currency, state.note, offer.valid_until, state.made_by,
  offer.notification_id, state.requested_by ->> 'name' AS requested_by_name,
  state.requested_by ->> 'email' AS requested_by_email, state.answered_by ->> 'name' AS answered_by_name,
  state.answered_by ->> 'email' AS answered_by_email, state.remark, state.refusal, state.stream_version,
  offer.created_at, offer.updated_at
FROM offers AS offer
CROSS JOIN LATERAL jsonb_to_record(offer.body) AS state (
  contract_code text, account_name text, hours numeric, value_minor bigint, currency text, reason text,
  price_minor bigint, price_currency text, note text, made_by text, requested_by jsonb, answered_by jsonb, remark text,
  refusal text, stream_version integer
);
COMMENT ON VIEW reporting.offers IS
'One row for each offer: hours (or value) that a customer may accept for an account and period, and its state.';
COMMENT ON COLUMN reporting.offers.offer_id IS 'Id of the offer; ids grow with time.';
COMMENT ON COLUMN reporting.offers.contract_id IS 'Id of the contract.';
COMMENT ON COLUMN reporting.offers.contract_code IS 'Code of the contract, for people; never changes.';
COMMENT ON COLUMN reporting.offers.account_id IS 'Id of the account.';
COMMENT ON COLUMN reporting.offers.account_name IS 'Name of the account when the offer last changed.';
COMMENT ON COLUMN reporting.offers.period_start IS 'First day of the period.';
COMMENT ON COLUMN reporting.offers.status IS
'requested (by the customer, to be confirmed), open, accepted, declined, withdrawn or expired.';
COMMENT ON COLUMN reporting.offers.seconds IS 'What is offered, in seconds; null for a fixed price.';
COMMENT ON COLUMN reporting.offers.hours IS 'What is offered, in hours; null for a fixed price.';
COMMENT ON COLUMN reporting.offers.value_minor IS
'What is offered of a fixed price, in minor units; null for time and materials.';
COMMENT ON COLUMN reporting.offers.currency IS 'Currency of value_minor.';
COMMENT ON COLUMN reporting.offers.reason IS 'Why it is offered; the reason of the adjustment.';
COMMENT ON COLUMN reporting.offers.price_minor IS
'What it costs the customer, in minor units; null where no price is named.';
COMMENT ON COLUMN reporting.offers.price_currency IS 'Currency of price_minor.';
COMMENT ON COLUMN reporting.offers.note IS 'Note for the customer; null for none.';
COMMENT ON COLUMN reporting.offers.valid_until IS 'Until when it can be answered; null for a request.';
COMMENT ON COLUMN reporting.offers.made_by IS
'Name of the token, or the rule, that made or confirmed it; null for a request.';
COMMENT ON COLUMN reporting.offers.notification_id IS
'Notification whose rule made the offer (reporting.notifications); null for offers of people.';
COMMENT ON COLUMN reporting.offers.requested_by_name IS 'Who asked for it at the customer; null if nobody did.';
COMMENT ON COLUMN reporting.offers.requested_by_email IS
'Mail address of who asked for it; null where it is not known.';
COMMENT ON COLUMN reporting.offers.answered_by_name IS 'Who accepted or declined it; null without an answer.';
COMMENT ON COLUMN reporting.offers.answered_by_email IS 'Mail address of who answered; null where it is not known.';
COMMENT ON COLUMN reporting.offers.remark IS 'Said with the answer, or why it was withdrawn.';
COMMENT ON COLUMN reporting.offers.refusal IS
'Why it could not be accepted when that was last tried; null if that never failed, or it is accepted.';
COMMENT ON COLUMN reporting.offers.stream_version IS
'Version of the contract that has the accepted adjustment; null if it is not accepted.';
COMMENT ON COLUMN reporting.offers.created_at IS 'When it was requested or made.';
COMMENT ON COLUMN reporting.offers.updated_at IS 'When it last changed; of an answered offer, when it was answered.';
