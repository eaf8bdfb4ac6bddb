-- the tokens that were made, and which of them were revoked

CREATE TABLE tokens (
  id text PRIMARY KEY,
  name text,
  role text,
  created_at timestamptz,
  expires_at timestamptz,
  revoked_at timestamptz
);
COMMENT ON TABLE tokens IS 'Tokens of the HTTP API, the same at every service. A signed one that is not here is good.';
COMMENT ON COLUMN tokens.id IS 'The token''s own id, its claim jti.';
COMMENT ON COLUMN tokens.name IS 'Who uses it; null where it was revoked by an id that had not been registered.';
COMMENT ON COLUMN tokens.role IS 'What it may do; null as the name.';
COMMENT ON COLUMN tokens.created_at IS 'When it was made; null as the name.';
COMMENT ON COLUMN tokens.expires_at IS 'From when on it is refused; null if never.';
COMMENT ON COLUMN tokens.revoked_at IS 'When it was revoked; null if it was not.';
