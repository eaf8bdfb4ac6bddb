"""Run the whole system on one machine, in the foreground."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import asyncpg
import httpx
from aiokafka.errors import KafkaError

from tidemark.program import command_line
from tidemark.stack import kafka, ports, postgres
from tidemark.stack.processes import (
    Component,
    ProcessIdentity,
    StackError,
    Supervisor,
    identify_process,
    stop_orphans,
)
from tidemark.stack.state import State, lock_data_dir
from tidemark_intake.configuration import load_sources, secret_names
from tidemark_shared.database import migrate, open_connection
from tidemark_shared.http.tokens import issue_token
from tidemark_shared.messaging.kafka import create_topics, use_settings
from tidemark_shared.settings import Settings, require_setting
from tidemark_shared.tasks import cancel_tasks, run_together

SERVICES = ("contracts", "consumption", "notifier")
INTAKE = "intake"
"""Runs only where ``TIDEMARK_INTAKE_FILE`` names the trackers that it reads."""
ALL_SERVICES = (*SERVICES, INTAKE)
_LOOPBACK, _ALL_INTERFACES = "127.0.0.1", "0.0.0.0"  # noqa: S104 - only compared, never bound
_KAFKA_TIMEOUT_SECONDS = 20
_TOKEN_LIFETIME, _TOKEN_RENEWAL_SECONDS = timedelta(days=1), 3_600
_KAFKA_SECURITY = (
    "TIDEMARK_KAFKA_SECURITY_PROTOCOL", "TIDEMARK_KAFKA_SASL_MECHANISM", "TIDEMARK_KAFKA_USERNAME",
    "TIDEMARK_KAFKA_PASSWORD", "TIDEMARK_KAFKA_CA_FILE",
)  # fmt: skip
_DATABASE, _KAFKA, _SMTP = "TIDEMARK_DATABASE_URL", "TIDEMARK_KAFKA_BOOTSTRAP_SERVERS", "TIDEMARK_SMTP_URL"
_SERVICE_DATABASES = {service: f"TIDEMARK_{service.upper()}_DATABASE_URL" for service in SERVICES}
_INTAKE_DATABASE, _INTAKE_FILE = "TIDEMARK_INTAKE_DATABASE_URL", "TIDEMARK_INTAKE_FILE"
_EVERY_PROCESS = {
    "TIDEMARK_HOST", "TIDEMARK_PORT", "TIDEMARK_LOG_LEVEL", "TIDEMARK_OTLP_ENDPOINT", "TIDEMARK_SECRET",
}  # fmt: skip
_EVERY_SERVICE = _EVERY_PROCESS | {_KAFKA, *_KAFKA_SECURITY, "TIDEMARK_TOPIC_PREFIX"}
_OIDC = {
    f"TIDEMARK_OIDC_{name}" for name in ("ISSUER", "CLIENT_ID", "CLIENT_SECRET", "NAME_CLAIM", "ROLES_CLAIM", "ROLES")
}
USED_SETTINGS = {
    "contracts": _EVERY_SERVICE | {_SERVICE_DATABASES["contracts"], "TIDEMARK_PUBLIC_URL"},
    "consumption": _EVERY_SERVICE | {_SERVICE_DATABASES["consumption"]},
    "notifier": _EVERY_SERVICE | {
        _SERVICE_DATABASES["notifier"], _SMTP, "TIDEMARK_MAIL_FROM", "TIDEMARK_LOCALE", "TIDEMARK_WEBHOOK_ALLOW",
        "TIDEMARK_RESTATEMENT_QUIET_SECONDS",
        "TIDEMARK_PUBLIC_URL", "TIDEMARK_CONSUMPTION_URL", "TIDEMARK_WEB_URL",
    },
    INTAKE: _EVERY_SERVICE | {_INTAKE_DATABASE, _INTAKE_FILE},
    "web": _EVERY_PROCESS | {
        "TIDEMARK_CONTRACTS_URL", "TIDEMARK_CONSUMPTION_URL", "TIDEMARK_NOTIFIER_URL", "TIDEMARK_INTAKE_URL",
        "TIDEMARK_INBOX_URL",
        "TIDEMARK_PUBLIC_URL", "TIDEMARK_OPEN", "TIDEMARK_ALLOWED_HOSTS", *_OIDC,
    },
}  # fmt: skip
"""The variables that each process reads, in `tidemark up` as in deploy/."""


def run_stack(data_dir: Path, port: int, *, demo: bool = False) -> None:
    """Run everything with its data in ``data_dir`` and the pages on ``port``, until a signal stops it."""
    data_dir = data_dir.absolute()
    with lock_data_dir(data_dir):
        state = State.load(data_dir)
        stop_orphans(list(state.components.values()))
        if not ports.is_free(port, os.environ.get("TIDEMARK_HOST", _LOOPBACK)):
            raise StackError(f"Port {port} is taken. Free it, or choose another port with --port or TIDEMARK_PORT.")
        state.ports["web"] = port
        state.environment = resolve_environment(state, data_dir, port)
        state.supervisor = identify_process(os.getpid())
        state.save()
        try:
            if _KAFKA in state.embedded:
                kafka.fetch_jars()
            asyncio.run(_Stack(state, data_dir).run(demo=demo))
        finally:
            state.supervisor, state.components = None, {}
            state.save()


def settings_from(environment: Mapping[str, str]) -> Settings:
    """Settings from the given variables, and from the environment of this process."""
    return Settings(**{name.removeprefix("TIDEMARK_").lower(): value for name, value in environment.items()})  # type: ignore[arg-type]


def resolve_environment(state: State, data_dir: Path, port: int) -> dict[str, str]:
    """The environment of every component: the user's settings, and this stack's own for the others."""
    environment = {
        name: value
        for name, value in os.environ.items()
        # A value that `tidemark env` printed and the user exported means the embedded component.
        if name.startswith("TIDEMARK_") and value and value != state.embedded.get(name)
    }
    state.embedded = {}
    if _DATABASE not in environment and not environment.keys() >= set(_SERVICE_DATABASES.values()):
        state.embedded[_DATABASE] = postgres.url(state.port("postgres"), state.secret("postgres"))
    if _KAFKA not in environment:
        state.embedded[_KAFKA] = kafka.bootstrap_servers(state.port("kafka"))
    if _SMTP not in environment:
        state.embedded[_SMTP] = f"smtp://{_LOOPBACK}:{state.port('smtp')}"
        environment["TIDEMARK_MAILDIR"] = str(data_dir / "maildir")
        environment["TIDEMARK_INBOX_URL"] = f"http://{_LOOPBACK}:{state.port('inbox')}"
        # Nobody but this user reads these mails, and wants to see them come.
        environment.setdefault("TIDEMARK_RESTATEMENT_QUIET_SECONDS", "2")
    environment |= state.embedded
    if environment.keys() & set(_SERVICE_DATABASES.values()):
        # Each service gets its own variable. The common one names the database with the figures.
        defaults = {name: environment[_DATABASE] for name in _SERVICE_DATABASES.values() if _DATABASE in environment}
        environment = defaults | environment
        environment[_DATABASE] = environment[_SERVICE_DATABASES["consumption"]]
    for service in services_of(environment):
        environment[f"TIDEMARK_{service.upper()}_URL"] = f"http://{_LOOPBACK}:{state.port(service)}"
    host = environment.setdefault("TIDEMARK_HOST", _LOOPBACK)
    address = f"http://{_LOOPBACK if host == _ALL_INTERFACES else host}:{port}"
    environment.setdefault("TIDEMARK_PUBLIC_URL", address)
    environment.setdefault("TIDEMARK_SECRET", state.secret("tokens"))
    environment["TIDEMARK_PORT"] = str(port)
    environment["TIDEMARK_API_URL"] = environment["TIDEMARK_WEB_URL"] = address
    return with_new_token(environment, datetime.now(UTC))


def select_settings(environment: Mapping[str, str], process: str) -> dict[str, str]:
    """The variables that a process uses. A process that is broken into then gives away no more than these."""
    selected = {name: environment[name] for name in USED_SETTINGS[process] if name in environment}
    if process in ALL_SERVICES:
        name = f"TIDEMARK_{process.upper()}_DATABASE_URL"
        selected[name] = settings_from(environment).service_database_url(process)
    return selected


def services_of(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The services that run with these settings."""
    return ALL_SERVICES if environment.get(_INTAKE_FILE) else SERVICES


