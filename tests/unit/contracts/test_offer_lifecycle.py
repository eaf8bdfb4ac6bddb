"""A model test of offers: managers, customers, rules and the clock, double clicks and restarts, against SPEC 10."""

from collections import Counter
from datetime import timedelta
from uuid import UUID

from contract_builders import NOON, account, build_command
from effort import repeat
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from offer_builders import ANN, BO, Offers, active_contract, proposal

from tidemark_contracts.contract.decider import Rejection, renewal_draft
from tidemark_contracts.offer.decider import (
    TRANSITIONS,
    Answer,
    Confirm,
    Expire,
    Make,
    Withdraw,
    describe_person,
)
from tidemark_contracts.offer.proposal import Price
from tidemark_shared.domain.calendar import split_into_periods

ACCOUNTS = ("Help desk", "Projects")
PERIODS = ("2026-03-01", "2026-04-01", "2026-05-01")
FINAL = {"accepted", "declined", "withdrawn", "expired"}
hours = st.sampled_from(["20", "5", "0.25", "-10", "-30", "-40"])
answers = st.sampled_from(["accepted", "accepted", "declined"])
times = st.integers(1, 2)
lost = st.booleans()


def two_accounts(first, second):
    return {"contracted_hours": str(first + second),
            "accounts": [account(ACCOUNTS[0], str(first)), account(ACCOUNTS[1], str(second))]}  # fmt: skip


