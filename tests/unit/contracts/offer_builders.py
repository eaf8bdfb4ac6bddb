"""A contract with offers, as the store keeps them: each command appends its events, of both, or nothing."""

import json
from functools import reduce
from uuid import UUID

from contract_builders import NOON, Stream, build_command, decision_context, uid
from pydantic import TypeAdapter

from tidemark_contracts.offer.decider import Event, Make, OfferContext, State, decide, evolve
from tidemark_contracts.offer.proposal import Proposal
from tidemark_shared.domain.bodies import Person
from tidemark_shared.messaging.events import OfferState

ANN, BO = Person(name="Ann", email="ann@acme.example"), Person(name="Bo", email=None)
CONTRACT = uid("contract")
_read = TypeAdapter(Proposal).validate_python


def proposal(**changes):
    return _read(
        {"account_id": "Help desk", "period_start": "2026-03-01", "hours": "20", "reason": "Extra package", **changes}
    )


class Offers:
    """The offers of one contract."""

    def __init__(self, contract=None):
        self.contract = contract or active_contract()
        self.events: dict[UUID, list[Event]] = {}
        self.amendments = []
        self._states = {}

    def state(self, offer_id):
        """The state from the events as they are stored: each command is one after a restart."""
        events = self.events.get(offer_id, [])
        key = offer_id, len(events)
        if key not in self._states:
            self._states[key] = reduce(evolve, map(_reloaded, events), State())
        return self._states[key]

    def do(self, command, offer_id=None, at=NOON, actor="olga", *, lost=False):
        """Run a command. If it is lost, the process ends before the commit."""
        states = {id_: self.state(id_) for id_ in self.events}
        offers = [state.offer for state in states.values()]
        pending = {(item.account_id, item.period_start) for item in offers if item.status in ("requested", "open")}
        notification_id = command.notification_id if isinstance(command, Make) else None
        context = OfferContext(
            CONTRACT, self.contract.state, _by(decision_context(at), actor), frozenset(pending),
            is_repeated=notification_id is not None and notification_id in {item.notification_id for item in offers},
        )  # fmt: skip
        decision = decide(command, states.get(offer_id, State()), context)
        if decision.events and not lost:
            offer_id = offer_id or uid(f"offer {len(self.events)}")
            self.events.setdefault(offer_id, []).extend(decision.events)
            self.contract.append(decision.contract_events)
            if decision.contract_events:
                self.amendments.append((offer_id, decision.contract_events))
        return offer_id, decision

    def make(self, at=NOON, requested_by=None, **changes):
        return self.do(Make(proposal(**changes), requested_by), at=at)[0]


def active_contract(**changes):
    stream = Stream()
    for command in (build_command("drafted", **changes), build_command("activated")):
        assert stream.do(command)
    return stream


def _by(context, actor):
    return type(context)(**{**context.__dict__, "actor": actor})


def _reloaded(event):
    return Event(event.type, OfferState.model_validate(json.loads(event.offer.model_dump_json())), event.actor,
                 event.occurred_at)  # fmt: skip
