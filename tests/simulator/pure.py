"""The services in this process, without a database: the pure rules of contracts, offers, the forecast and the notifier.

The fold is SQL, so the reference counts in its place. What is stored is a value that a transaction replaces as a whole.
"""

import copy
import json
from datetime import timedelta
from fractions import Fraction
from functools import cache, reduce
from uuid import UUID

from event_builders import uid
from pure_notifier import PureNotifier
from reference.facts import Fact
from reference.reports import Model
from reference.rules import day_of, periods

from simulator.world import BALANCES, LIFECYCLE, Difference, Record
from tidemark_consumption.forecast import forecast
from tidemark_contracts.contract.decider import Command, Rejection, State, decide, evolve
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


class PureSystem:
    """The contracts service, consumption and the notifier."""

    has_fold = False

    async def start(self, contract_id, body, now):
        self.contract_id, self.events, self._state, self._offers = contract_id, [], State(), []
        self.outboxes = {"contracts": [], "consumption": []}
        self.facts, self.revision, self.is_dirty, self.day = [], 0, False, None
        self.notifier, self.is_reevaluation_due = PureNotifier(contract_id), False
        await self.command("drafted", body, now)

    # Contracts

    async def state(self):
        return self._state.version, self._state.status, self._state.terms.model_dump(mode="json")

    async def offers(self):
        return [state.offer.status for state in self._offers]

    async def command(self, type_, body, now, *, is_lost=False, is_raced=False):
        decision = decide(contract_command(type_, body), self._state, _context(now))
        if not isinstance(decision, Rejection) and not is_lost:
            self._append(decision)

    def _append(self, events):
        for event in events:
            type_, data = lifecycle_event(UUID(self.contract_id), self._state, event)
            record = Record(LIFECYCLE, type_, "/contracts", data.model_dump(mode="json"))
            self.outboxes["contracts"] = [*self.outboxes["contracts"], record]
            self._state = evolve(self._state, event)

    def _change_offer(self, number, command, now):
        states = self._offers
        waiting = [state.offer for state in states if state.offer.status in ("requested", "open")]
        pending = frozenset((offer.account_id, offer.period_start) for offer in waiting)
        context = OfferContext(UUID(self.contract_id), self._state, _context(now), pending)
        state = OfferState() if number is None else states[number]
        decision = decide_offer(command, state, context)
        if decision.events:
            changed = reduce(evolve_offer, decision.events, state)
            self._offers = [*states, changed] if number is None else [*states[:number], changed, *states[number + 1 :]]
            self._append(decision.contract_events)

    async def make(self, adjustment, until, now):
        self._expire_offers(now)
        self._change_offer(None, Make(proposal(adjustment, until)), now)

    async def answer(self, number, answer, now):
        if number < len(self._offers):
            self._change_offer(number, offer_command(answer), now)

    def _expire_offers(self, now):
        for number, state in enumerate(self._offers):
            if state.offer.status == "open":
                self._change_offer(number, Expire(), now)

    async def expire(self, now):
        decision = decide(Command("expired"), self._state, _context(now))
        if not isinstance(decision, Rejection):
            self._append(decision)
        self._expire_offers(now)

    # Consumption

    async def begin_day(self, now):
        versions = [record.data for record in self.facts if record.topic == LIFECYCLE]
        if not versions:
            return
        contract = max(versions, key=lambda version: version["stream_version"])
        day = day_of(now, contract["terms"])
        if contract["status"] == "ACTIVE" and (self.day is None or day > self.day):
            self.day, self.is_dirty = day, True
        if self.is_dirty:
            self.revision, self.is_dirty = self.revision + 1, False
            self._publish_balance(contract, now)

    def _publish_balance(self, contract, now):
        model = Model([Fact(now, record.type, record.source, record.data) for record in self.facts])
        prediction = checked_forecast(model, contract, now)
        body = {
            **model.balance(self.contract_id, now),
            "revision": self.revision,
            "forecast": prediction and prediction.model_dump(mode="json"),
        }
        record = Record(BALANCES, "tidemark.contract.balance.v1", "/consumption", body)
        self.outboxes["consumption"] = [*self.outboxes["consumption"], record]

    async def compare_figures(self, reference, now):
        for version in reference.versions[self.contract_id].values():
            body = version["terms"]
            first, *_ = expected = periods(body)
            spans = split_into_periods(body["recurrence"], first[0], expected[-1][1])
            if expected != [tuple(span) for span in spans]:
                raise Difference(f"the periods are {spans}\n  not {expected}")

    # The notifier

    async def raised(self):
        return self.notifier.notifications

    async def save_rule(self, scope, rule):
        self.notifier.rules = dict(self.notifier.rules)
        self.notifier.save_rule(scope, rule)
        self.is_reevaluation_due = True

    async def evaluate_due(self, now):
        (self.notifier.evaluate if self.is_reevaluation_due else self.notifier.evaluate_due)(now)
        self.is_reevaluation_due = False

    # Topics and faults

    async def unpublished(self, process, now):
        return self.outboxes[process]

    async def mark_published(self, process):
        self.outboxes[process] = []

    async def deliver(self, process, topic, position, records, now, *, is_crashing):
        before = copy.copy(self.notifier), self.facts, self.is_dirty
        if process == "consumption":
            self.facts, self.is_dirty = [*self.facts, *records], True
        elif topic == LIFECYCLE:
            self.notifier.store_lifecycle([record.data for record in records], now)
        else:
            self.notifier.store_balances([record.data for record in records], now)
        if is_crashing:
            self.notifier, self.facts, self.is_dirty = before

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
