"""Statements that stay right when a table gets another column, and when a connection is used again."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Numbered migrations ran when the table had exactly their columns.
SOURCES = [
    path
    for folder in ("shared", "services", "src", "deploy")
    for pattern in ("*.sql", "*.py")
    for path in sorted((ROOT / folder).rglob(pattern))
    if "migrations" not in path.parts
]
INSERT = re.compile(r"\bINSERT (?:OR IGNORE )?INTO\s+[\w.%${}]+(?:\s+AS \w+)?\s*(\S)")


def test_every_insert_lists_its_columns() -> None:
    inserts = [(path.relative_to(ROOT), insert) for path in SOURCES for insert in INSERT.finditer(path.read_text())]
    assert len(inserts) > 50
    assert [(file, insert[0]) for file, insert in inserts if insert[1] != "("] == []


# A statement of its own, after a comment, a name, another statement, or at the start of a text of Python.
SESSION_CHANGE = (
    r"""(?:^|;|\*/|["'}]|\b(?:BEGIN|THEN|ELSE|LOOP)\b)\s*(?:SET\s+(?!LOCAL\b)|RESET\s|DISCARD\s|LOAD\s|(?:UN)?LISTEN\s|PREPARE\s"""
    r"""|DECLARE\s+\w+\s+(?:\w+\s+)*CURSOR\b)"""
    r"""|set_config\((?:[^()]|\([^()]*\))*,(?!\s*(?:TRUE|true)\s*\))[^,()]*\)|pg_(?:try_)?advisory_lock|\.add_listener\("""
)


def find_session_changes(text: str, *, is_sql: bool) -> list[str]:
    if is_sql:
        # Each query begins after its name.
        text = re.sub(r"--[^\n]*(?:\n\s*--[^\n]*)*", ";", text)
    return [change[0] for change in re.finditer(SESSION_CHANGE, text, re.IGNORECASE if is_sql else 0)]


@pytest.mark.parametrize(
    "text",
    [
        "SET work_mem = '1GB'", "-- name: f()\nSET search_path = x", "SELECT 1; RESET ALL", "LISTEN balances",
        "DECLARE c CURSOR WITH HOLD FOR SELECT 1", "SELECT set_config('jit', 'off', false)",
        "CREATE FUNCTION f() AS $$ BEGIN SET work_mem = '1GB'; END $$", "SELECT pg_try_advisory_lock(1)",
        "set search_path = x", "IF a THEN SET ROLE x", "/* a */ SET ROLE x", "DISCARD ALL",
        "SELECT set_config('search_path', quote_ident('x'), FALSE), set_config('a', 'on', TRUE)",
        "SELECT set_config('a', 'on', :is_local)",
    ],
)  # fmt: skip
def test_change_of_a_session_is_found(text: str) -> None:
    assert find_session_changes(text, is_sql=True)
    assert not find_session_changes(
        "-- name: f()\nUPDATE t\nSET a = 1; SET LOCAL jit = off; SELECT set_config('a', f('b'), TRUE)", is_sql=True
    )


def test_no_statement_changes_the_session_of_a_pool() -> None:
    """The next user of a connection finds it as it is: nothing resets it (``_Connection.get_reset_query``)."""
    changes = [
        (path.name, change)
        for path in SOURCES
        for change in find_session_changes(path.read_text(), is_sql=path.suffix == ".sql")
    ]
    # On a connection that only migrates.
    assert changes == [("__init__.py", "'SET ")]
