"""``python -m tidemark.documents``: generate the documents of the public API and the client's code from the code.

With ``--check`` it writes nothing, and fails if a document is out of date (``make docs-check``).
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer
from typer.cli import get_docs_for_click

import tidemark_consumption.app
import tidemark_contracts.app
import tidemark_intake.app
import tidemark_notifier.app
import tidemark_web.app
from tidemark import cli
from tidemark.client_code import generate_client
from tidemark_shared import metrics
from tidemark_shared.domain.violations import VIOLATION_CODES
from tidemark_shared.messaging.asyncapi import build_asyncapi_document
from tidemark_shared.messaging.topics import TOPICS
from tidemark_shared.settings import MIN_SECRET_BYTES, Settings
from tidemark_web.documents import merge_documents

_DOCS = Path("docs")
_CLIENT = Path("clients/python/tidemark_client/generated")
_VIOLATIONS_INTRODUCTION = """# Violations

Generated from the code (`make docs`). An invalid request gets a problem (RFC 9457) with status 422. It lists every
violation at once: a `code`, a `path` (a JSON Pointer into the body that was sent) and a message that says how to
correct it. The rules are those of the [specification](specification.md).
"""
_COMMANDS_INTRODUCTION = """
Generated from the code (`make docs`); `tidemark COMMAND --help` prints the same.

Names stand wherever the HTTP API takes ids: a contract's code, the name of an organization, team, account or rule, the
id of a person in the time tracker for a rate card. Where a name repeats, lists show the id below it, and commands ask
for the id.

`--json` prints JSON for programs; `--csv` prints a list for spreadsheets. Tables fit 80 columns. Messages of errors go
to standard error. The exit status is

- 0 if the command has done what it says;
- 1 if it was refused or failed, if `verify` found a difference, or if what `check` asks would not count or go over: the
  message says what to do;
- 2 if the command itself is written wrongly: an unknown option, a missing argument, a value that is not possible.

Commands find a stack that runs in the current folder (`.tidemark`), or in `--data-dir`. Variables such as
`TIDEMARK_API_URL` and `TIDEMARK_API_TOKEN` come first.
"""
_METRICS_INTRODUCTION = """# Metrics

Generated from the code (`make docs`). Every process shows its metrics at `/metrics`, as text for Prometheus or as
OpenMetrics; [operations.md](operations.md#metrics) says how to read and what to watch. A name ends with its unit, in
base units; a counter ends with `_total` in addition, and a histogram has `_bucket`, `_sum` and `_count`. Labels have
few values: never an id, an address or a text that somebody sent. `process_…` and `python_…` are those of every program
in Python.
"""
# By the module that declares a metric: the first that fits.
_METRICS_OF = {
    "tidemark_shared.messaging": "Services",
    "tidemark_shared.http.operations": "Services",
    "tidemark_shared": "Every process",
    tidemark_consumption.app.__package__: "Consumption",
    tidemark_notifier.app.__package__: "Notifier",
    tidemark_intake.app.__package__: "Intake",
    tidemark_web.app.__package__: "Web",
}
_SERVICES = {
    "contracts": tidemark_contracts.app.create_app,
    "consumption": tidemark_consumption.app.create_app,
    "notifier": tidemark_notifier.app.create_app,
}


def generate() -> dict[str, str]:
    """Every generated document: its path in ``docs``, and its content."""
    # The applications are created but not run, so they connect to nothing.
    settings = Settings(smtp_url="smtp://localhost", secret="0" * MIN_SECRET_BYTES)
    documents = {f"asyncapi/{topic.name}.json": build_asyncapi_document(topic) for topic in TOPICS}
    services = {name: create_app(settings).openapi() for name, create_app in _SERVICES.items()}
    documents |= {f"openapi/{name}.json": document for name, document in services.items()}
    documents["openapi/tidemark.json"] = merge_documents(services)
    pages = {"violations.md": _violations_page(), "cli.md": _command_line_page(), "metrics.md": _metrics_page()}
    return {path: _to_json(content) for path, content in documents.items()} | pages


def generate_client_code() -> dict[str, str]:
    """The generated modules of the Python client, by file name."""
    return generate_client(json.loads(generate()["openapi/tidemark.json"]))


def _violations_page() -> str:
    rows = [f"| `{code}` | {rule.rule} | {rule.when} | {rule.example} |" for code, rule in VIOLATION_CODES.items()]
    return "\n".join([_VIOLATIONS_INTRODUCTION, "| code | rule | when | example |", "|---|---|---|---|", *rows, ""])


def _metrics_page() -> str:
    sections: dict[str, list[str]] = {section: [] for section in ("Every process", *_METRICS_OF.values())}
    for family in sorted(metrics.FAMILIES.values()):
        section = next(section for module, section in _METRICS_OF.items() if family.module.startswith(module))
        labels = ", ".join(f"`{label}`" for label in family.labels)
        sections[section].append(f"| `{family.name}` | {family.kind} | {family.unit} | {labels} | {family.meaning} |")
    header = "\n| metric | kind | unit | labels | meaning |\n|---|---|---|---|---|\n"
    tables = (f"\n## {section}\n{header}" + "\n".join(rows) + "\n" for section, rows in sections.items() if rows)
    return _METRICS_INTRODUCTION + "".join(tables)


def _command_line_page() -> str:
    command = typer.main.get_command(cli.app)
    context = typer.Context(command, info_name="tidemark")
    heading, _, page = get_docs_for_click(obj=command, ctx=context, name="tidemark", title="Command line").partition(
        "\n"
    )
    return f"{heading}\n{_COMMANDS_INTRODUCTION}{page.rstrip()}\n"


def _to_json(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def write(docs: Path, files: Mapping[str, str]) -> list[Path]:
    """Write the documents that are out of date, and delete those that are no longer generated. Returns their paths."""
    changed = list(find_stale(docs, files))
    for path in changed:
        content = files.get(path.relative_to(docs).as_posix())
        if content is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
    return changed


def find_stale(docs: Path, files: Mapping[str, str]) -> Iterator[Path]:
    """The documents that are missing, out of date, or no longer generated."""
    for name, content in files.items():
        path = docs / name
        if not path.is_file() or path.read_text(encoding="utf-8") != content:
            yield path
    # Most files in ``docs`` itself are written by hand, so only its folders are searched.
    for folder in sorted({(docs / name).parent for name in files} - {docs}):
        for path in sorted(folder.glob("*")):
            if path.relative_to(docs).as_posix() not in files:
                yield path


def main(arguments: list[str] | None = None) -> int:
    """Run the command. Returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tidemark.documents", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a document is out of date")
    parser.add_argument("--docs", type=Path, default=_DOCS, help="the folder of the documents (%(default)s)")
    parser.add_argument("--client", type=Path, default=_CLIENT, help="the folder of the client's code (%(default)s)")
    options = parser.parse_args(arguments)
    documents, client = generate(), generate_client_code()
    if not options.check:
        for path in [*write(options.docs, documents), *write(options.client, client)]:
            print(path)  # noqa: T201 - a command's output
        return 0
    stale = [*find_stale(options.docs, documents), *find_stale(options.client, client)]
    for path in stale:
        print(f"{path} is out of date. Run `make docs` and commit it.", file=sys.stderr)  # noqa: T201
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
