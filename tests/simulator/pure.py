"""The services in this process, without a database: the pure rules of contracts, offers, the forecast and the notifier.

The fold is SQL, so the reference counts in its place. What is stored is a value that a transaction replaces as a whole.
"""

import copy
import json
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from functools import cache, reduce
from uuid import UUID, uuid4

from event_builders import uid
from pure_notifier import PureNotifier
from reference.facts import Fact
from reference.reports import Model
from reference.rules import day_of, periods

from simulator.processes import BALANCES, LIFECYCLE, Difference, Record
from simulator.pure_mails import PureDigests, StoredMail, send_due
from tidemark_consumption.forecast import forecast
from tidemark_contracts.contract.decider import Command, Rejection, State, decide, evolve, renewal_draft
from tidemark_contracts.contract.draft import ContractInput
from tidemark_contracts.contract.rules import DecisionContext
from tidemark_contracts.contract.store import lifecycle_event
from tidemark_contracts.offer.decider import Answer, Expire, Make, OfferContext, Withdraw
from tidemark_contracts.offer.decider import State as OfferState
from tidemark_contracts.offer.decider import decide as decide_offer
from tidemark_contracts.offer.decider import evolve as evolve_offer
from tidemark_contracts.offer.proposal import Proposal
from tidemark_shared.domain.bodies import Contract, Person
from tidemark_shared.domain.calendar import split_into_periods

ORGANIZATION, ANN = UUID(uid("Acme")), Person(name="Ann", email="ann@acme.example")
WITH_BODY = ("drafted", "revised", "amended")


@cache
def _parse(text):
    return Contract.model_validate_json(text)


def contract_command(type_, body):
    """A command, as the API makes it from a request."""
    return Command(type_, ContractInput(_parse(json.dumps(body))) if type_ in WITH_BODY else None, "because")


def offer_command(answer):
    """What a person does with an offer."""
    return Withdraw("because") if answer == "withdrawn" else Answer(answer, ANN)


def proposal(adjustment, until):
    """What is proposed."""
    members = {name: adjustment[name] for name in ("account_id", "period_start", "hours", "reason")}
    return Proposal.model_validate({**members, "valid_until": until})


class PureContract:
    """A contract in the three services."""

    def __init__(self, contract_id, rules):
        self.id, self.state, self.offers = UUID(contract_id), State(), []
        self.revision, self.is_dirty, self.day = 0, False, None
        self.notifier, self.mailed_count = PureNotifier(contract_id), 0
        self.notifier.rules = rules

    @property
    def code(self):
        return self.state.terms.code


