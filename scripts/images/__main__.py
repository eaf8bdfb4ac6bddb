"""Build the images without Docker, and run them as ``docker-compose.yml`` says, through an upgrade.

``make images`` builds the five images of this checkout with Debian's buildah and podman, starts them in the order of
the Compose file, and loads the story of the demo. Kafka, Postgres and the mail sink run on the host, because their
images need a registry. Then the next release runs beside the first and replaces it, on the same data, while work is
logged. ``--from REVISION`` takes the first release from another commit.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex
from time import monotonic, sleep
from typing import Any

from build import PACKAGES, build_images, make_base, missing_programs, run
from compose import Service, load_services
from containers import Containers, network
from host import DATABASE_USERS, Host, running_host, tracker_entry

from tidemark.api import open_api
from tidemark.cli.output import SafeConsole
from tidemark.demo import acme, story
from tidemark.stack import ports
from tidemark_client import Client, contract_path
from tidemark_shared.http.tokens import issue_token
from tidemark_shared.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_SECONDS = 180
# The story's billable work, and what the tracker has.
STORY_SECONDS, TRACKER_MINUTES = 60 * 3600 + acme.LATE_WORK.minutes * 60, 30
INTAKE = f"""
[[source]]
id = "kimai"
kind = "kimai"
url = "http://tracker"
token = {{ env = "KIMAI_TOKEN" }}
first_day = "{datetime.now(UTC) - timedelta(days=30):%Y-%m-%d}"
reconcile_seconds = 10
rule = [{{ contract = "{acme.CODE}", account = "Help desk", match = {{ project = "*" }} }}]
"""


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="make images", description=__doc__)
    parser.add_argument("--from", dest="revision", help="the commit of the first release; by default this checkout")
    parser.add_argument("--build-only", action="store_true", help="run nothing")
    arguments = parser.parse_args()
    # Each line at once, also into a file.
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    if os.geteuid() or missing_programs():
        sys.exit(f"Run this as root, with these packages of Debian: apt-get install {PACKAGES}")
    with tempfile.TemporaryDirectory() as folder:
        passwords = {f"{user.upper()}_PASSWORD": token_hex(16) for user in ("postgres", *DATABASE_USERS)}
        secrets = {"TIDEMARK_SECRET": token_hex(32), "TIDEMARK_PORT": str(ports.find_free()), **passwords}
        # The story waits for the mail of a restatement.
        variables = os.environ | secrets | {"TIDEMARK_RESTATEMENT_QUIET_SECONDS": "2"}
        make_base()
        following = load_services((ROOT / "docker-compose.yml").read_text(), variables)
        build_images(following, ROOT, tag="next")
        if arguments.revision:
            source = _check_out(arguments.revision, Path(folder) / "first")
            first = load_services((source / "docker-compose.yml").read_text(), variables)
            build_images(first, source, tag="first")
        else:
            first = following
            for service in first:
                run(["podman", "tag", f"{service.image}:next", f"{service.image}:first"])
        if not arguments.build_only:
            asyncio.run(_run(Path(folder), first, following, secrets))


def _check_out(revision: str, folder: Path) -> Path:
    folder.mkdir()
    archive = folder / "source.tar"
    run(["git", "-C", ROOT, "archive", f"--output={archive}", revision])
    run(["tar", "--extract", "--file", archive, "--directory", folder])
    return folder


async def _run(folder: Path, first: list[Service], following: list[Service], secrets: dict[str, str]) -> None:
    project = folder / "project"
    project.mkdir()
    (project / "intake.toml").write_text(INTAKE)
    (project / "intake.env").write_text("KIMAI_TOKEN=none\n")
    entry = tracker_entry(datetime.now(UTC) - timedelta(days=acme.DAYS - 5), TRACKER_MINUTES)
    async with running_host(folder, secrets=secrets, entry=entry) as host:
        # In a thread: what passes the connections of the containers on must not wait for it.
        await asyncio.to_thread(_run_releases, project, first, following, _settings(host, secrets), host)


def _settings(host: Host, secrets: dict[str, str]) -> Settings:
    address = f"http://127.0.0.1:{secrets['TIDEMARK_PORT']}"
    now = datetime.now(UTC)
    return Settings(
        database_url=host.database_url, kafka_bootstrap_servers=host.kafka, api_url=address, public_url=address,
        secret=secrets["TIDEMARK_SECRET"],
        api_token=issue_token(secrets["TIDEMARK_SECRET"], "images", "admin", now=now, expires=now + timedelta(days=1)),
    )  # fmt: skip


def _run_releases(
    project: Path, first: list[Service], following: list[Service], settings: Settings, host: Host
) -> None:
    containers = Containers(project, following)
    with network(), open_api(settings) as api:
        try:
            _say("Starting the first release, as docker-compose.yml says")
            containers.start(first, "first")
            _check_ready(containers, first)
            now, console = datetime.now(UTC), SafeConsole(soft_wrap=True)
            asyncio.run(story.tell(api, settings, console, maildir=host.maildir, now=now))
            logged = STORY_SECONDS + TRACKER_MINUTES * 60
            _wait_for_figure(api, logged)
            mails = _wait_for_mails(api)

            _say("Starting the next release beside the first; work goes on")
            containers.start(following, "next", spare=True)
            logged = _log_an_hour(api, logged, "beside")
            _check_ready(containers, first)

            _say("Stopping the first release; the next takes its names")
            containers.stop(reversed(first), "first")
            containers.stop(reversed(following), "next", spare=True)
            containers.start([service for service in following if not service.ends], "next")
            _check_ready(containers, following)
            logged = _log_an_hour(api, logged, "after")
            if (again := _wait_for_mails(api)) != mails:
                sys.exit(f"The customer got {mails} mails before the upgrade, and {again} after it.")
            _verify(settings)

            _say("Stopping everything")
            containers.stop(reversed(following), "next")
            print("The images ran: started, story, upgraded side by side, verified, stopped.")  # noqa: T201
        finally:
            containers.remove()


def _log_an_hour(api: Client, logged: int, name: str) -> int:
    """Log one more hour through the API, and wait until it is counted."""
    now = datetime.now(UTC)
    data = {
        "worklog_id": name, "issue_id": "SUP-1", "author_id": "Sam", "seconds": 3600, "updated_at": now.isoformat(),
        "started_at": (now - timedelta(days=acme.DAYS - 6)).isoformat(),
    }  # fmt: skip
    event = {
        "specversion": "1.0",
        "id": f"images-{name}",
        "source": story.SOURCE,
        "type": "tidemark.worklog.recorded.v1",
    }
    api.post("worklogs", {**event, "data": data})
    _wait_for_figure(api, logged + 3600)
    return logged + 3600


def _wait_for_figure(api: Client, seconds: int) -> None:
    def consumed() -> int:
        balance = api.get(f"{contract_path(acme.CODE)}/balance")
        return int(balance.body["whole"]["consumed"]) if balance else 0

    _wait_for(consumed, lambda value: value == seconds)
    print(f"  {seconds / 3600:g} h are counted")  # noqa: T201


def _wait_for_mails(api: Client) -> int:
    """The number of mails to the customer before its month was settled; late work causes more, after a while."""

    def delivered() -> dict[str, set[str | None]]:
        """The rules of each mail."""
        mails: dict[str, set[str | None]] = {}
        for notification in api.list("notifications", contract=acme.CODE):
            for delivery in notification["deliveries"]:
                if delivery["receiver"] == acme.CUSTOMER_EMAIL and delivery["status"] == "delivered":
                    mails.setdefault(delivery["message_id"], set()).add(notification["rule_name"])
        return mails

    mails = _wait_for(delivered, lambda mails: any(acme.STATEMENT_RULE in rules for rules in mails.values()))
    return sum(acme.STATEMENT_RULE not in rules for rules in mails.values())


def _wait_for(read: Callable[[], Any], is_wanted: Callable[[Any], bool]) -> Any:
    deadline = monotonic() + TIMEOUT_SECONDS
    while not is_wanted(value := read()):
        if monotonic() > deadline:
            sys.exit(f"This was still so after {TIMEOUT_SECONDS} s: {value}")
        sleep(0.2)
    return value


def _check_ready(containers: Containers, services: list[Service]) -> None:
    answers = _wait_for(lambda: containers.ready(services), lambda ready: all(ready.values()))
    print(f"  /readyz: {', '.join(answers)} are ready")  # noqa: T201


def _verify(settings: Settings) -> None:
    environment = os.environ | {"TIDEMARK_DATABASE_URL": str(settings.database_url)}
    command = [str(Path(sys.executable).with_name("tidemark")), "verify"]
    if subprocess.run(command, env=environment, check=False).returncode:  # noqa: S603 - our own
        sys.exit("The figures differ from the facts.")


def _say(text: str) -> None:
    print(f"\n== {text}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
