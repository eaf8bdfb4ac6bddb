-- depends:
CREATE OR REPLACE FUNCTION contains_text(content text, pattern text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT strpos(casefold(content COLLATE pg_unicode_fast), casefold(pattern COLLATE pg_unicode_fast)) > 0
$$;
COMMENT ON FUNCTION contains_text IS 'Whether a text contains another; case is ignored in every script and locale.';
