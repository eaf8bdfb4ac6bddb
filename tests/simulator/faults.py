"""``make simulate ARGS=--faults``: plant each fault in a copy of the checkout, and show that the simulator finds it."""

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from mutants.__main__ import PACKAGES, copy_checkout

FAULTS = Path(__file__).with_name("faults.toml")
FAILED = 1


def load_faults():
    """The planted faults: a name, the file, the text and what replaces it, and how the simulator is run."""
    return tomllib.loads(FAULTS.read_text())["fault"]


def plant(names):
    """Report for each fault the seed that finds it. Returns 1 if one is not found, or none has the name."""
    faults = [fault for fault in load_faults() if not names or any(name in fault["name"] for name in names)]
    if not faults:
        print(f"No fault's name contains {' or '.join(names)}.")
        return 1
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        tree = copy_checkout(Path(folder))
        for fault in faults:
            path = tree / fault["file"]
            original = path.read_text()
            path.write_text(original.replace(fault["find"], fault["replace"]))
            result = simulate(tree, fault["arguments"].split())
            path.write_text(original)
            # A fault that only makes the code raise would prove nothing.
            found = re.search(
                "Seed [0-9]+ fails.*?enough(?=.*^(Difference|AssertionError):)", result.stdout, re.DOTALL | re.MULTILINE
            )
            missed += result.returncode != FAILED or not found
            print(f"{found[0] if found else 'MISSED':52} {fault['name']}", flush=True)
            if os.environ.get("TIDEMARK_SHOW_HISTORIES"):
                print(result.stdout[-3000:], result.stderr[-2000:])
    print(f"{len(faults) - missed} of {len(faults)} planted faults are found.")
    return 1 if missed else 0


def simulate(tree, arguments):
    """Run the simulator in a copy of the checkout."""
    paths = [*(tree / package for package in PACKAGES), tree / "tests"]
    return subprocess.run(
        [sys.executable, "-m", "simulator", *arguments],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))},
        check=False,
        capture_output=True,
        text=True,
    )
