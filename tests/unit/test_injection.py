"""Values from outside stay values: in SQL, in logs, and in files that other programs open."""

import ast
import io
import json
import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tidemark_shared import log

ROOT = Path(__file__).parents[2]
SOURCES = [path for folder in ("shared", "services", "src") for path in sorted((ROOT / folder).rglob("*.py"))]
HOSTILE = 'Acme"}\n{"level":"info"}\r\x1b[2J\x00\u2028\u2029\x85\u202e<script>'

# The start of a statement, as no other text begins.
STATEMENT = re.compile(
    r"\s*(SELECT|INSERT\s+INTO|UPDATE|DELETE\s+FROM|WITH|CREATE|ALTER|DROP|TRUNCATE|SET|LOCK|COPY|GRANT|REVOKE|BEGIN;|"
    r"DECLARE|TABLE|VALUES|MERGE\s+INTO|CALL|ANALYZE|VACUUM|REFRESH|COMMENT\s+ON|NOTIFY|LISTEN|EXPLAIN)\s"
)
# Every name of a schema, table or role in a statement is a constant; the password is one that the stack generates.
VALUES_OF_OURS = {
    "shared/tidemark_shared/database/__init__.py": {"service", "lock"},
    "src/tidemark/backup.py": {"schema", "', '.join(_OLD_MIGRATION_TABLES)"},
    "src/tidemark/query_types.py": {"source"},
    "src/tidemark/stack/postgres.py": {"_USER", "_DATABASE", "password"},
    "src/tidemark/stack/up.py": {"service", "password"},
}


def composed_statements() -> Iterator[tuple[str, str]]:
    """Each expression that is part of the text of an SQL statement, with its file."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.JoinedStr(values=[ast.Constant(value=str(start)), *_]):
                    parts = [ast.unparse(part.value) for part in node.values if isinstance(part, ast.FormattedValue)]
                case ast.BinOp(left=ast.Constant(value=str(start)), op=ast.Add() | ast.Mod()):
                    parts = [ast.unparse(node.right)]
                case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(start)), attr="format" | "join")):
                    parts = [ast.unparse(node)]
                case _:
                    continue
            if STATEMENT.match(start):
                yield from ((f"{path.relative_to(ROOT)}", part) for part in parts)


def test_statements_contain_only_values_of_ours() -> None:
    found: dict[str, set[str]] = {}
    for file, part in composed_statements():
        found.setdefault(file, set()).add(part)
    assert found == VALUES_OF_OURS


def test_sql_that_sql_composes_has_names_only() -> None:
    """Queries take values and execute no text. Functions execute a text only from ``format``, which quotes names."""
    files = [path for folder in ("shared", "services", "src") for path in sorted((ROOT / folder).rglob("*.sql"))]
    executing = [path for path in files if re.search(r"^\s*EXECUTE\s", path.read_text(), re.MULTILINE | re.IGNORECASE)]
    assert executing
    assert [path for path in executing if "queries" in path.parts] == []
    for path in executing:
        for following in re.findall(r"^\s*EXECUTE\s+(\S{,7})", path.read_text(), re.MULTILINE | re.IGNORECASE):
            assert following == "format(", path


def test_every_template_of_html_escapes() -> None:
    templates = [path for folder in ("services", "src") for path in (ROOT / folder).rglob("templates/*.html")]
    assert templates
    unescaped = re.compile(r"\|\s*safe\b|autoescape\s+false|\bMarkup\b")
    assert [path for path in (*templates, *SOURCES) if unescaped.search(path.read_text())] == []
    environments = [
        ast.unparse(node)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"Environment", "jinja2.Environment"}
    ]
    assert len(environments) == len({path.parent for path in templates})
    assert all(re.search(r"autoescape=(True|jinja2\.select_autoescape\(\['html'\]\))", text) for text in environments)


def test_csv_is_written_in_two_places() -> None:
    """A cell that begins with ``=`` is a formula to a spreadsheet. Both places prefix such cells."""
    writing = re.compile(r"csv\.(writer|DictWriter)|text/csv|\bFORMAT\s+csv\b|\bcopy_from_query\b", re.IGNORECASE)
    writing_files = [path for path in SOURCES if writing.search(path.read_text())]
    assert {path.relative_to(ROOT).as_posix() for path in writing_files} == {
        "services/web/tidemark_web/pages/report_files.py",
        "src/tidemark/cli/output.py",
    }


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    root, stream = logging.getLogger(), io.StringIO()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    monkeypatch.setattr(sys, "stderr", stream)
    before = structlog.get_config()
    log.configure("notifier", "INFO")
    yield stream
    structlog.configure(**before)
    structlog.contextvars.clear_contextvars()


def test_hostile_value_stays_in_one_line_of_the_log(written: io.StringIO) -> None:
    with log.bound_contextvars(correlation_id=HOSTILE):
        log.get_logger().info(HOSTILE, name=HOSTILE, names=[HOSTILE], **{HOSTILE: 1})
        logging.getLogger("a_library").error("A library says %s", HOSTILE)
        try:
            int(HOSTILE)
        except ValueError:
            log.get_logger().exception("failed")
    output = written.getvalue()
    assert output.isascii()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", output)
    entries = [json.loads(line) for line in output.splitlines()]
    assert [entry["level"] for entry in entries] == ["info", "error", "error"]
    assert entries[0]["name"] == entries[0]["event"] == entries[0]["correlation_id"] == HOSTILE
    assert HOSTILE in entries[1]["event"]
    assert "<script>" in entries[2]["exception"]
