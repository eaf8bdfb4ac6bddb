-- One row for each notification rule. Secrets are left out: those of webhooks, and the paths of chats' URLs.
CREATE OR REPLACE VIEW reporting.rules AS
SELECT
  rule.id AS rule_id, rule.name AS rule_name, rule.version, (rule.body -> 'enabled')::boolean AS enabled, rule.scope,
  rule.scope_id,
  CASE rule.scope
    WHEN 'organization' THEN organization.body ->> 'name' WHEN 'contract' THEN contract.terms ->> 'code'
  END AS scope_name,
  rule.body -> 'trigger' ->> 'kind' AS trigger_kind, rule.body -> 'trigger' AS trigger, -- noqa: RF04
  ARRAY(SELECT jsonb_array_elements_text(rule.body -> 'channels')) AS channels,
  (
    SELECT jsonb_agg(
      receiver.body - 'secret' || CASE
        WHEN coalesce(receiver.body ->> 'format', 'standard') <> 'standard'
          THEN jsonb_build_object('url', substring(receiver.body ->> 'url' FROM '^[a-zA-Z]+://[^/?#]+') || '/********')
        ELSE '{}'
      END ORDER BY receiver.position
    )
    FROM jsonb_array_elements(rule.body -> 'receivers') WITH ORDINALITY AS receiver (body, position)
  ) AS receivers,
  (rule.body ->> 'remind_every_days')::integer AS remind_every_days,
  (rule.body -> 'notify_resolved')::boolean AS notify_resolved,
  rule.body ->> 'existing' AS existing, nullif(rule.body -> 'offer', 'null') AS offer
FROM rules AS rule
LEFT JOIN directory AS organization ON organization.id = rule.scope_id
LEFT JOIN contracts AS contract ON contract.id = rule.scope_id;
COMMENT ON VIEW reporting.rules IS 'One row for each notification rule, without the secrets of its webhooks.';
COMMENT ON COLUMN reporting.rules.rule_id IS 'Id of the rule.';
COMMENT ON COLUMN reporting.rules.rule_name IS
'Name of the rule. For a contract the narrowest rule of a name replaces the others, also where it is off.';
COMMENT ON COLUMN reporting.rules.version IS 'Version of the rule; grows with each change.';
COMMENT ON COLUMN reporting.rules.enabled IS 'Whether the rule is on.';
COMMENT ON COLUMN reporting.rules.scope IS 'global, organization or contract.';
COMMENT ON COLUMN reporting.rules.scope_id IS 'Id of that organization or contract; null for a global rule.';
COMMENT ON COLUMN reporting.rules.scope_name IS
'Name of the organization, or code of the contract; null for a global rule.';
COMMENT ON COLUMN reporting.rules.trigger_kind IS 'What fires it, such as consumed_percent.';
COMMENT ON COLUMN reporting.rules.trigger IS 'The trigger with its thresholds, as the API has it.';
COMMENT ON COLUMN reporting.rules.channels IS 'email, webhook.';
COMMENT ON COLUMN reporting.rules.receivers IS 'Who is notified, as the API has it; secrets are left out.';
COMMENT ON COLUMN reporting.rules.remind_every_days IS 'Days between reminders; null for no reminders.';
COMMENT ON COLUMN reporting.rules.notify_resolved IS 'Whether a resolution is notified.';
COMMENT ON COLUMN reporting.rules.existing IS
'notify or skip: what a new rule does about thresholds that were crossed before it.';
COMMENT ON COLUMN reporting.rules.offer IS 'What it offers with its notification, as the API has it; null for nothing.';