def with_new_token(environment: Mapping[str, str], now: datetime) -> dict[str, str]:
    """``environment`` with a new token of the local administrator. A copy of it is of no use after a day."""
    secret = require_setting(settings_from(environment).secret, "secret")
    token = issue_token(secret, "local", "admin", now=now, expires=now + _TOKEN_LIFETIME)
    return {**environment, "TIDEMARK_API_TOKEN": token}


class _Stack:
    """One run of the stack."""

    def __init__(self, state: State, data_dir: Path) -> None:
        self._state, self._data_dir = state, data_dir
        self._settings = settings_from(state.environment)
        use_settings(self._settings)
        # Two supervisors, because the services stop before the infrastructure that they use.
        self._infrastructure = Supervisor(data_dir / "logs", on_change=self._save_identities, report=_print_status)
        self._services = Supervisor(data_dir / "logs", on_change=self._save_identities, report=_print_status)
        self._http = httpx.AsyncClient(trust_env=False, timeout=5)

    async def run(self, *, demo: bool) -> None:
        """Start everything, keep it running until a signal arrives, and stop it."""
        stop_requested = asyncio.Event()
        signals = {signal.SIGINT, signal.SIGTERM}
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup ignores it
            signals.add(signal.SIGHUP)
        for stop_signal in signals:
            asyncio.get_running_loop().add_signal_handler(stop_signal, stop_requested.set)
        start = asyncio.create_task(self._start(demo=demo))
        renew_token = asyncio.create_task(self._renew_token())
        stop = asyncio.create_task(stop_requested.wait())
        await asyncio.wait({start, stop}, return_when=asyncio.FIRST_COMPLETED)
        try:
            if start.done():
                await start
                await stop
        finally:
            _print_status("Stopping …")
            await cancel_tasks([start, renew_token])
            await self._services.stop()
            await self._infrastructure.stop()
            await self._http.aclose()

    async def _renew_token(self) -> None:
        while True:
            await asyncio.sleep(_TOKEN_RENEWAL_SECONDS)
            self._state.environment = with_new_token(self._state.environment, datetime.now(UTC))
            self._state.save()

    def _save_identities(self, identities: Mapping[str, ProcessIdentity]) -> None:
        self._state.components |= identities
        self._state.save()

    async def _start(self, *, demo: bool) -> None:
        _print_status(f"Starting Tidemark on {self._data_dir} …")
        await run_together([self._start_databases(), self._start_kafka(), self._start_mail_sink()])
        _print_status("Starting the services …")
        await self._services.start(*map(self._service, (*services_of(self._state.environment), "web")))
        self._print_addresses()
        if demo:
            maildir = self._state.environment.get("TIDEMARK_MAILDIR")
            Thread(target=_run_demo, args=(self._settings, self._data_dir, maildir), daemon=True).start()

    async def _start_databases(self) -> None:
        state = self._state
        if _DATABASE in state.embedded:
            arguments = self._data_dir / "postgres", state.port("postgres"), state.secret("postgres")
            await self._infrastructure.start(await asyncio.to_thread(postgres.prepare, *arguments))
        for service in services_of(state.environment):
            _print_status(f"  {service}: creating or updating its tables …")
            try:
                await migrate(self._settings.service_database_url(service), service)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                raise StackError(
                    f"The database of {service} could not be set up ({error}). Check {_DATABASE}."
                ) from error
        for service in filter(self._is_embedded, services_of(state.environment)):
            async with open_connection(state.embedded[_DATABASE]) as connection:
                password = state.secret(f"postgres-{service}")
                await connection.execute(f"ALTER ROLE tidemark_{service} LOGIN PASSWORD '{password}'")
        state.save()

    def _is_embedded(self, service: str) -> bool:
        """Whether a service uses the embedded Postgres."""
        return self._settings.service_database_url(service) == self._state.embedded.get(_DATABASE)

    async def _start_kafka(self) -> None:
        state = self._state
        if _KAFKA in state.embedded:
            arguments = self._data_dir / "kafka", state.port("kafka"), state.port("controller")
            await self._infrastructure.start(await asyncio.to_thread(kafka.prepare, *arguments))
        servers = state.environment[_KAFKA]
        try:
            await create_topics(servers, prefix=self._settings.topic_prefix, timeout_seconds=_KAFKA_TIMEOUT_SECONDS)
        except (OSError, KafkaError) as error:
            raise StackError(f"Kafka at {servers} could not create the topics ({error}). Check {_KAFKA}.") from error

    async def _start_mail_sink(self) -> None:
        if _SMTP in self._state.embedded:
            await self._infrastructure.start(self._mail_sink())

    def _mail_sink(self) -> Component:
        environment = self._state.environment
        smtp_port, http_port = str(self._state.port("smtp")), str(self._state.port("inbox"))
        options = ["--smtp-port", smtp_port, "--http-port", http_port, "--maildir", environment["TIDEMARK_MAILDIR"]]
        command = [sys.executable, "-m", "tidemark.stack.mailbox", *options]
        return Component("mail", command, lambda: self._is_ready(environment["TIDEMARK_INBOX_URL"]))

    def _service(self, name: str) -> Component:
        environment = select_settings(self._state.environment, name)
        if name in ALL_SERVICES and self._is_embedded(name):
            # The owner of the database is for migrations and the command line.
            password, user = self._state.secret(f"postgres-{name}"), f"tidemark_{name}"
            url = postgres.url(self._state.port("postgres"), password, user)
            environment[f"TIDEMARK_{name.upper()}_DATABASE_URL"] = url
        if name == INTAKE:
            # The secrets of the trackers, whose variables have names of their own.
            names = secret_names(load_sources(environment.get(_INTAKE_FILE)))
            environment |= {name: os.environ[name] for name in names if name in os.environ}
        address = self._state.environment["TIDEMARK_API_URL"]
        if name != "web":
            port = str(self._state.port(name))
            environment |= {"TIDEMARK_HOST": _LOOPBACK, "TIDEMARK_PORT": port}
            address = f"http://{_LOOPBACK}:{port}"
        command = [sys.executable, "-m", f"tidemark_{name}"]
        return Component(name, command, lambda: self._is_ready(address), environment=environment)

    async def _is_ready(self, address: str) -> bool:
        try:
            response = await self._http.get(f"{address}/readyz")
        except httpx.HTTPError:
            return False
        return response.is_success

    def _print_addresses(self) -> None:
        lines = ["ready", f"  Pages     {self._settings.public_url}"]
        if not self._settings.open:
            # The token is only for the person at this terminal: a log must not have it. The fragment reaches no
            # server's log.
            token = self._state.environment["TIDEMARK_API_TOKEN"]
            lines.append(
                f"  Sign in   {self._settings.public_url}/sign-in#{token}"
                if sys.stdout.isatty()
                else f"  Sign in   with TIDEMARK_API_TOKEN of {command_line(self._data_dir, 'env')}"
            )
        if _SMTP in self._state.embedded:
            lines.append(f"  Mails     {self._settings.public_url}/inbox")
        lines += [
            f"  Settings  {command_line(self._data_dir, 'env')}",
            f"  Logs      {self._data_dir / 'logs'}",
            "Press Ctrl-C to stop everything.",
        ]
        print("\n".join(lines), flush=True)  # noqa: T201


def _run_demo(settings: Settings, data_dir: Path, maildir: str | None) -> None:
    from tidemark import demo  # noqa: PLC0415 - other starts do not need it

    try:
        demo.run(settings, data_dir, maildir=Path(maildir) if maildir else None)
    except Exception as error:  # noqa: BLE001 - a demo that fails must not stop the stack
        _print_status(f"The demo failed ({error!r}). The next start with --demo continues it.")


def _print_status(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201
