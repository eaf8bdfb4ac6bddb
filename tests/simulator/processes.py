"""The processes of the services: what they read, publish, evaluate and send, and what happens to them."""

from collections import Counter, defaultdict
from datetime import timedelta
from typing import NamedTuple

from digest_model import DigestModel
from event_builders import data_of, organization_event
from reference.facts import ORGANIZATION, Fact
from reference.reports import Model

from simulator.expected import OWNER, ExpectedMail
from simulator.steps import TOPICS

BALANCES, LIFECYCLE, WORKLOGS = "consumption.balances", "contracts.lifecycle", "worklog.events"
LATE_OFFSET = 100_000


class Record(NamedTuple):
    """A record of a topic."""

    topic: str
    type: str
    source: str
    data: dict


CONTACT = {"name": "Ann", "email": "ann@acme.example.com", "roles": ["billing"]}
ORGANIZATION_RECORD = Record(
    "contracts.directory", ORGANIZATION, "/contracts", {**data_of(organization_event()), "contacts": [CONTACT]}
)


class Difference(Exception):  # noqa: N818 - it is what the simulator looks for
    """The system and the reference differ."""


class Processes:
    """The topics between the services, and a mail server. ``contracts`` and ``now`` come from the subclass."""

    def __init__(self, system):
        self.system = system
        self.topics, self.positions = defaultdict(list), Counter()
        self.digests, self.mails, self.server = DigestModel([OWNER, CONTACT["email"]]), [], "accepts"
        self.again_count = 0
        # Versions of contracts that consumption could not read at first, by position.
        self.rejected, self.is_rejecting = [], False

    def reference(self):
        records = [ORGANIZATION_RECORD]
        records += [
            record
            for topic in TOPICS["consumption"]
            for position, record in enumerate(self.topics[topic][: self.positions["consumption", topic]])
            if topic != LIFECYCLE or position not in self.rejected
        ]
        return Model([Fact(self.now, record.type, record.source, record.data) for record in records])

    async def _do_tick(self, process):
        if process == "contracts":
            await self.system.expire(self.now)
            for contract in self.contracts:
                contract.life.expire(self.now)
                contract.life.expire_offers(self.now)
        elif process == "consumption":
            await self.system.begin_day(self.now)
        else:
            await self.system.evaluate_due(self.now)
            for contract in self.contracts:
                self._expect_mail(contract.evaluate_due(self.now))
            models = [(contract.id, contract.model) for contract in self.contracts]
            for receiver, notifications in self.digests.look(self.now, models):
                self._expect_mail(notifications, receiver)

    def _expect_mail(self, notifications, receiver=OWNER):
        """What is raised together for a receiver is one mail."""
        if notifications:
            self.mails.append(ExpectedMail(receiver, notifications, self.now))

    async def _do_crash(self, process):
        await self.system.restart(process)
        for contract in self.contracts:
            contract.is_reevaluation_due |= process == "notifier"

    async def _do_server(self, answer):
        """From now on the mail server answers so, or the notifier dies during each attempt."""
        self.server = answer

    async def _do_send(self, rounds=1, seconds=0):
        """The notifier sends what is due, and again after some time."""
        for _ in range(rounds):
            await self.system.send(self.server, self.now)
            for mail in self.mails:
                mail.send(self.server, self.now)
            await self._compare_mails()
            self.now += timedelta(seconds=seconds)

    async def _compare_mails(self):
        actual, expected = Counter(await self.system.mails()), Counter(mail.state() for mail in self.mails)
        if actual != expected:
            more, less = actual - expected, expected - actual
            raise Difference(f"the mails are {sorted(more, key=str)}\n  not {sorted(less, key=str)}")

    async def _do_publish(self, process, *, is_crashing=False):
        """Publish the outbox of a process. Returns whether there was something."""
        records = await self.system.unpublished(process, self.now)
        for record in records:
            self.topics[record.topic].append(record)
            if process == "consumption" and self.system.has_fold:
                self._compare_balance(record.data)
        if not is_crashing:
            await self.system.mark_published(process)
        return bool(records)

    def _compare_balance(self, body):
        """What is published is what the reference counts, whatever came before."""
        actual = {name: value for name, value in body.items() if name not in ("forecast", "revision")}
        expected = self.reference().balance(body["contract_id"], self.now)
        if actual != expected:
            raise Difference(f"the balance is {actual}\n  not {expected}")

    async def _do_again(self, to, topic, number):
        """An old record is delivered a second time, after all newer ones: as a dead letter that is replayed."""
        if position := self.positions[to, topic]:
            if (to, topic) == ("consumption", LIFECYCLE) and number % position in self.rejected:
                self.rejected.remove(number % position)
            await self._deliver_late(to, topic, self.topics[topic][number % position])

    async def _do_reject(self):
        """Consumption cannot read the next version of the contract: it becomes a dead letter."""
        self.is_rejecting = True

    async def _do_replay(self):
        """The dead letters are replayed, after newer versions."""
        while self.rejected:
            await self._deliver_late("consumption", LIFECYCLE, self.topics[LIFECYCLE][self.rejected.pop()])

    async def _deliver_late(self, to, topic, record):
        self.again_count += 1
        await self.system.deliver(to, topic, LATE_OFFSET + self.again_count, [record], self.now, is_crashing=False)
        self._notice(to, topic, [record])

    async def _do_deliver(self, to, topic, count, *, is_crashing=False):
        """Deliver the next records. A crash before the commit leaves them to the next delivery."""
        position = self.positions[to, topic]
        records = self.topics[topic][position : position + count]
        if not records:
            return False
        if self.is_rejecting and (to, topic) == ("consumption", LIFECYCLE):
            self.is_rejecting = False
            self.rejected.append(position)
            self.positions[to, topic] += 1
            return True
        await self.system.deliver(to, topic, position, records, self.now, is_crashing=is_crashing)
        if is_crashing:
            return True
        self.positions[to, topic] += len(records)
        self._notice(to, topic, records)
        return True

    def _notice(self, to, topic, records):
        for contract in self.contracts if to == "notifier" else ():
            if bodies := [record.data for record in records if record.data["contract_id"] == contract.id]:
                if topic == LIFECYCLE:
                    contract.model.store_lifecycle(bodies, self.now)
                else:
                    contract.model.store_balances(bodies)
                self._expect_mail(contract.evaluate(self.now))

    async def _do_run(self):
        """All processes work until nothing is left to do."""
        is_busy = True
        while is_busy:
            is_busy = False
            await self._do_tick("contracts")
            await self._do_tick("consumption")
            for process, topics in TOPICS.items():
                for publisher in ("contracts", "consumption"):
                    is_busy |= await self._do_publish(publisher)
                for topic in topics:
                    while await self._do_deliver(process, topic, 100):
                        is_busy = True
            await self._do_tick("notifier")
        await self._do_send()
