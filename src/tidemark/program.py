"""The name of this program in messages."""

import re
import shlex
import shutil
import sys
from pathlib import Path

DEFAULT_DATA_DIR = Path(".tidemark")
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


def command_line(data_dir: Path, *words: str) -> str:
    """A command for the stack in ``data_dir``, as the shell in this folder takes it."""
    is_default = data_dir.absolute() == DEFAULT_DATA_DIR.absolute()
    return shlex.join([program_name(), *words, *([] if is_default else ["--data-dir", str(data_dir)])])


def complete_commands(message: str) -> str:
    """``message`` with :func:`program_name` in each command that it names in backticks."""
    name = program_name()
    return _COMMAND.sub(lambda _: f"`{name}", message)
