"""Statements that stay right when a table gets another column, and when a connection is used again."""

import ast
import re
from collections.abc import Iterator
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


STATEMENTS = {
    path: re.sub(r"--[^\n]*", "", path.read_text())
    for path in SOURCES
    if path.suffix == ".sql" and "deploy" not in path.parts
}
# Not the generated types: they would repeat what is misspelt.
CODE = {path: path.read_text() for path in SOURCES if path.suffix == ".py" and path.name != "query_types.py"}
SERVICES = sorted(path.name for path in (ROOT / "services").iterdir())
# A member that is read, the columns of a record that is read, and the members of an object that is built.
MEMBER = re.compile(r"(?:->>?|\?)\s*'(\w+)'")
RECORD = re.compile(r"_to_record(?:set)?\([^;]*?\)\s*(?:WITH ORDINALITY\s*)?(?:AS\s+)?\w+\s*\(([^)]*)\)")
OBJECT = re.compile(r"\bjsonb?_build_object\(([^;]*?)\)")


def find_names(tree: ast.AST) -> Iterator[str]:
    """The members of classes, the keys of dictionaries, and the other short texts of a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.keyword) and node.arg:
            yield node.arg


def find_json_keys(text: str) -> Iterator[str]:
    yield from MEMBER.findall(text)
    for columns in RECORD.findall(text):
        yield from (column.split()[0].strip('"') for column in columns.split(","))
    for members in OBJECT.findall(text):
        yield from re.findall(r"(?:^|,)\s*'(\w+)'\s*,", members)


def test_json_keys_of_statements_are_names_of_the_code() -> None:
    """A misspelt key is NULL without a word: no tool that prepares a statement sees it."""
    assert [*find_json_keys("a ->> 'code', json_to_recordset(b) AS c (name text, \"from\" date)")] == [
        "code", "name", "from",
    ]  # fmt: skip
    names = {name for text in CODE.values() for name in find_names(ast.parse(text))}
    keys = [(path.name, key) for path, text in STATEMENTS.items() for key in find_json_keys(text)]
    assert len(keys) > 200
    assert [(file, key) for file, key in keys if key not in names] == []


def test_no_statement_of_a_service_names_the_schema_of_another() -> None:
    foreign = [
        (path.name, name)
        for path, text in STATEMENTS.items()
        for service in SERVICES
        if f"services/{service}/" in path.as_posix()
        for name in re.findall(rf"\b(?:FROM|JOIN|INTO|UPDATE|TABLE|ON)\s+((?:{'|'.join(SERVICES)})\.\w+)", text)
        if not name.startswith(f"{service}.")
    ]
    assert foreign == []


def test_every_named_query_is_called() -> None:
    code = "\n".join(CODE.values())
    names = {
        name
        for path in STATEMENTS
        if path.parent.name == "queries"
        for name in re.findall(r"^-- name: (\w+)", path.read_text(), re.MULTILINE)
    }
    assert len(names) > 200
    assert {name for name in names if not re.search(rf"\.{name}(?:_cursor)?\b", code)} == set()


def test_queries_of_a_package_have_its_types() -> None:
    """``queries()`` returns ``Any``: only the annotation beside it makes mypy look."""
    calls = {call for text in CODE.values() for call in re.findall(r"^.*= queries\(\".*$", text, re.MULTILINE)}
    typed = re.compile(r"\w+: (\w+)Queries = queries\(\"tidemark(?:_(\w+))?\"")
    assert len(calls) >= len(SERVICES)
    assert [
        call for call in calls if not (match := typed.match(call)) or match[1].lower() != (match[2] or "commandline")
    ] == []


def test_rows_have_their_generated_types() -> None:
    """A misspelt column of a row that is ``Any`` is seen only when the code runs."""
    assert [path.name for path, text in CODE.items() if re.search(r"\brows?: (?:Sequence\[|list\[)?Any\b", text)] == []
