"""The sample file of the README is read by its mapping, row for row."""

from datetime import UTC, datetime
from pathlib import Path

from tidemark.importing.mapping import load_mapping
from tidemark.importing.rows import Row, parse_rows, row_templates
from tidemark.importing.run import open_mapped

EXAMPLES = Path(__file__).parents[3] / "examples"


def test_every_row_of_the_sample_is_taken() -> None:
    mapping = load_mapping(EXAMPLES / "worklogs.toml")
    with open_mapped(EXAMPLES / "worklogs.csv", mapping, row_templates(mapping), max_size=10_000) as table:
        rows = list(parse_rows(table.records, mapping, datetime(2026, 4, 1, tzinfo=UTC)))
    assert len(rows) == 20
    taken = [row for row in rows if isinstance(row, Row)]
    assert taken == rows
    assert {row.contract: sum(other.seconds for other in taken if other.contract == row.contract) for row in taken} == {
        "BIRCH-WEB": int(58.5 * 3600), "CEDAR-SUP": 10 * 3600,
    }  # fmt: skip
