"""Every planted fault of `make mutants` is in the code that it changes, and has a test."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
MUTANTS: list[dict[str, Any]] = tomllib.loads((ROOT / "tests/mutants/mutants.toml").read_text())["mutant"]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant["guard"])
def test_fault_is_in_the_code_once_and_has_a_test(mutant: dict[str, Any]) -> None:
    assert (ROOT / mutant["file"]).read_text().count(mutant["find"]) == 1
    paths = [part for part in mutant["tests"].split() if part.startswith("tests/")]
    assert paths
    assert all((ROOT / path).exists() for path in paths)
    # What selects nothing proves nothing.
    _, _, selection = mutant["tests"].partition(" -k ")
    source = "".join(file.read_text() for path in paths for file in list_files(ROOT / path.partition("::")[0]))
    assert [word for word in re.findall(r"\w+", selection) if word not in source] == []


def list_files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(path.rglob("test_*.py"))
