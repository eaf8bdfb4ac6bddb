"""The name of this program in messages."""

import re
import shutil
import sys
from pathlib import Path

_COMMAND = re.compile(r"`tidemark(?= )")


def program_name() -> str:
    """The program as a shell in this folder finds it: ``tidemark``, or a path such as ``.venv/bin/tidemark``."""
    path = Path(sys.argv[0]).absolute()
    if path.name != "tidemark":
        return "tidemark"
    on_path = shutil.which("tidemark")
    if on_path and Path(on_path).samefile(path):
        return "tidemark"
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def complete_commands(message: str) -> str:
    """``message`` with :func:`program_name` in each command that it names in backticks."""
    name = program_name()
    return _COMMAND.sub(lambda _: f"`{name}", message)
