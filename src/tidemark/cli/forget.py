"""``tidemark forget``: a person becomes a pseudonym, everywhere (SPEC W8)."""

import time
from typing import Annotated, Any

import typer

from tidemark.cli.connection import connect
from tidemark.cli.options import DEFAULT_DATA_DIR, AsJson, DataDir
from tidemark.cli.output import print_json, print_line, show_wait
from tidemark.cli.references import TEAMS
from tidemark_client import Client, Json, TidemarkError
from tidemark_shared.messaging.topics import DIRECTORY

_READERS = ("consumption", "notifier")
_WAIT_SECONDS, _PAUSE_SECONDS = 120, 0.5


def forget(
    person: Annotated[str, typer.Argument(help="The person's id, as the source of worklogs has it.")],
    *,
    name: Annotated[
        list[str] | None, typer.Option(help="A name beside those that teams have for the person; can be repeated.")
    ] = None,
    email: Annotated[list[str] | None, typer.Option(help="A mail address beside those; can be repeated.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Replace a person by a pseudonym in every service: id, names, addresses, descriptions. It cannot be undone.

    The figures stay. Back up nothing that you do not want back: a backup from before has the person.
    """
    with connect(data_dir) as api:
        emails = _find_emails(api, person) | set(email or ())
        _require_no_receiver(api, emails)
        if not yes:
            typer.confirm(f"Forget {person} for ever?", abort=True, err=True)
        body = {"person_id": person, "names": name or [], "emails": email or []}
        forgotten = api.post("forgotten-people", body).body
        with show_wait("Waiting for the other services …"):
            waiting = _wait_for_readers(api)
    if as_json:
        print_json(forgotten)
    else:
        print_line(f"Forgotten. The pseudonym is {forgotten['pseudonym']}.")
    if waiting:
        print_line(f"{' and '.join(waiting)} will follow; the page /operations shows how far they are.", error=True)


def _find_emails(api: Client, person: str) -> set[str]:
    members = (member for team in api.list(TEAMS.path) for member in team["members"])
    return {member["email"] for member in members if member["person_id"] == person and member["email"]}


def _require_no_receiver(api: Client, emails: set[str]) -> None:
    """A rule that names an address would go on to write to nobody."""
    lowered = {email.lower() for email in emails}
    names = [rule["name"] for rule in api.list("rules") if lowered & set(map(str.lower, _addresses(rule)))]
    if names:
        raise TidemarkError(
            f"These rules send to the person: {', '.join(names)}. Name another receiver with `tidemark rule edit`."
        )


def _addresses(rule: Json) -> list[str]:
    return [receiver["email"] for receiver in rule["receivers"] if receiver.get("email")]


def _wait_for_readers(api: Client) -> list[str]:
    """Wait until the event is published and read. Returns the services that have not read it."""
    deadline = time.monotonic() + _WAIT_SECONDS
    waiting = ["contracts", *_READERS]
    published_at: str | None = None
    while waiting and time.monotonic() < deadline:
        statuses = {service: _load_status(api, service) for service in waiting}
        if "contracts" in statuses:
            if not any(queue["length"] for queue in statuses["contracts"]["queues"] if queue["name"] == "outbox"):
                waiting.remove("contracts")
                # What the readers say of Kafka counts from here on.
                published_at = max((_checked_at(statuses[service]) for service in _READERS), default="")
        else:
            waiting = [
                service
                for service in waiting
                if _lag(statuses[service]) != 0 or _checked_at(statuses[service]) <= (published_at or "")
            ]
        if waiting:
            time.sleep(_PAUSE_SECONDS)
    return waiting


def _load_status(api: Client, service: str) -> Json:
    entity = api.get(f"services/{service}/status")
    if entity is None:
        raise TidemarkError(f"The service {service} does not answer.")
    return dict(entity.body)


def _directory(status: Json) -> Any:
    return next((topic for topic in status["topics"] if topic["topic"].endswith(DIRECTORY.name)), None)


def _lag(status: Json) -> int | None:
    topic = _directory(status)
    return topic["lag"] if topic else None


def _checked_at(status: Json) -> str:
    topic = _directory(status)
    return (topic and topic["checked_at"]) or ""
