-- name: revoked_at(id)$
SELECT revoked_at FROM tokens WHERE id = :id;

-- name: tokens()
SELECT id, name, role, created_at, expires_at, revoked_at FROM tokens;

-- name: upsert_tokens(tokens)!
-- What was revoked stays so.
INSERT INTO tokens AS t (id, name, role, created_at, expires_at, revoked_at)
SELECT id, name, role, created_at, expires_at, revoked_at
FROM jsonb_populate_recordset(NULL::tokens, :tokens::jsonb)
ON CONFLICT (id) DO UPDATE SET revoked_at = coalesce(t.revoked_at, excluded.revoked_at);
