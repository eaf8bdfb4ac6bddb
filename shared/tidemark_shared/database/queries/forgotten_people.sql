-- name: lock_forgotten_people_shared()!
-- Nobody is forgotten until the transaction ends.
LOCK TABLE forgotten_people IN ROW SHARE MODE;

-- name: limit_forgetting_wait()#
-- While it waits for the lock, others wait for it.
SET LOCAL lock_timeout = '5s';

-- name: lock_forgotten_people()!
-- Wait until no transaction writes texts that it has read before the person was forgotten.
LOCK TABLE forgotten_people IN EXCLUSIVE MODE;

-- name: forgotten_people()
SELECT id, version, key, person_digest, digests, forgotten_at, forgotten_by
FROM forgotten_people
ORDER BY forgotten_at, id;

-- name: save_forgotten_person(id, version, key, person_digest, digests, forgotten_at, forgotten_by)!
INSERT INTO forgotten_people AS person (id, version, key, person_digest, digests, forgotten_at, forgotten_by)
VALUES (:id, :version, :key, :person_digest, :digests, :forgotten_at, :forgotten_by)
ON CONFLICT (id) DO UPDATE SET version = excluded.version, digests = excluded.digests
WHERE excluded.version > person.version;

-- name: begin_rewriting()!
-- Lets the append-only tables be rewritten until the transaction ends.
SELECT set_config('tidemark.forgetting', 'on', TRUE), set_config('statement_timeout', '10min', TRUE);

-- name: rows_with_texts(texts)
SELECT relation, row_id, content
FROM rows_with_texts(:texts::text[]);

-- name: rewrite_row(relation, row_id, content)!
SELECT rewrite_row(:relation, :row_id, :content);