class OfferLifecycle(RuleBasedStateMachine):
    """Any step at any time. A step that is lost ends before its commit, and is taken again."""

    def __init__(self):
        super().__init__()
        self.offers = Offers(active_contract(**two_accounts(40, 40)))
        self.now = NOON

    def take(self, command, offer_id=None, actor="olga", times=1, *, lost=False):
        """Take a step: lost first if so, then once or twice. The decisions of the steps that were not lost."""
        if lost:
            self.offers.do(command, offer_id, self.now, actor, lost=True)
        decisions = []
        for _ in range(times):
            offer_id, decision = self.offers.do(command, offer_id, self.now, actor)
            decisions.append(decision)
        return decisions

    @rule(account=st.sampled_from(ACCOUNTS), period=st.sampled_from(PERIODS), hours=hours, days=st.integers(1, 20))
    def manager_makes(self, account, period, hours, days):
        self.offers.contract.do(build_command("resumed"), self.now)
        valid_until = (self.now + timedelta(days=days)).isoformat()
        self.take(Make(proposal(account_id=account, period_start=period, hours=hours, valid_until=valid_until)))

    @rule(account=st.sampled_from(ACCOUNTS), hours=hours, lost=lost)
    def customer_requests(self, account, hours, lost):
        self.take(Make(proposal(account_id=account, hours=hours), requested_by=ANN), actor="web", lost=lost)

    @rule(account=st.sampled_from([*ACCOUNTS, "Nobody"]), period=st.sampled_from(PERIODS), number=st.integers(1, 6),
          times=times, lost=lost)  # fmt: skip
    def rule_makes(self, account, period, number, times, lost):
        command = Make(proposal(account_id=account, period_start=period), notification_id=UUID(int=number))
        before = self.pending()
        for decision in self.take(command, actor="rule Warn", times=times, lost=lost):
            for event in decision.events:
                assert (event.offer.account_id, event.offer.period_start) not in before
                before = self.pending()

    def pending(self):
        return {
            (offer.account_id, offer.period_start) for offer in self.states() if offer.status in {"requested", "open"}
        }

    @precondition(lambda self: self.offers.events)
    @rule(data=st.data(), change=st.sampled_from(["suspended", "amended"]), times=times, lost=lost)
    def contract_changes_before_the_customer_accepts(self, data, change, times, lost):
        terms = self.offers.contract.state.terms
        self.offers.contract.do(build_command(change, before=terms, **two_accounts(1, 1)), self.now)
        self.customer_answers(data, "accepted", ANN, True, times, lost)  # noqa: FBT003 - as Hypothesis calls it

    @precondition(lambda self: self.offers.events)
    @rule(data=st.data(), answer=answers, person=st.sampled_from([ANN, BO]), by_link=st.booleans(), times=times,
          lost=lost)  # fmt: skip
    def customer_answers(self, data, answer, person, by_link, times, lost):
        offer_id = self.draw_offer(data)
        before = self.offers.state(offer_id).offer
        actor = describe_person(person) if by_link else "olga"
        decisions = self.take(Answer(answer, person, None), offer_id, actor, times, lost=lost)
        after = self.offers.state(offer_id).offer
        if before.status in FINAL:
            assert all((decision.rejection is None) == (before.status == answer) for decision in decisions)
            assert not any(decision.events for decision in decisions)
        if after.status == before.status == "open":
            assert all(decision.rejection for decision in decisions)
        # An owner hears of a refusal once, and a double click changes nothing.
        assert not any(decision.events for decision in decisions[1:])

    @precondition(lambda self: self.offers.events)
    @rule(data=st.data(), price=st.one_of(st.none(), st.integers(1, 9)), lost=lost, times=times)
    def owner_confirms(self, data, price, lost, times):
        offer_id = self.draw_offer(data)
        before = self.offers.state(offer_id).offer
        command = Confirm(Price(price_minor=price, price_currency=price and "EUR"))
        first, *others = self.take(command, offer_id, times=times, lost=lost)
        assert before.status == "requested" or first.rejection
        assert first.rejection or self.offers.state(offer_id).offer.status == ("open" if price else "accepted")
        assert all(decision.rejection for decision in others)

    @precondition(lambda self: self.offers.events)
    @rule(data=st.data(), lost=lost)
    def manager_withdraws(self, data, lost):
        self.take(Withdraw("A mistake"), self.draw_offer(data), lost=lost)

    @rule(hours=st.integers(1, 100), expires=st.booleans())
    def let_time_pass(self, hours, expires):
        """The scheduler may be late."""
        self.now += timedelta(hours=hours)
        for offer_id in self.offers.events if expires else ():
            self.take(Expire(), offer_id, actor="tidemark", times=2)

    @rule(first=st.integers(0, 60), second=st.integers(1, 60), keep=st.booleans(), hours=st.sampled_from([-40, -5, 7]))
    def manager_amends(self, first, second, keep, hours):
        """Other plans, and an account may go, whatever offers there are."""
        terms = self.offers.contract.state.terms
        ids = {item.name: str(item.id) for item in terms.accounts}
        adjustments = [item.model_dump(mode="json") for item in terms.adjustments if keep]
        own = {"account_id": ids.get(ACCOUNTS[1]), "period_start": PERIODS[0], "hours": str(hours), "reason": "Own"}
        changes = two_accounts(first, second)
        if first == 0:
            changes["accounts"] = changes["accounts"][1:]
        self.offers.contract.do(
            build_command("amended", before=terms, adjustments=[*adjustments, *([own] if own["account_id"] else [])],
                          **changes),
            self.now,
        )  # fmt: skip

    @rule(event_type=st.sampled_from(["resumed", "expired", "renewed"]))
    def contract_lives_on(self, event_type):
        contract = self.offers.contract
        decision = contract.do(build_command(event_type), self.now)
        if event_type == "renewed" and not isinstance(decision, Rejection):
            assert renewal_draft(contract.state, "NEXT").terms.adjustments == ()

    def draw_offer(self, data):
        # Those that wait for an answer are more interesting.
        pending = [id_ for id_ in self.offers.events if self.offers.state(id_).offer.status not in FINAL]
        return data.draw(st.sampled_from([*self.offers.events, *pending * 3]))

    def states(self):
        return [self.offers.state(offer_id).offer for offer_id in self.offers.events]

    @invariant()
    def each_accepted_offer_made_one_adjustment_and_no_other_did(self):
        accepted = {id_ for id_ in self.offers.events if self.offers.state(id_).offer.status == "accepted"}
        assert Counter(id_ for id_, _ in self.offers.amendments) == Counter(accepted)
        versions = set()
        for offer_id, events in self.offers.amendments:
            offer, (amended,) = self.offers.state(offer_id).offer, events
            assert amended.type == "amended"
            assert self.offers.contract.events[offer.stream_version - 1] is amended
            versions.add(offer.stream_version)
            earlier = [event.terms for event in self.offers.contract.events[: offer.stream_version - 1] if event.terms][
                -1
            ]
            added = amended.terms.adjustments[len(earlier.adjustments) :]
            assert amended.terms.model_copy(update={"adjustments": earlier.adjustments}) == earlier
            assert [(item.account_id, item.period_start, item.hours, item.reason) for item in added] == [
                (offer.account_id, offer.period_start, offer.hours, offer.reason)
            ]
            assert amended.actor.startswith(describe_person(offer.answered_by))
        assert len(versions) == len(accepted)
        assert all(offer.stream_version is None for offer in self.states() if offer.status != "accepted")

    @invariant()
    def history_is_complete(self):
        for offer_id, events in self.offers.events.items():
            status = None
            for event in events:
                assert status in TRANSITIONS[event.type]
                assert event.offer.status == TRANSITIONS[event.type][status]
                status = event.offer.status
                if event.type in {"accepted", "declined", "refused"} and event.offer.valid_until:
                    assert event.occurred_at <= event.offer.valid_until
            assert [event.offer.status in FINAL for event in events[:-1]] == [False] * (len(events) - 1)
            assert self.offers.state(offer_id).version == len(events)

    @invariant()
    def rules_make_one_offer_for_a_notification_and_never_two_open_ones(self):
        of_rules = [offer for offer in self.states() if offer.notification_id]
        assert max(Counter(offer.notification_id for offer in of_rules).values(), default=0) <= 1
        places = Counter((offer.account_id, offer.period_start) for offer in of_rules if offer.status == "open")
        assert max(places.values(), default=0) <= 1

    @invariant()
    def amounts_add_up_and_adjustments_fit(self):
        terms = self.offers.contract.state.terms
        assert sum(item.planned_hours for item in terms.accounts if item.billable) == terms.contracted_hours > 0
        planned = {item.id: item.planned_hours for item in terms.accounts}
        starts = {period.start for period in split_into_periods(terms.recurrence, terms.start_date, terms.end_date)}
        totals = Counter()
        for item in terms.adjustments:
            assert item.period_start in starts
            totals[item.account_id, item.period_start] += item.hours
        assert all(planned[account_id] + total >= 0 for (account_id, _), total in totals.items())


TestOfferLifecycle = OfferLifecycle.TestCase
TestOfferLifecycle.settings = settings(max_examples=repeat(50, long=2000), stateful_step_count=40, deadline=None)