class PureSystem:
    """The contracts service, consumption and the notifier."""

    has_fold = False

    async def start(self, body, now):
        self.contracts, self.rules = [PureContract(uid("contract C1"), {})], {}
        self.outboxes = {"contracts": [], "consumption": []}
        self.facts, self.is_reevaluation_due = [], False
        self.digests, self.stored_mails = PureDigests(), []
        await self.command(0, "drafted", body, now)

    # Contracts

    async def state(self, number):
        state = self.contracts[number].state
        links = [id_ and str(id_) for id_ in (state.renewed_from, state.renewed_as)]
        return state.version, state.status, state.terms.model_dump(mode="json"), *links

    async def offers(self, number):
        return [state.offer.status for state in self.contracts[number].offers]

    async def command(self, number, type_, body, now, *, is_lost=False, is_raced=False):
        contract = self.contracts[number]
        decision = decide(contract_command(type_, body), contract.state, _context(now))
        if not isinstance(decision, Rejection) and not is_lost:
            self._append(contract, decision)

    async def renew(self, number, code, now):
        old, new = self.contracts[number], PureContract(uid(f"contract {code}"), self.contracts[0].notifier.rules)
        link = decide(Command("renewed", renewed_as=new.id), old.state, _context(now))
        if isinstance(link, Rejection):
            return
        draft = renewal_draft(old.state, code).with_account_ids(None, uuid4)
        context = replace(_context(now), code_taken=code in [contract.code for contract in self.contracts])
        drafted = decide(Command("drafted", draft, renewed_from=old.id), new.state, context)
        if not isinstance(drafted, Rejection):
            self._append(old, link)
            self.contracts = [*self.contracts, new]
            self._append(new, drafted)

    def _append(self, contract, events):
        for event in events:
            type_, data = lifecycle_event(contract.id, contract.state, event)
            record = Record(LIFECYCLE, type_, "/contracts", data.model_dump(mode="json"))
            self.outboxes["contracts"] = [*self.outboxes["contracts"], record]
            contract.state = evolve(contract.state, event)

    def _change_offer(self, contract, number, command, now):
        states = contract.offers
        waiting = [state.offer for state in states if state.offer.status in ("requested", "open")]
        pending = frozenset((offer.account_id, offer.period_start) for offer in waiting)
        context = OfferContext(contract.id, contract.state, _context(now), pending)
        state = OfferState() if number is None else states[number]
        decision = decide_offer(command, state, context)
        if decision.events:
            changed = reduce(evolve_offer, decision.events, state)
            contract.offers = (
                [*states, changed] if number is None else [*states[:number], changed, *states[number + 1 :]]
            )
            self._append(contract, decision.contract_events)

    async def make(self, number, adjustment, until, now):
        contract = self.contracts[number]
        self._expire_offers(contract, now)
        self._change_offer(contract, None, Make(proposal(adjustment, until)), now)

    async def answer(self, number, offer_number, answer, now):
        contract = self.contracts[number]
        if offer_number < len(contract.offers):
            self._change_offer(contract, offer_number, offer_command(answer), now)

    def _expire_offers(self, contract, now):
        for number, state in enumerate(contract.offers):
            if state.offer.status == "open":
                self._change_offer(contract, number, Expire(), now)

    async def expire(self, now):
        for contract in self.contracts:
            decision = decide(Command("expired"), contract.state, _context(now))
            if not isinstance(decision, Rejection):
                self._append(contract, decision)
            self._expire_offers(contract, now)

    # Consumption

    async def begin_day(self, now):
        newest = {}
        for version in (record.data for record in self.facts if record.topic == LIFECYCLE):
            previous = newest.setdefault(version["contract_id"], version)
            if version["stream_version"] > previous["stream_version"]:
                newest[version["contract_id"]] = version
        model = None
        for contract in self.contracts:
            if not (version := newest.get(str(contract.id))):
                continue
            day = day_of(now, version["terms"])
            if version["status"] == "ACTIVE" and (contract.day is None or day > contract.day):
                contract.day, contract.is_dirty = day, True
            if contract.is_dirty:
                contract.revision, contract.is_dirty = contract.revision + 1, False
                model = model or Model([Fact(now, record.type, record.source, record.data) for record in self.facts])
                self._publish_balance(model, contract, version, now)

    def _publish_balance(self, model, contract, version, now):
        prediction = checked_forecast(model, version, now)
        body = {
            **model.balance(str(contract.id), now),
            "revision": contract.revision,
            "forecast": prediction and prediction.model_dump(mode="json"),
        }
        record = Record(BALANCES, "tidemark.contract.balance.v1", "/consumption", body)
        self.outboxes["consumption"] = [*self.outboxes["consumption"], record]

    async def compare_figures(self, reference, now):
        for contract in self.contracts:
            for version in reference.versions.get(str(contract.id), {}).values():
                body = version["terms"]
                first, *_ = expected = periods(body)
                spans = split_into_periods(body["recurrence"], first[0], expected[-1][1])
                if expected != [tuple(span) for span in spans]:
                    raise Difference(f"the periods are {spans}\n  not {expected}")

    # The notifier

    async def mails(self):
        return [mail.state() for mail in self.stored_mails]

    async def save_rule(self, scope, rule):
        self.contracts[0].notifier.save_rule(scope, rule)
        self.is_reevaluation_due = True

    async def evaluate_due(self, now):
        for contract in self.contracts:
            (contract.notifier.evaluate if self.is_reevaluation_due else contract.notifier.evaluate_due)(now)
        self._store_mails(now)
        self.is_reevaluation_due = False
        notifiers = [contract.notifier for contract in self.contracts]
        for receiver, notifications in self.digests.send_due(notifiers[0].rules.values(), notifiers, now):
            self.stored_mails.append(StoredMail(receiver, notifications, now))

    def _store_mails(self, now):
        """What an evaluation raised for a contract is one mail to its owner."""
        for contract in self.contracts:
            raised = contract.notifier.notifications[contract.mailed_count :]
            if raised:
                notifications = [(contract.code, *notification) for notification in raised]
                self.stored_mails.append(StoredMail(contract.state.terms.owner.email, notifications, now))
            contract.mailed_count += len(raised)

    async def send(self, answer, now):
        send_due(self.stored_mails, answer, now)

    # Topics and faults

    async def unpublished(self, process, now):
        return self.outboxes[process]

    async def mark_published(self, process):
        self.outboxes[process] = []

    async def deliver(self, process, topic, position, records, now, *, is_crashing):
        if is_crashing:
            before = [(contract, copy.copy(contract.notifier)) for contract in self.contracts]
            self._store(process, topic, records, now)
            for contract, notifier in before:
                contract.notifier = notifier
        elif process == "consumption":
            self.facts = [*self.facts, *records]
            changed = {record.data["contract_id"] for record in records if topic == LIFECYCLE}
            for contract in self.contracts:
                contract.is_dirty |= topic != LIFECYCLE or str(contract.id) in changed
        else:
            self._store(process, topic, records, now)
            self._store_mails(now)

    def _store(self, process, topic, records, now):
        for contract in self.contracts if process == "notifier" else ():
            if bodies := [record.data for record in records if record.data["contract_id"] == str(contract.id)]:
                notifier = contract.notifier
                (notifier.store_lifecycle if topic == LIFECYCLE else notifier.store_balances)(bodies, now)

    async def restart(self, process):
        self.is_reevaluation_due |= process == "notifier"


