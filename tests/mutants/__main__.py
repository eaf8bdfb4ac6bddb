"""``make mutants``: remove each guard from a copy of the tree, and check that a test fails.

Arguments select mutants by a part of their guard's name. Several run at once, because many a test waits for what no
longer happens. Each starts servers of its own, unless the environment names some (see ``tests/servers.py``).
"""

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import SimpleQueue

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ["shared", "src", *(f"services/{folder.name}" for folder in sorted((ROOT / "services").iterdir()))]
# Pytest's exit code when tests ran and some failed. Any other code, such as that of no tests, proves nothing.
TESTS_FAILED = 1
TIMEOUT_SECONDS = 300
WORKERS = 2 + (os.cpu_count() or 1)


def copy_checkout(tree: Path) -> Path:
    """Copy the tracked and new files of the checkout."""
    file_list = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"],  # noqa: S607
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, file_list.split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    return tree


def run_tests(tree: Path, tests: str) -> int | None:
    """The exit code of the tests in ``tree``; None if they did not end, which a person has to check."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(str(tree / package) for package in PACKAGES)}
    try:
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-x",
                "-q",
                "-p",
                "no:cacheprovider",
                "--hypothesis-profile=mutants",
                *tests.split(),
            ],
            cwd=tree,
            env=environment,
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=TIMEOUT_SECONDS,
        ).returncode
    except subprocess.TimeoutExpired:
        return None


def try_mutant(mutant: dict[str, str], trees: SimpleQueue[Path]) -> str | None:
    """Plant the fault in a tree that no other uses: None if a test fails, else what happened."""
    tree = trees.get()
    path = tree / mutant["file"]
    original = path.read_text()
    try:
        if (count := original.count(mutant["find"])) != 1:
            return f"STALE: `find` occurs {count} times in {mutant['file']}"
        path.write_text(original.replace(mutant["find"], mutant["replace"]))
        code = run_tests(tree, mutant["tests"])
        return None if code == TESTS_FAILED else f"SURVIVED ({code})"
    finally:
        path.write_text(original)
        trees.put(tree)


def main(guard_parts: list[str]) -> int:
    """Report for each mutant whether a test fails. Returns 1 if a mutant survived, or no guard has the name."""
    mutants = tomllib.loads((Path(__file__).parent / "mutants.toml").read_text())["mutant"]
    selected = [mutant for mutant in mutants if not guard_parts or any(part in mutant["guard"] for part in guard_parts)]
    if not selected:
        print(f"No guard's name contains {' or '.join(guard_parts)}.")
        return 1
    survived = 0
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(WORKERS) as pool:
        trees: SimpleQueue[Path] = SimpleQueue()
        for number in range(WORKERS):
            trees.put(copy_checkout(Path(folder) / str(number)))
        trials = {pool.submit(try_mutant, mutant, trees): mutant["guard"] for mutant in selected}
        for trial in as_completed(trials):
            survived += trial.result() is not None
            print(f"{trial.result() or 'failed':13} {trials[trial]}", flush=True)
    print(f"{len(selected) - survived} of {len(selected)} guards have a test that fails without them.")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
