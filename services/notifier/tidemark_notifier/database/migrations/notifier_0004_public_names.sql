-- stored snapshots take the present names of their members

UPDATE notifications AS n SET
  snapshot = n.snapshot - 'occasion' || jsonb_build_object(
    'kind', n.snapshot -> 'occasion',
    'accounts', (
      SELECT coalesce(
        jsonb_agg(a.account - 'judged' || jsonb_build_object('evaluated', a.account -> 'judged') ORDER BY a.position),
        '[]'
      )
      FROM jsonb_array_elements(n.snapshot -> 'accounts') WITH ORDINALITY AS a (account, position)
    )
  )
WHERE n.snapshot ? 'occasion';