def _context(now):
    return DecisionContext(now=now, actor="olga", organizations=frozenset({ORGANIZATION}))


def checked_forecast(model, contract, now):
    """The forecast of the current period, compared with a walk day by day."""
    today = day_of(now, contract["terms"])
    flow = model.period_flow(contract)
    (first, last), _, work, _, available = next(
        (period for period in flow if today <= period[0][1]), flow[-1]
    )  # fmt: skip
    days = {}
    for worklog in model.billable_work(contract):
        days[worklog.day] = days.get(worklog.day, 0) + worklog.seconds
    consumed = sum(worklog.seconds for worklog in work)
    prediction = forecast(days, today=today, first=first, last=last, available=available, consumed=consumed)
    expected = walk(days, today, first, last, available, consumed)
    if (prediction and prediction.exhausts_on) != expected:
        raise Difference(f"the forecast is {prediction}\n  not {expected}")
    return prediction


def walk(days, today, first, last, available, consumed):
    """The day on which the average of the last eight weeks uses up what is left, day by day; None if it does not."""
    if available <= 0:
        return None
    if consumed >= available:
        total = 0
        for day in sorted(day for day in days if first <= day <= last):
            total += days[day]
            if total >= available:
                return day
        return max(first, min(today, last))
    begun = min((day for day, amount in days.items() if amount), default=today)
    weeks = min((today - begun).days // 7, 8)
    if today > last or weeks < 2:
        return None

    first_past = today - timedelta(days=7 * weeks)

    def average(day):
        """What was done on this weekday, in an average week."""
        past = [past_day for past_day in days if first_past <= past_day < today]
        return Fraction(sum(days[past_day] for past_day in past if past_day.weekday() == day.weekday()), weeks)

    # What was done on the first day already is part of what is expected of it.
    day, begun_already = max(today, first), days.get(max(today, first), 0)
    same_weekday = [first_past + timedelta(days=number) for number in range(7 * weeks)]
    expected_again = [
        min(days.get(past_day, 0), begun_already) for past_day in same_weekday if past_day.weekday() == day.weekday()
    ]
    left = available - consumed + Fraction(sum(expected_again), weeks)
    while day <= last:
        left -= average(day)
        if left <= 0:
            return day
        day += timedelta(days=1)
    return None
