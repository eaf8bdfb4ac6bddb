-- name: load_revoked_at(id)$
SELECT revoked_at FROM tokens WHERE id = :id;

-- name: list_tokens()
SELECT id, name, role, created_at, expires_at, revoked_at FROM tokens;

-- name: upsert_tokens(tokens)!
-- A revoked token stays revoked.
INSERT INTO tokens AS stored (id, name, role, created_at, expires_at, revoked_at)
SELECT id, name, role, created_at, expires_at, revoked_at
FROM jsonb_populate_recordset(NULL::tokens, :tokens::jsonb)
ON CONFLICT (id) DO UPDATE SET revoked_at = coalesce(stored.revoked_at, excluded.revoked_at);
