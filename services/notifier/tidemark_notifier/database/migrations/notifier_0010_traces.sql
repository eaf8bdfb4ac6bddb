-- the trace that a notification belongs to, for the span of its delivery

ALTER TABLE notifications ADD COLUMN traceparent text;
COMMENT ON COLUMN notifications.traceparent IS
'The span that raised it (W3C Trace Context); null where nothing is traced.';
