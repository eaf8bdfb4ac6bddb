-- name: share_frame()$
-- Held by whatever touches contracts, beside others that do: see change_frame.
SELECT pg_advisory_xact_lock_shared(hashtextextended(current_schema() || '.frame', 0));

-- name: change_frame()$
-- Rules and the directory are changed alone. Else a rule that is being made would not see a balance that is being
-- stored, nor the balance the rule, and the crossing would be told by neither.
SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '.frame', 0));

-- name: store_contracts(ids, versions, changes, terms)!
-- In the order of ids, so that two batches lock the rows in the same order. Of the changes of status those are added
-- that had not been heard of.
INSERT INTO contracts AS c (id, stream_version, changes, organization_id, terms)
SELECT n.id, n.stream_version, n.changes, (n.terms ->> 'organization_id')::uuid, n.terms
FROM unnest(:ids::uuid [], :versions::integer [], :changes::jsonb [], :terms::jsonb [])
  AS n (id, stream_version, changes, terms)
ORDER BY n.id
ON CONFLICT (id) DO UPDATE SET
  stream_version = excluded.stream_version,
  plan_version = CASE
    WHEN c.terms - '{name,description,owner,organization_id,settle_days}'::text []
      <> excluded.terms - '{name,description,owner,organization_id,settle_days}'::text []
      THEN excluded.stream_version
    ELSE c.plan_version
  END,
  changes = c.changes || (
    SELECT coalesce(jsonb_agg(n.change ORDER BY n.number), '[]')
    FROM jsonb_array_elements(excluded.changes) WITH ORDINALITY AS n (change, number)
    WHERE (n.change ->> 0)::integer > c.stream_version
  ),
  organization_id = excluded.organization_id,
  terms = excluded.terms
WHERE excluded.stream_version > c.stream_version;

-- name: store_balances(ids, revisions, versions, bodies)!
INSERT INTO contracts AS c (id, revision, balance_stream_version, balance)
SELECT n.id, n.revision, n.stream_version, n.body
FROM unnest(:ids::uuid [], :revisions::bigint [], :versions::integer [], :bodies::jsonb [])
  AS n (id, revision, stream_version, body)
ORDER BY n.id
ON CONFLICT (id) DO UPDATE SET
  revision = excluded.revision,
  balance_stream_version = excluded.balance_stream_version,
  balance = excluded.balance
WHERE excluded.revision > c.revision;

-- name: store_directory(ids, kinds, versions, bodies)!
INSERT INTO directory AS d (id, kind, version, body)
SELECT n.id, n.kind, n.version, n.body
FROM unnest(:ids::uuid [], :kinds::text [], :versions::integer [], :bodies::jsonb [])
  AS n (id, kind, version, body)
ORDER BY n.id
ON CONFLICT (id) DO UPDATE SET version = excluded.version, body = excluded.body
WHERE excluded.version > d.version;

-- name: sweep(scopes)!
-- Have the contracts of these scopes judged, of all contracts where one is null. Under change_frame: whoever sweeps
-- holds it shared, so that what waits has certainly not begun.
INSERT INTO sweeps (scope_id)
SELECT DISTINCT s.id FROM unnest(:scopes::uuid []) AS s (id)
WHERE s.id IS NULL OR exists(SELECT FROM contracts AS c WHERE s.id IN (c.id, c.organization_id))
ON CONFLICT DO NOTHING;

-- name: next_sweep()^
SELECT id, scope_id, after FROM sweeps ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED;

-- name: to_sweep(scope, after, most)
SELECT id FROM contracts
WHERE (:scope::uuid IS NULL OR :scope IN (id, organization_id))
  AND id > coalesce(:after, '00000000-0000-0000-0000-000000000000'::uuid)
ORDER BY id
LIMIT :most;

-- name: swept(id, after)!
UPDATE sweeps SET after = :after WHERE id = :id;

-- name: end_sweep(id)!
DELETE FROM sweeps WHERE id = :id;

-- name: due(now, most)
-- Those whose time has come, but for those that another instance has at hand.
SELECT id FROM contracts WHERE due_at <= :now
ORDER BY id
LIMIT :most
FOR UPDATE SKIP LOCKED;

-- name: lock_contracts(ids)
SELECT id FROM contracts WHERE id = ANY(:ids::uuid []) ORDER BY id FOR UPDATE;

-- name: known(ids)
-- What can be judged: the terms and the organization are known. The rest waits for what it lacks.
SELECT
  c.id, c.stream_version, c.plan_version, c.balance_stream_version, c.changes::text AS changes,
  c.terms::text AS terms, c.balance::text AS balance, c.skipped::text AS skipped, c.due_at,
  d.body::text AS organization
FROM contracts AS c
JOIN directory AS d ON d.id = c.organization_id
WHERE c.id = ANY(:ids::uuid [])
ORDER BY c.id;

-- name: teams(ids)
SELECT id, body::text AS body FROM directory
WHERE kind = 'team' AND id = ANY(:ids::uuid []) AND NOT (body ->> 'deleted')::boolean;

-- name: rules_for(ids)
-- The rules whose scope is global or one of these contracts and organizations.
SELECT id, version, body::text AS body FROM rules
WHERE scope = 'global' OR scope_id = ANY(:ids::uuid []);

-- name: told(ids)
SELECT
  contract_id, rule_name, trigger, subject, subject_id, period_start, threshold, episode, again, occasion, told_on,
  notification_id
FROM told WHERE contract_id = ANY(:ids::uuid []);

-- name: now()$
-- The time by the database, which all instances share.
SELECT clock_timestamp();

-- name: new_ids(count)
-- They sort by time.
SELECT uuidv7() AS id FROM generate_series(1, :count::integer);

-- name: tell(rows)
-- Count as told; gives what was not already.
INSERT INTO told SELECT * FROM jsonb_populate_recordset(NULL::told, :rows::jsonb)
ON CONFLICT DO NOTHING
RETURNING notification_id, threshold;

-- name: insert_notifications(rows)!
INSERT INTO notifications SELECT * FROM jsonb_populate_recordset(NULL::notifications, :rows::jsonb);

-- name: insert_deliveries(rows)!
INSERT INTO deliveries (notification_id, channel, addressee, status)
SELECT notification_id, channel, addressee, CASE WHEN addressee IS NULL THEN 'no_receiver' ELSE 'pending' END
FROM jsonb_to_recordset(:rows::jsonb) AS r (notification_id uuid, channel text, addressee jsonb);

-- name: set_judged(ids, changes, skipped, due)!
UPDATE contracts AS c SET changes = n.changes, skipped = n.skipped, due_at = n.due_at
FROM unnest(:ids::uuid [], :changes::jsonb [], :skipped::jsonb [], :due::timestamptz []) AS n (id, changes, skipped, due_at)
WHERE c.id = n.id;

-- name: contract_called(id, ref)$
-- Ids before codes (SPEC 9).
SELECT id FROM contracts
WHERE terms IS NOT NULL AND (id = :id::uuid OR terms ->> 'code' = :ref)
ORDER BY id = :id DESC NULLS LAST
LIMIT 1;
