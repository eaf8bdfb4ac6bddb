"""The work on one contract while a fault happens, and what must come of it afterwards."""

import asyncio
import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import count

import asyncpg
from aiokafka.errors import KafkaError
from comparison import plain
from polling import wait_until
from reference.columns import COLUMNS
from reference.facts import DELETED, LINKED, ORGANIZATION, RECORDED, Fact
from reference.reports import Model
from system import RECOVERY_SECONDS

from tidemark_consumption import replay
from tidemark_shared.messaging.kafka import create_producer, stop_producer
from tidemark_shared.messaging.topics import WORKLOGS

THRESHOLDS = ("25", "50", "80", "100")
PLANNED_HOURS = 100
_numbers = count(1)


class Story:
    """A contract of 100 hours, and work that exceeds them little by little."""

    def __init__(self, system):
        self.system, self.number = system, next(_numbers)
        self.code, self.source = f"FAULT-{self.number}", f"/tracker-{self.number}"
        self.draw, self.facts, self.version, self.work_count = random.Random(self.number), [], 0, 0

    async def begin(self, *, start=None, end=None, timezone="Europe/Berlin"):
        """Draft and activate the contract, and link an issue to it."""
        today = datetime.now(UTC).date()
        organization = (await self.system.request("POST", "/organizations", {
            "name": f"Customer {self.number}", "timezone": timezone, "contacts": [],
        })).json()  # fmt: skip
        self.facts.append(Fact(None, ORGANIZATION, "/contracts", organization))
        body = {
            "code": self.code, "name": "Support", "owner": {"name": "Olga", "email": f"olga-{self.number}@p.example"},
            "organization_id": organization["id"], "type": "time_and_materials", "recurrence": "monthly",
            "start_date": str(start or today - timedelta(days=10)), "end_date": str(end or today + timedelta(days=10)),
            "timezone": timezone, "contracted_hours": str(PLANNED_HOURS),
            "accounts": [{"name": "Help desk", "billable": True, "planned_hours": str(PLANNED_HOURS)}],
        }  # fmt: skip
        self._store((await self.system.request("POST", "/contracts", body)).json())
        await self.act("activate", {})
        await self._publish([(LINKED, {
            "issue_id": "I1", "issue_key": "SUP-1", "summary": None, "contract_id": self.code,
            "account_id": "Help desk", "created_at": None, "updated_at": datetime.now(UTC).isoformat(),
        })])  # fmt: skip

    async def act(self, action, body):
        """An action on the contract, answered in the end."""
        path = f"/contracts/{self.contract['id']}/{action}"
        self._store((await self.system.request("POST", path, body, **{"if-match": f'"{self.version}"'})).json())

    async def amend(self):
        """Change the name, which changes no figure."""
        await self.act("amend", {**self.contract, "name": f"Support {self.version}", "reason": "r"})

    async def load_status(self):
        """The contract as it is now, which may have expired."""
        contract = (await self.system.request("GET", f"/contracts/{self.contract['id']}", None)).json()
        if contract["version"] != self.version:
            self._store(contract)
        return contract["status"]

    def _store(self, contract):
        self.contract, self.version = contract, contract["version"]
        data = {
            "contract_id": contract["id"], "stream_version": self.version, "status": contract["status"],
            "terms": contract, "renewed_from": None, "renewed_as": None,
        }  # fmt: skip
        self.facts.append(Fact(None, "tidemark.contract.amended.v1", "/contracts", data))

    async def work(self, number=40):
        """Log work: some of it is corrected, some deleted, some sent twice."""
        events = []
        for _ in range(number):
            self.work_count += 1
            now = datetime.now(UTC) + timedelta(microseconds=self.work_count)
            events.append((RECORDED, {
                "worklog_id": str(self.work_count), "issue_id": "I1", "author_id": "ann",
                "started_at": (now - timedelta(days=self.draw.randrange(8))).isoformat(),
                "seconds": 3600 * self.draw.choice([1, 1, 2, 3]) + self.draw.randrange(60), "team_id": None,
                "description": None, "updated_at": now.isoformat(),
            }))  # fmt: skip
            if self.draw.random() < 0.2:
                events.append(self.draw.choice(events))
            if self.draw.random() < 0.1:
                changed = {**self.draw.choice(events)[1], "updated_at": (now + timedelta(seconds=1)).isoformat()}
                if "seconds" in changed:
                    events.append((RECORDED, {**changed, "seconds": changed["seconds"] + 7}))
            if self.draw.random() < 0.02:
                at = (now + timedelta(seconds=2)).isoformat()
                events.append((DELETED, {"worklog_id": str(self.work_count), "issue_id": "I1", "deleted_at": at}))
        await self._publish(events)

    async def _publish(self, events):
        """Publish until Kafka has acknowledged everything; what is sent again is a duplicate."""
        self.facts += [Fact(None, type_, self.source, data) for type_, data in events]
        async with asyncio.timeout(RECOVERY_SECONDS):
            while True:
                producer = create_producer(self.system.bootstrap_servers)
                try:
                    await producer.start()
                    sent = [
                        await producer.send(
                            WORKLOGS.name, json.dumps(data).encode(), key=str(self.draw.randrange(9)).encode(),
                            headers=[
                                ("ce_specversion", b"1.0"), ("ce_id", str(self.draw.random()).encode()),
                                ("ce_source", self.source.encode()), ("ce_type", type_.encode()),
                                ("content-type", b"application/json"),
                            ],
                        )
                        for type_, data in events
                    ]  # fmt: skip
                    await asyncio.gather(*sent)
                except (KafkaError, OSError, TimeoutError):
                    # No broker answers. What was acknowledged is published a second time.
                    await asyncio.sleep(0.5)
                    continue
                finally:
                    await stop_producer(producer)
                return

    # What must come of it

    def reached(self):
        """The thresholds that are reached."""
        [contract] = Model(self.facts).contracts()
        return [at for at in THRESHOLDS if contract["consumed_seconds"] * 100 >= int(at) * contract["planned_seconds"]]

    async def settle(self):
        """Wait until the figures, the notifications and their deliveries are complete."""
        expected = plain(Model(self.facts).contracts(), COLUMNS["contracts"])
        furthest = self.reached()[-1:]

        async def is_settled():
            try:
                if await self._rows("contracts") != expected:
                    return False
                notifications = await self.notifications()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
                return False
            thresholds = [row["threshold"] for row in notifications if row["threshold"]]
            return sorted(thresholds, key=int)[-1:] == furthest and all(
                row["status"] == "delivered" for row in notifications
            )

        try:
            await wait_until(is_settled, timeout_seconds=RECOVERY_SECONDS, pause_seconds=0.1)
        except TimeoutError:
            assert await self._rows("contracts") == expected
            raise AssertionError([dict(row) for row in await self.notifications()]) from None

    async def notifications(self):
        return await self.system.fetch(
            "SELECT * FROM reporting.notifications WHERE contract_id = $1", self.contract["id"]
        )

    async def _rows(self, name):
        columns = COLUMNS[name]
        where = (
            "contract_id = $1 OR (contract_id IS NULL AND source = $2)" if "source" in columns else "contract_id = $1"
        )
        args = [self.contract["id"], self.source][: 2 if "source" in columns else 1]
        rows = await self.system.fetch(f"SELECT {', '.join(columns)} FROM reporting.{name} WHERE {where}", *args)  # noqa: S608
        return plain(rows, columns)

    async def count_differences(self):
        """Rows that are missing, rows that should not be, doubled notifications, and second copies of mails."""
        model, lost, doubled = Model(self.facts), 0, 0
        for name, columns in COLUMNS.items():
            actual = Counter(await self._rows(name))
            expected = Counter(plain(getattr(model, name)(), columns))
            lost += (expected - actual).total()
            doubled += (actual - expected).total()
        crossings = Counter((row["rule_name"], row["threshold"]) for row in await self.notifications())
        doubled += crossings.total() - len(crossings)
        mails = Counter(
            mail["Message-ID"] for mail in self.system.mail_server.received if self.code in str(mail["Subject"])
        )
        lost += max(0, len(crossings) - len(mails))
        return lost, doubled, mails.total() - len(mails)

    async def verify(self):
        """Compute everything again from the facts."""
        async with (
            replay.open_pool(self.system.postgres_url) as pool,
            pool.acquire() as connection,
        ):
            return await replay.verify(connection)
