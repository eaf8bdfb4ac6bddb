-- The rows of all tables of this schema that have one of the texts in a column of text, JSON or bytes, with these
-- columns: {column: [type, value]}. The rows are locked. Case is ignored.
-- depends:
CREATE OR REPLACE FUNCTION rows_with_texts(texts text[]) RETURNS TABLE (relation text, row_id text, content jsonb)
LANGUAGE plpgsql
AS $$
DECLARE
  target record;
BEGIN
  FOR target IN
    SELECT
      class.oid::regclass AS relation, class.relname,
      string_agg(format('%L, jsonb_build_array(%L, item.%I)', col.attname, type.typname, col.attname), ', ') AS content,
      string_agg(
        format(CASE type.typname WHEN 'bytea' THEN 'encode(item.%I, ''escape'')' ELSE 'item.%I::text' END, col.attname), ', '
      ) AS searched
    FROM pg_class AS class
    JOIN pg_attribute AS col ON col.attrelid = class.oid AND col.attnum > 0 AND NOT col.attisdropped
    JOIN pg_type AS type ON type.oid = col.atttypid
    WHERE class.relnamespace = current_schema()::regnamespace AND class.relkind = 'r' AND col.attgenerated = ''
      AND type.typname IN ('text', '_text', 'jsonb', 'bytea')
    GROUP BY class.oid, class.relname
    ORDER BY class.relname
  LOOP
    RETURN QUERY EXECUTE format(
      'SELECT %L, item.ctid::text, jsonb_build_object(%s) FROM %s AS item
      WHERE EXISTS (
        SELECT FROM unnest($1) AS part (content)
        WHERE strpos(lower(concat_ws(E''\n'', %s) COLLATE pg_unicode_fast), part.content) > 0
      )
      FOR UPDATE',
      target.relname, target.content, target.relation, target.searched
    ) USING (
      SELECT array_agg(DISTINCT lower(form.content COLLATE pg_unicode_fast))
      FROM unnest(texts) AS part (content)
      -- Bytes are shown with escapes.
      CROSS JOIN LATERAL (VALUES (part.content), (encode(convert_to(part.content, 'UTF8'), 'escape'))) AS form (content)
    );
  END LOOP;
END
$$;
COMMENT ON FUNCTION rows_with_texts IS 'The rows of all tables of this schema that contain one of the texts.';
