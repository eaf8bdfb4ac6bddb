"""``POST /v1/contracts/batch``: contracts by the thousand. Each is drafted, and activated, whole or not at all."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter
from pydantic import BaseModel, Field

from tidemark_contracts.contract import store
from tidemark_contracts.contract.decider import Command, Event, Rejection, State, decide, evolve
from tidemark_contracts.contract.draft import ContractBody, ContractInput
from tidemark_contracts.contract.rules import DecisionContext
from tidemark_contracts.contract.store import Append
from tidemark_shared.domain.bodies import Status
from tidemark_shared.domain.strict_input import Strict
from tidemark_shared.http.problems import Violation, json_pointer
from tidemark_shared.http.requests import DRY_RUN, CreateCall, TransactionRoute

router = APIRouter(prefix="/v1/contracts", tags=["contracts"], route_class=TransactionRoute)

MAX_CONTRACTS = 1_000


class ContractBatch(BaseModel):
    """Contracts to draft, in their order."""

    contracts: Annotated[
        list[ContractBody], Field(min_length=1, max_length=MAX_CONTRACTS, description="The contracts, each whole.")
    ]
    activate: Annotated[bool, Field(strict=True, description="Whether to activate each of them at once.")] = False


class BatchItem(BaseModel):
    """What became of one contract of the batch."""

    code: Annotated[str, Field(description="Its code, as it was sent; what stands for one where it is missing.")]
    id: Annotated[UUID | None, Field(description="The contract's id; null if it is refused.")]
    version: Annotated[int | None, Field(description="The contract's version; null if it is refused.")]
    status: Annotated[Status | None, Field(description="The contract's status; null if it is refused.")]
    violations: Annotated[
        list[Violation], Field(description="Why it is refused, each with its path in the request; empty otherwise.")
    ]


class BatchResult(BaseModel):
    """What became of each contract, in the order of the request."""

    created: Annotated[int, Field(description="How many contracts were created.")]
    refused: Annotated[int, Field(description="How many were refused. Nothing of these is stored.")]
    items: Annotated[list[BatchItem], Field(description="What became of each, in the order of the request.")]


@router.post("/batch", dependencies=[DRY_RUN])
async def create_contracts(body: Strict[ContractBatch], call: CreateCall) -> BatchResult:
    """Draft, and with `activate` activate, up to 1,000 contracts. Each is created whole or refused whole.

    Those that are refused do not keep the others from being created: look at `refused`. The body is at most 2 MiB.
    """
    terms = [contract_input.terms for contract_input in body.contracts]
    context = await store.load_references(call.connection, terms, now=datetime.now(UTC), actor=call.actor.name)
    taken_codes = await store.find_taken_codes(call.connection, [contract.code for contract in terms])
    appends, items = [], []
    for index, contract_input in enumerate(body.contracts):
        code = contract_input.terms.code
        decision = _create(contract_input, context, taken_codes, activate=body.activate)
        if isinstance(decision, Append):
            taken_codes.add(code)
            appends.append(decision)
            state = decision.new_state
            items.append(
                BatchItem(code=code, id=decision.contract_id, version=state.version, status=state.status, violations=[])
            )
        else:
            violations = [
                violation.model_copy(update={"path": json_pointer("contracts", index) + violation.path})
                for violation in decision
            ]
            items.append(BatchItem(code=code, id=None, version=None, status=None, violations=violations))
    if appends:
        await store.append_streams(call.connection, appends)
    return BatchResult(created=len(appends), refused=len(items) - len(appends), items=items)


def _create(
    contract_input: ContractInput, context: DecisionContext, taken_codes: Collection[str], *, activate: bool
) -> Append | Sequence[Violation]:
    """The events of a new contract, or why it is refused: as a draft, or when it is activated."""
    commands = [Command("drafted", contract_input.with_account_ids(None, uuid4))]
    commands += [Command("activated")] if activate else []
    context = replace(context, code_taken=contract_input.terms.code in taken_codes)
    state, events = State(), list[Event]()
    for command in commands:
        decision = decide(command, state, context)
        if isinstance(decision, Rejection):
            return decision.violations
        for event in decision:
            state = evolve(state, event)
            events.append(event)
        context = replace(context, code_taken=False)
    return Append(uuid4(), State(), events)
