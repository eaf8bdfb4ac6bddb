"""Files of the import's tests, and what is read from them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from tidemark.importing.files import DEFAULT_MAX_SIZE
from tidemark.importing.identity import identify_rows
from tidemark.importing.mapping import Mapping, parse_mapping
from tidemark.importing.rows import RefusedRow, Row, parse_rows, row_templates
from tidemark.importing.run import open_mapped

NOW = datetime(2026, 6, 1, tzinfo=UTC)
MAPPING = """
source = "test"
timezone = "Europe/Berlin"
date_formats = ["%Y-%m-%d %H:%M", "%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y %I:%M %p", "iso", "unix", "unix_ms"]
account_by = ""
worklog = { author = "{Who}", started = "{Start}", duration = "{Time}", unit = "hours" }
issue = { id = "{Task}" }
contract = { code = "{Project}" }
"""
HOUR = 3600

TWO = "Who,Project,Task,Start,Time\nAnn,P,T,2026-03-02 09:00,1.5\nBea,P,T,2026-03-02 09:00,2\n"


def read(path: Path, mapping: Mapping, zones: dict[str, ZoneInfo] | None = None) -> tuple[list[Row], list[RefusedRow]]:
    with open_mapped(path, mapping, row_templates(mapping), DEFAULT_MAX_SIZE) as table:
        parsed = list(parse_rows(table.records, mapping, NOW, zones))
    return [row for row in parsed if isinstance(row, Row)], [row for row in parsed if isinstance(row, RefusedRow)]


def read_text(tmp_path: Path, content: bytes | str, mapping: str = MAPPING) -> tuple[list[Row], list[RefusedRow]]:
    path = tmp_path / "file"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read(path, parse_mapping(mapping))


def total(rows: Sequence[Row]) -> int:
    return sum(row.seconds for row in identify_rows(rows))
