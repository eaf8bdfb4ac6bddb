-- the trace that a notification belongs to, for the span of its delivery
-- depends: notifier_0009_saved_reports

-- migrate: apply

ALTER TABLE notifications ADD COLUMN traceparent text;
COMMENT ON COLUMN notifications.traceparent IS
'The span that raised it (W3C Trace Context); null where nothing is traced.';

-- migrate: rollback

ALTER TABLE notifications DROP COLUMN traceparent;
