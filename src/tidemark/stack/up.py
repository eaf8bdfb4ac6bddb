"""``tidemark up``: the whole system on one machine, in the foreground."""

import asyncio
import os
import shlex
import signal
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import asyncpg
import httpx
from aiokafka.errors import KafkaError

from tidemark.stack import kafka, ports, postgres
from tidemark.stack.processes import Mark, Part, StackError, Supervisor, end, mark
from tidemark.stack.state import State, held
from tidemark_shared.database import migrate
from tidemark_shared.http.tokens import issue_token
from tidemark_shared.messaging.kafka import create_topics
from tidemark_shared.settings import Settings

SERVICES = ("contracts", "consumption", "notifier")
_LOOPBACK, _EVERYWHERE = "127.0.0.1", "0.0.0.0"  # noqa: S104 - compared with, never bound
_PATIENCE_SECONDS = 20
_DATABASE, _KAFKA, _SMTP = "TIDEMARK_DATABASE_URL", "TIDEMARK_KAFKA_BOOTSTRAP_SERVERS", "TIDEMARK_SMTP_URL"
_OWN_DATABASES = {service: f"TIDEMARK_{service.upper()}_DATABASE_URL" for service in SERVICES}


def up(data_dir: Path, port: int, *, demo: bool = False) -> None:
    """Run everything on ``data_dir``, with the pages on ``port``, until told to stop."""
    data_dir = data_dir.absolute()
    with held(data_dir):
        state = State.load(data_dir)
        end(list(state.parts.values()))
        if not ports.is_free(port, os.environ.get("TIDEMARK_HOST", _LOOPBACK)):
            raise StackError(f"Port {port} is taken; free it, or choose another by --port or TIDEMARK_PORT.")
        state.ports["web"] = port
        state.environment = _settle(state, data_dir, port)
        state.supervisor = mark(os.getpid())
        state.save()
        try:
            if _KAFKA in state.embedded:
                kafka.fetch()
            asyncio.run(_Stack(state, data_dir).run(demo=demo))
        finally:
            state.supervisor, state.parts = None, {}
            state.save()


def settings(environment: Mapping[str, str]) -> Settings:
    """Settings from named variables instead of this process's own."""
    return Settings(**{name.removeprefix("TIDEMARK_").lower(): value for name, value in environment.items()})  # type: ignore[arg-type]


def _settle(state: State, data_dir: Path, port: int) -> dict[str, str]:
    """What every part is told: a person's own settings, and for the rest the parts of this stack."""
    told = {
        name: value
        for name, value in os.environ.items()
        # Whoever exported what `tidemark env` printed asks for no other database than the stack's own.
        if name.startswith("TIDEMARK_") and value and value != state.embedded.get(name)
    }
    state.embedded = {}
    if _DATABASE not in told and not told.keys() >= set(_OWN_DATABASES.values()):
        state.embedded[_DATABASE] = postgres.url(state.port("postgres"), state.secret("postgres"))
    if _KAFKA not in told:
        state.embedded[_KAFKA] = kafka.bootstrap_servers(state.port("kafka"))
    if _SMTP not in told:
        state.embedded[_SMTP] = f"smtp://{_LOOPBACK}:{state.port('smtp')}"
        told["TIDEMARK_MAILDIR"] = str(data_dir / "maildir")
        told["TIDEMARK_INBOX_URL"] = f"http://{_LOOPBACK}:{state.port('inbox')}"
    told |= state.embedded
    if told.keys() & set(_OWN_DATABASES.values()):
        # Each service by its own name, and the common name for the one whose figures people ask for.
        told = {name: told[_DATABASE] for name in _OWN_DATABASES.values() if _DATABASE in told} | told
        told[_DATABASE] = told[_OWN_DATABASES["consumption"]]
    for service in SERVICES:
        told[f"TIDEMARK_{service.upper()}_URL"] = f"http://{_LOOPBACK}:{state.port(service)}"
    host = told.setdefault("TIDEMARK_HOST", _LOOPBACK)
    address = f"http://{_LOOPBACK if host == _EVERYWHERE else host}:{port}"
    told.setdefault("TIDEMARK_PUBLIC_URL", address)
    secret = told.setdefault("TIDEMARK_SECRET", state.secret("tokens"))
    told["TIDEMARK_PORT"] = str(port)
    told["TIDEMARK_API_URL"] = address
    told["TIDEMARK_API_TOKEN"] = issue_token(secret, "local", "admin", now=datetime.now(UTC))
    return told


