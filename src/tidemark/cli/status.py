"""``tidemark status``: a contract's figures in its current period."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from tidemark.cli.connection import connect
from tidemark.cli.figures import FIELDS, build_status, list_figures, load_figures
from tidemark.cli.options import DEFAULT_DATA_DIR, AsCsv, AsJson, DataDir
from tidemark.cli.output import print_records
from tidemark.cli.references import find_contract


def status(
    contract: Annotated[str, typer.Argument(help="The contract's code or id.")],
    *,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Show what is planned, available, consumed and left by account and team, and what does not count."""
    now = datetime.now(UTC)
    with connect(data_dir) as api:
        body = find_contract(api, contract).body
        figures = load_figures(api, body)
    table = build_status(body, figures, now)
    print_records(list_figures(figures, now), table, as_json=as_json, as_csv=as_csv, fields=FIELDS)
