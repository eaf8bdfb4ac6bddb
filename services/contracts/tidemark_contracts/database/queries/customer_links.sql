-- name: add_customer_link(id, organization_id, issued_at, expires_at, password_hash, note, created_by)!
-- Changes nothing if the link exists, or its organization does not.
INSERT INTO customer_links (id, organization_id, issued_at, expires_at, password_hash, note, created_by)
SELECT :id, id, :issued_at, :expires_at, :password_hash, :note, :created_by
FROM directory
WHERE id = :organization_id AND kind = 'organization'
ON CONFLICT (id) DO NOTHING;

-- name: find_customer_link(id)^
SELECT * FROM customer_link_states WHERE id = :id;

-- name: list_customer_links(organization_id, before_time, before_id, max_rows)
-- The newest first.
SELECT *
FROM customer_link_states
WHERE (:organization_id::uuid IS NULL OR organization_id = :organization_id::uuid)
  AND (:before_time::timestamptz IS NULL OR (issued_at, id) < (:before_time::timestamptz, :before_id::uuid))
ORDER BY issued_at DESC, id DESC
LIMIT :max_rows;

-- name: count_password_attempt(id, now, window_start)$
-- The attempts since the first one that is younger than :window_start. The row is locked, so guesses wait in line.
UPDATE customer_links
SET attempts = CASE WHEN attempts_since > :window_start THEN attempts + 1 ELSE 1 END,
    attempts_since = CASE WHEN attempts_since > :window_start THEN attempts_since ELSE :now END
WHERE id = :id
RETURNING attempts;

-- name: use_customer_link(id, now)!
UPDATE customer_links SET last_used_at = :now, attempts = 0 WHERE id = :id;

-- name: revoke_customer_link(id, now, actor)$
-- The link's id; null if there is none. One that was revoked keeps who revoked it first.
UPDATE customer_links
SET revoked_at = coalesce(revoked_at, :now), revoked_by = coalesce(revoked_by, :actor)
WHERE id = :id
RETURNING id;

-- name: revoke_customer_links(organization_id, now, actor)$
-- The organization's id; null if there is none. Links that were revoked before keep who revoked them first.
WITH revocation AS (
  INSERT INTO customer_link_revocations AS stored (organization_id, revoked_at, revoked_by)
  SELECT id, :now, :actor
  FROM directory
  WHERE id = :organization_id AND kind = 'organization'
  ON CONFLICT (organization_id) DO UPDATE
    SET revoked_at = excluded.revoked_at, revoked_by = excluded.revoked_by
    WHERE stored.revoked_at < excluded.revoked_at
  RETURNING organization_id
), revoked AS (
  UPDATE customer_links AS link
  SET revoked_at = :now, revoked_by = :actor
  FROM revocation
  WHERE link.organization_id = revocation.organization_id AND link.revoked_at IS NULL
)
SELECT organization_id FROM revocation;
