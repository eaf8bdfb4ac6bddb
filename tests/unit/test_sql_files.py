"""Statements that stay right when a table gets another column."""

import re
from pathlib import Path

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
