"""Read the first sheet of a workbook, in a process of its own.

A small file can state a cell at the end of the sheet, and its reader then reserves memory for every cell before. When
that fails, the reader ends its process. So the process is another one, and its memory is limited.
"""

import json
import resource
import subprocess
import sys
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from io import BytesIO
from typing import Any

_MAX_MEMORY_BYTES = 4 << 30
_UNREADABLE = 3


class WorkbookError(Exception):
    """A workbook cannot be read; the text says why."""


def read_first_sheet(content: bytes) -> list[list[str]]:
    """The cells of the first sheet of an .xlsx or .ods file as texts. Raises :class:`WorkbookError`."""
    command = [sys.executable, "-m", "tidemark.importing.workbook"]
    done = subprocess.run(command, input=content, capture_output=True, check=False)  # noqa: S603 - no part is from outside
    if done.returncode == _UNREADABLE:
        raise WorkbookError(done.stderr.decode("utf-8", "replace").strip())
    if done.returncode:
        raise WorkbookError("its first sheet needs more than 4 GiB of memory, perhaps for a cell far from the others")
    rows: list[list[str]] = json.loads(done.stdout)
    return rows


def main() -> None:
    """Read a workbook from standard input; write its cells as JSON."""
    from python_calamine import CalamineError, CalamineWorkbook  # noqa: PLC0415 - for this process alone

    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY_BYTES, _MAX_MEMORY_BYTES))
    try:
        sheet = CalamineWorkbook.from_filelike(BytesIO(sys.stdin.buffer.read())).get_sheet_by_index(0)
        rows = sheet.to_python(skip_empty_area=False)
    except (CalamineError, ValueError, IndexError) as error:
        sys.stderr.write(str(error))
        raise SystemExit(_UNREADABLE) from None
    json.dump([[_format_cell(cell) for cell in row] for row in rows], sys.stdout)


def _format_cell(cell: Any) -> str:
    match cell:
        case datetime() | date() | time():
            return cell.isoformat()
        case timedelta():
            seconds = cell // timedelta(seconds=1)
            return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        case float() if cell.is_integer():
            return str(int(cell))
        case bool():
            return "true" if cell else "false"
        case _:
            return str(cell)


if __name__ == "__main__":
    main()
