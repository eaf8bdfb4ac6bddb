"""Everything as processes of their own, two of each service that counts or notifies; faults are injected into them."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from uuid import uuid4

import asyncpg
import httpx
import psutil
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from api_tokens import SECRET, bearer
from kafka_client import admin_client
from mail_server import MailServer
from polling import wait_until
from proxy import Proxy

from tidemark.stack import kafka, ports, postgres
from tidemark.stack.processes import Component, StackError, Supervisor
from tidemark.stack.up import SERVICES
from tidemark_shared.database import migrate
from tidemark_shared.messaging.kafka import create_topics

PROCESSES = ("contracts", "consumption-1", "consumption-2", "notifier-1", "notifier-2", "web")
RECOVERY_SECONDS = 300
DISK_MEGABYTES = 400
RULE = {
    "name": "Hours used", "scope": {"kind": "global"},
    "trigger": {"kind": "consumed_percent", "of": "contract", "over": "whole", "at": ["25", "50", "80", "100"]},
    "receivers": [{"kind": "owner"}], "channels": ["email"],
}  # fmt: skip


class Disk:
    """The disk of Postgres: small and in memory, where this user may mount one."""

    def __init__(self, folder):
        self.folder, self.ballast = folder, folder / "ballast"
        folder.mkdir(mode=0o711)
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m,mode=711", "tmpfs", str(folder)]
        result = subprocess.run(command, check=False, capture_output=True, text=True)
        self.reason = result.stderr.strip() if result.returncode else None

    def fill(self):
        """Leave no room."""
        with contextlib.suppress(OSError), self.ballast.open("wb", buffering=0) as file:
            while file.write(b"\0" * 65_536):
                pass

    def free(self):
        self.ballast.unlink()

    def remove(self):
        if self.reason is None:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=False)  # noqa: S607


class System:
    """Postgres behind a proxy, Kafka, a mail server, and the services."""

    def __init__(self, folder, *, environment=None, brokers=1):
        self.folder, self.mail_server, self._broker_count = folder, MailServer(), brokers
        self._fake_environment = environment or {}
        self.disk = Disk(folder / "disk")
        self.infrastructure = Supervisor(folder / "logs", report=lambda _: None)
        self.services = Supervisor(folder / "logs", report=lambda _: None)

    async def start(self):
        port, password = ports.find_free(), uuid4().hex
        self.postgres_url, self.proxy = postgres.url(port, password), Proxy(port)
        component = await asyncio.to_thread(postgres.prepare, self.disk.folder / "data/postgres", port, password)
        component = replace(component, environment={**component.environment, **self._fake_environment})
        await self.infrastructure.start(component)
        await self.proxy.open()
        kafka.fetch_jars()
        nodes = [kafka.NodePorts(ports.find_free(), ports.find_free()) for _ in range(self._broker_count)]
        self.bootstrap_servers = kafka.bootstrap_servers(*(node.client for node in nodes))
        self.brokers = (
            [await asyncio.to_thread(kafka.prepare, self.folder / "kafka", *nodes[0])]
            if len(nodes) == 1
            else await asyncio.to_thread(kafka.prepare_cluster, self.folder, nodes)
        )
        await self.infrastructure.start(*self.brokers)
        await create_topics(self.bootstrap_servers, replication=len(nodes))
        for service in SERVICES:
            await migrate(self.postgres_url, service)
        await self.mail_server.start()
        addresses = {name: ports.find_free() for name in PROCESSES}
        self.http = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{addresses['web']}/v1", headers=bearer("admin"), trust_env=False, timeout=20
        )
        environment = {
            "TIDEMARK_DATABASE_URL": postgres.url(self.proxy.port, password),
            "TIDEMARK_KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "TIDEMARK_SMTP_URL": f"smtp://127.0.0.1:{self.mail_server.port}",
            "TIDEMARK_SECRET": SECRET,
            **{f"TIDEMARK_{name.upper()}_URL": f"http://127.0.0.1:{addresses[process]}" for name, process in (
                ("contracts", "contracts"), ("consumption", "consumption-1"), ("notifier", "notifier-1"))},
            **self._fake_environment,
        }  # fmt: skip
        self.components = {name: self._component(name, port, environment) for name, port in addresses.items()}
        await self.start_services()
        await self.request("POST", "/rules", RULE)

    async def start_services(self):
        """Start the services, and wait until each says that it makes progress, however busy the machine is."""
        with contextlib.suppress(StackError):
            await self.services.start(*self.components.values())
        await self.wait_until_ready()

    async def wait_until_ready(self):
        try:
            await wait_until(self._are_ready, timeout_seconds=RECOVERY_SECONDS)
        except TimeoutError:
            ports_by_name = {name: part.environment["TIDEMARK_PORT"] for name, part in self.components.items()}
            answers = [await self.http.get(f"http://127.0.0.1:{port}/readyz") for port in ports_by_name.values()]
            raise AssertionError([answer.text for answer in answers]) from None

    def _component(self, name, port, environment):
        command = [sys.executable, "-m", f"tidemark_{name.partition('-')[0]}"]
        settings = {**environment, "TIDEMARK_PORT": str(port)}
        return Component(name, command, lambda: self._is_ready(port), environment=settings)

    async def _is_ready(self, port):
        try:
            response = await self.http.get(f"http://127.0.0.1:{port}/readyz")
        except httpx.HTTPError:
            return False
        return response.is_success

    async def stop(self):
        self.resume_all()
        await self.services.stop()
        await self.infrastructure.stop()
        with contextlib.suppress(AttributeError):
            await self.http.aclose()
            await self.mail_server.stop()
            await self.proxy.close()
        self.disk.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    async def accept_the_future(self):
        """Let Kafka, whose clock is not faked, take records whose time is yet to come."""
        after = {"message.timestamp.after.max.ms": str(2**62)}
        async with admin_client(self.bootstrap_servers) as admin:
            names = [name for name in await admin.list_topics() if not name.startswith("__")]
            await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs=after) for name in names])

    # What people and tests ask

    async def request(self, method, path, body, **headers):
        """Send a request until it is answered, the same one each time."""
        headers["idempotency-key"] = uuid4().hex
        response = None

        async def is_answered():
            nonlocal response
            try:
                response = await self.http.request(method, path, json=body, headers=headers)
            except httpx.HTTPError:
                return False
            return response.status_code < 500

        await wait_until(is_answered, timeout_seconds=RECOVERY_SECONDS, pause_seconds=0.2)
        assert response.is_success, response.text
        return response

    async def fetch(self, sql, *args):
        """Rows of the database, past the proxy."""
        connection = await asyncpg.connect(self.postgres_url, timeout=20)
        try:
            return await connection.fetch(sql, *args)
        finally:
            await connection.close()

    # Processes

    def process(self, name):
        """A process by name; Postgres and the brokers too."""
        for supervisor in (self.services, self.infrastructure):
            if running := supervisor._running.get(name):
                return running
        raise KeyError(name)

    def signal(self, name, number):
        """Send a signal to a process and, as Postgres has many, to its children."""
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.process(name).pid)
            for one in [process, *process.children(recursive=True)] if name == "postgres" else [process]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.send_signal(number)

    @property
    def broker_names(self):
        return [broker.name for broker in self.brokers]

    def kill_all(self):
        for name in (*PROCESSES, "postgres", *self.broker_names):
            self.signal(name, signal.SIGKILL)

    def resume_all(self):
        for supervisor in (self.services, self.infrastructure):
            for process in supervisor._running.values():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGCONT)
        if "postgres" in self.infrastructure._running:
            self.signal("postgres", signal.SIGCONT)

    async def _are_ready(self):
        return all([await component.is_ready() for component in self.components.values()])
