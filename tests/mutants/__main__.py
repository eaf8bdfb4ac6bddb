"""``make mutants``: take each guard out of a copy of the tree, and demand that a test goes red.

Arguments choose mutants by a part of their guard's name.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ["shared", "src", *(f"services/{one.name}" for one in sorted((ROOT / "services").iterdir()))]
# Of pytest: tests ran and some failed. Anything else (nothing collected, an error of usage) proves nothing.
RED = 1
BOUND_SECONDS = 300


def copy_of(tree: Path) -> Path:
    """The tracked and new files of the checkout."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"],  # noqa: S607
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    return tree


def outcome(tree: Path, tests: str) -> int | None:
    """The exit code of the tests on ``tree``; None where they did not end, which a person has to look at."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(str(tree / one) for one in PACKAGES)}
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
            timeout=BOUND_SECONDS,
        ).returncode
    except subprocess.TimeoutExpired:
        return None


def main(wanted: list[str]) -> int:
    """Say of each mutant whether the tests noticed; 1 if one survived."""
    mutants = tomllib.loads((Path(__file__).parent / "mutants.toml").read_text())["mutant"]
    chosen = [one for one in mutants if not wanted or any(word in one["guard"] for word in wanted)]
    survived = 0
    with tempfile.TemporaryDirectory() as folder:
        tree = copy_of(Path(folder))
        for one in chosen:
            path = tree / one["file"]
            sound = path.read_text()
            if sound.count(one["find"]) != 1:
                print(f"STALE     {one['guard']}: `find` occurs {sound.count(one['find'])} times in {one['file']}")
                survived += 1
                continue
            path.write_text(sound.replace(one["find"], one["replace"]))
            code = outcome(tree, one["tests"])
            path.write_text(sound)
            survived += code != RED
            print(f"{'red' if code == RED else f'SURVIVED ({code})':9} {one['guard']}", flush=True)
    print(f"{len(chosen) - survived} of {len(chosen)} guards have a test that is red without them.")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
