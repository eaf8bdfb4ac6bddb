"""``python -m tidemark.documents``: what the code says of its public surface, as files in ``docs/``.

With ``--check`` it writes nothing and fails where a file is not what the code says (``make docs-check``).
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tidemark_consumption.app
import tidemark_contracts.app
import tidemark_notifier.app
from tidemark_shared.domain.violations import VIOLATION_CODES
from tidemark_shared.messaging.asyncapi import build_asyncapi_document
from tidemark_shared.messaging.topics import TOPICS
from tidemark_shared.settings import Settings

_DOCS = Path("docs")
_ABOUT_VIOLATIONS = """# Violations

Generated from the code (`make docs`). A refusal is a problem (RFC 9457) with status 422, and lists every violation at
once: a `code`, a `path` (a JSON Pointer into the body that was sent) and a sentence that says how to mend it. The
rules are those of the [specification](specification.md).
"""
_SERVICES = {
    "contracts": tidemark_contracts.app.create_app,
    "consumption": tidemark_consumption.app.create_app,
    "notifier": tidemark_notifier.app.create_app,
}


def generated() -> dict[str, str]:
    """Every generated file: its path below ``docs``, and what belongs in it."""
    # Nothing is connected to: the application is made, not run.
    settings = Settings(smtp_url="smtp://localhost")
    documents = {f"asyncapi/{topic.name}.json": build_asyncapi_document(topic) for topic in TOPICS}
    documents |= {f"openapi/{name}.json": create_app(settings).openapi() for name, create_app in _SERVICES.items()}
    return {path: _text(content) for path, content in documents.items()} | {"violations.md": _violations()}


def _violations() -> str:
    rows = [f"| `{code}` | {one.rule} | {one.when} | {one.example} |" for code, one in VIOLATION_CODES.items()]
    return "\n".join([_ABOUT_VIOLATIONS, "| code | rule | when | for example |", "|---|---|---|---|", *rows, ""])


def _text(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def write(docs: Path, files: Mapping[str, str]) -> list[Path]:
    """Write what is not as it should be, and remove what nothing generates any more; the paths touched."""
    touched = list(stale(docs, files))
    for path in touched:
        content = files.get(path.relative_to(docs).as_posix())
        if content is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
    return touched


def stale(docs: Path, files: Mapping[str, str]) -> Iterator[Path]:
    """The files that are missing, are not what the code says, or are left over."""
    for name, content in files.items():
        path = docs / name
        if not path.is_file() or path.read_text(encoding="utf-8") != content:
            yield path
    # What lies in ``docs`` itself is mostly written by hand.
    for folder in sorted({(docs / name).parent for name in files} - {docs}):
        for path in sorted(folder.glob("*")):
            if path.relative_to(docs).as_posix() not in files:
                yield path


def main(arguments: list[str] | None = None) -> int:
    """The command; its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tidemark.documents", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a file is stale")
    parser.add_argument("--docs", type=Path, default=_DOCS, help="the folder (%(default)s)")
    given = parser.parse_args(arguments)
    if not given.check:
        for path in write(given.docs, generated()):
            print(path)  # noqa: T201 - a command's output
        return 0
    found = list(stale(given.docs, generated()))
    for path in found:
        print(f"{path} is not what the code says. Run `make docs` and commit it.", file=sys.stderr)  # noqa: T201
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
