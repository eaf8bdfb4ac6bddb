"""While a release replaces another, processes of both use one database: a migration takes nothing from the older one.

Migrations are held to the rules of `squawk` about that. What the last release no longer uses may go: with
`-- squawk-ignore RULE` above the statement, and the release since which it is unused.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
RULES = {
    "adding-required-field", "ban-drop-column", "ban-drop-table", "changing-column-type", "renaming-column",
    "renaming-object", "renaming-table",
}  # fmt: skip
# The last migration of each folder before this check.
EXEMPT = {
    "tidemark_shared": "shared_0010",
    "tidemark_contracts": "0004",
    "tidemark_consumption": "0017",
    "tidemark_notifier": "notifier_0007",
    "tidemark_intake": "intake_0002",
}
MIGRATIONS = [
    path
    for folder in sorted(ROOT.glob("s*/**/tidemark_*/database/migrations"))
    for path in sorted(folder.glob("*.sql"))
    if path.name[: len(EXEMPT[folder.parents[1].name])] > EXEMPT[folder.parents[1].name]
]


def violations(migration: str, folder: Path) -> set[str]:
    file = folder / "migration.sql"
    file.write_text(migration)
    command = [Path(sys.executable).with_name("squawk"), "--pg-version=18", "--reporter=json", file]
    output = subprocess.run(command, cwd=folder, capture_output=True, check=False, text=True).stdout
    return {found["rule_name"] for found in json.loads(output)} & RULES


def test_new_migrations_take_nothing_from_the_release_before(tmp_path: Path) -> None:
    found = {path.name: violations(path.read_text(), tmp_path) for path in MIGRATIONS}
    assert {name: rules for name, rules in found.items() if rules} == {}


@pytest.mark.parametrize(("statement", "rule"), [
    ("ALTER TABLE batches DROP COLUMN log;", "ban-drop-column"),
    ("ALTER TABLE batches RENAME COLUMN log TO topic;", "renaming-column"),
    ("ALTER TABLE batches RENAME TO appends;", "renaming-table"),
    ("DROP TABLE batches;", "ban-drop-table"),
    ("ALTER TABLE batches ADD COLUMN size bigint NOT NULL;", "adding-required-field"),
    ("ALTER TABLE batches ALTER COLUMN log TYPE bigint;", "changing-column-type"),
])  # fmt: skip
def test_what_breaks_the_release_before_is_found(tmp_path: Path, statement: str, rule: str) -> None:
    assert violations(f"{statement}\n", tmp_path) == {rule}
    # The step after, when nothing uses it any more.
    assert not violations(f"-- unused since v0.2.0\n-- squawk-ignore {rule}\n{statement}\n", tmp_path)
