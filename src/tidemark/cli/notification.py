"""``tidemark notification``: what was sent to whom, and sending again what failed."""

from collections.abc import Mapping
from itertools import islice
from typing import Annotated, Any, Literal

import typer

from tidemark.cli.connection import connect, print_details, print_result
from tidemark.cli.options import DEFAULT_DATA_DIR, AsCsv, AsJson, DataDir
from tidemark.cli.output import Column, build_table, print_records, print_table
from tidemark.cli.references import find_contract
from tidemark_client import TidemarkError

app = typer.Typer(help="Notifications: what was sent to whom.", no_args_is_help=True)

NotificationId = Annotated[str, typer.Argument(metavar="ID", help="The id, as `notification list` shows it.")]
_DELIVERY_COLUMNS = (
    Column("Receiver", lambda delivery: delivery["receiver"] or "nobody"),
    Column("Channel", "channel"),
    Column("Status", "status", wrap=False),
    Column("Attempts", "attempts", right=True),
    Column("Last error", "last_error"),
)


@app.command("list")
def list_(
    *,
    contract: Annotated[str | None, typer.Option(metavar="CODE", help="Of this contract.")] = None,
    status: Annotated[
        Literal["pending", "delivered", "failed", "no_receiver"] | None,
        typer.Option(case_sensitive=False, help="With a delivery of this status."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many.")] = 50,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """List notifications, newest first."""
    with connect(data_dir) as api:
        contract_id = contract and find_contract(api, contract).id
        notifications = list(islice(api.list("notifications", contract=contract_id, status=status), limit))
    columns = (
        Column("Raised (UTC)", _format_time, wrap=False),
        Column("Notification", _describe),
        Column("Delivery", _describe_deliveries),
    )
    print_records(notifications, columns, as_json=as_json, as_csv=as_csv)


@app.command()
def show(
    notification: NotificationId,
    *,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Show a notification and its deliveries."""
    with connect(data_dir) as api:
        entity = api.get(f"notifications/{notification}")
        if entity is None:
            raise TidemarkError(f"No notification with id {notification}. `tidemark notification list` shows them.")
    body = entity.body
    details = {
        "Contract": body["contract_code"],
        "Rule": body["rule_name"] or "None: it is about an offer",
        "Raised": f"{_format_time(body)} UTC",
        "Kind": body["snapshot"]["kind"],
        "Reason": body["snapshot"]["reason"],
        "Id": body["id"],
    }
    print_details(body, details, as_json=as_json, as_csv=as_csv)
    if not (as_json or as_csv):
        print_table(build_table(body["deliveries"], _DELIVERY_COLUMNS))


@app.command()
def resend(notification: NotificationId, *, as_json: AsJson = False, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Try the failed deliveries of a notification again."""
    with connect(data_dir) as api:
        entity = api.post(f"notifications/{notification}/resend", {})
    pending = sum(delivery["status"] == "pending" for delivery in entity.body["deliveries"])
    message = f"{pending} deliveries will be tried again. `tidemark notification show {entity.id}` shows the result."
    print_result(entity, message, as_json=as_json)


def _format_time(notification: Mapping[str, Any]) -> str:
    return str(notification["raised_at"])[:16].replace("T", " ")


def _describe(notification: Mapping[str, Any]) -> str:
    """The contract and the rule, the reason, and the id on a line of its own, where it can be copied."""
    kind = notification["snapshot"]["kind"]
    prefix = "" if kind in ("crossing", "offer") else f"{kind}: "
    title = f"{notification['contract_code']} · {notification['rule_name'] or 'Offer'}"
    return f"{title}\n{prefix}{notification['snapshot']['reason']}\n{notification['id']}"


def _describe_deliveries(notification: Mapping[str, Any]) -> str:
    statuses = [delivery["status"] for delivery in notification["deliveries"]]
    return "\n".join(f"{statuses.count(status)} {status.replace('_', ' ')}" for status in dict.fromkeys(statuses))