class _Stack:
    """One life of the stack."""

    def __init__(self, state: State, data_dir: Path) -> None:
        self._state, self._data_dir = state, data_dir
        self._settings = settings(state.environment)
        # Two, for the services end before what they stand on.
        self._parts = Supervisor(data_dir / "logs", on_change=self._record, say=_say)
        self._services = Supervisor(data_dir / "logs", on_change=self._record, say=_say)
        self._http = httpx.AsyncClient(trust_env=False, timeout=5)

    async def run(self, *, demo: bool) -> None:
        """Start everything, keep it running until a signal comes, and end it."""
        told_to_stop = asyncio.Event()
        signals = {signal.SIGINT, signal.SIGTERM}
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under nohup
            signals.add(signal.SIGHUP)
        for one in signals:
            asyncio.get_running_loop().add_signal_handler(one, told_to_stop.set)
        start = asyncio.create_task(self._start(demo=demo))
        stop = asyncio.create_task(told_to_stop.wait())
        await asyncio.wait({start, stop}, return_when=asyncio.FIRST_COMPLETED)
        try:
            if start.done():
                await start
                await stop
        finally:
            _say("Stopping …")
            start.cancel()
            await asyncio.wait({start})
            await self._services.stop()
            await self._parts.stop()
            await self._http.aclose()

    def _record(self, marks: Mapping[str, Mark]) -> None:
        self._state.parts |= marks
        self._state.save()

    async def _start(self, *, demo: bool) -> None:
        _say(f"Starting Tidemark on {self._data_dir} …")
        try:
            async with asyncio.TaskGroup() as group:
                for part in (self._have_databases(), self._have_kafka(), self._have_mail()):
                    group.create_task(part)
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        await self._services.start(*map(self._service, (*SERVICES, "web")))
        self._tell_where()
        if demo:
            maildir = self._state.environment.get("TIDEMARK_MAILDIR")
            Thread(target=_tell_story, args=(self._settings, self._data_dir, maildir), daemon=True).start()

    async def _have_databases(self) -> None:
        state = self._state
        if _DATABASE in state.embedded:
            told = self._data_dir / "postgres", state.port("postgres"), state.secret("postgres")
            await self._parts.start(await asyncio.to_thread(postgres.prepare, *told))
        for service in SERVICES:
            try:
                await migrate(self._settings.service_database_url(service), service)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                raise StackError(
                    f"The database of {service} could not be set up ({error}); check {_DATABASE}."
                ) from error

    async def _have_kafka(self) -> None:
        state = self._state
        if _KAFKA in state.embedded:
            told = self._data_dir / "kafka", state.port("kafka"), state.port("controller")
            await self._parts.start(await asyncio.to_thread(kafka.prepare, *told))
        servers = state.environment[_KAFKA]
        try:
            await create_topics(servers, prefix=self._settings.topic_prefix, timeout_seconds=_PATIENCE_SECONDS)
        except (OSError, KafkaError) as error:
            raise StackError(f"Kafka at {servers} took no topics ({error}); check {_KAFKA}.") from error

    async def _have_mail(self) -> None:
        if _SMTP in self._state.embedded:
            await self._parts.start(self._mailbox())

    def _mailbox(self) -> Part:
        told, ports_ = self._state.environment, (str(self._state.port("smtp")), str(self._state.port("inbox")))
        options = ["--smtp-port", ports_[0], "--http-port", ports_[1], "--maildir", told["TIDEMARK_MAILDIR"]]
        command = [sys.executable, "-m", "tidemark.stack.mailbox", *options]
        return Part("mail", command, lambda: self._is_ready(told["TIDEMARK_INBOX_URL"]))

    def _service(self, name: str) -> Part:
        told = self._state.environment
        address = told["TIDEMARK_API_URL"]
        if name != "web":
            port = str(self._state.port(name))
            told, address = {**told, "TIDEMARK_HOST": _LOOPBACK, "TIDEMARK_PORT": port}, f"http://{_LOOPBACK}:{port}"
        return Part(name, [sys.executable, "-m", f"tidemark_{name}"], lambda: self._is_ready(address), environment=told)

    async def _is_ready(self, address: str) -> bool:
        try:
            answer = await self._http.get(f"{address}/readyz")
        except httpx.HTTPError:
            return False
        return answer.is_success

    def _tell_where(self) -> None:
        lines = ["ready", f"  Pages     {self._settings.public_url}"]
        if _SMTP in self._state.embedded:
            lines.append(f"  Mails     {self._settings.public_url}/inbox")
        lines += [
            f"  Settings  {shlex.join(['tidemark', 'env', '--data-dir', str(self._data_dir)])}",
            f"  Logs      {self._data_dir / 'logs'}",
            "Ctrl-C stops everything.",
        ]
        print("\n".join(lines), flush=True)  # noqa: T201


def _tell_story(settings: Settings, data_dir: Path, maildir: str | None) -> None:
    from tidemark import demo  # noqa: PLC0415 - only for those who want to hear it

    try:
        demo.tell(settings, data_dir, maildir=Path(maildir) if maildir else None)
    except Exception as error:  # noqa: BLE001 - what is a story to the rest
        _say(f"The story could not be told to its end ({error!r}); the next start with --demo goes on with it.")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201
