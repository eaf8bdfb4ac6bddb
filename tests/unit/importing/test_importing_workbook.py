"""Small files that are large tables, and long lines."""

from pathlib import Path

import pytest
import xlsxwriter

from tidemark.importing.files import FileError
from tidemark.importing.tables import open_table


def test_workbook_with_a_cell_at_the_end_of_the_sheet_is_refused(tmp_path: Path) -> None:
    """Given a file of few bytes that needs 512 GiB as a table, then it is refused: it ended the whole process."""
    path = tmp_path / "times.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        sheet.write_string(0, 0, "first")
        sheet.write_string(1_048_575, 16_383, "last")
    with pytest.raises(FileError, match="far from the others"), open_table(path) as table:
        next(table.records)


def test_long_line_at_the_beginning_is_no_error_of_the_detection(tmp_path: Path) -> None:
    """Given a file with many columns, a line of which is one field for another delimiter, then it is read."""
    path = tmp_path / "wide.csv"
    path.write_text(",".join(f"column {number}" for number in range(20_000)) + "\n" + ",".join("x" * 20_000) + "\n")
    with open_table(path) as table:
        assert [len(record.fields) for record in table.records] == [20_000, 20_000]
