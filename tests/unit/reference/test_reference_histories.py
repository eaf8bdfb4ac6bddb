"""Properties of the reference that hold for every history."""

from effort import repeat
from event_builders import (
    facts_of,
)
from histories import histories, seeded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference.columns import COLUMNS
from reference.facts import canonical
from reference.reports import Model
from reference.restatements import restatements

from tidemark_shared.domain.balances import Balance
from tidemark_shared.messaging.cloudevents import decode_event
from tidemark_shared.messaging.events import canonical_content
from tidemark_shared.messaging.topics import TOPICS


def check(history):
    facts = history.facts
    whole = Model(facts)
    for name, rows in whole.relations().items():
        assert len(rows) == len(getattr(whole, name)())
        assert all(len(row) == len(COLUMNS[name]) for row in rows)
    for contract_id, contract in whole.contracts_by_id.items():
        body = whole.balance(contract_id)
        Balance.model_validate({**body, "revision": 1, "forecast": None})
        figures = whole.worklogs_of(contract_id)
        assert body["unaccounted_seconds"] == sum(work.seconds for work in whole.unaccounted_work(contract))
        assert sum(
            row["worklog_count"] for row in whole.account_consumption() if row["contract_id"] == contract_id
        ) == (len(figures))
    return whole


@settings(max_examples=repeat(12, long=100), deadline=None, suppress_health_check=list(HealthCheck))
@given(histories(), st.randoms())
def test_figures_do_not_depend_on_the_order_of_facts(history, shuffler):
    facts = history.facts
    whole = check(history)
    shuffler.shuffle(facts)
    shuffled = Model(facts)
    assert shuffled.relations() == whole.relations()
    assert shuffled.contracts_by_id.keys() == whole.contracts_by_id.keys()
    for contract_id in whole.contracts_by_id:
        assert shuffled.balance(contract_id) == whole.balance(contract_id)


@settings(max_examples=repeat(12, long=100), deadline=None, suppress_health_check=list(HealthCheck))
@given(histories())
def test_generated_records_are_valid_events(history):
    topics = {topic.name: topic for topic in TOPICS}
    for moment, records in history.batches:
        assert len({record.topic for record in records}) == 1
        for record, fact in zip(records, facts_of(records, moment), strict=True):
            event = decode_event(topics[record.topic], record.headers, record.value)
            if record.topic == "worklog.events":
                assert canonical_content(event.data) == canonical(fact)


REASONS = {
    "issue_not_linked", "contract_unknown", "account_unknown", "contract_draft", "contract_inactive", "issue_undated",
    "outside_dates",
}  # fmt: skip
CAUSES = {"worklog", "issue", "contract", "membership", "rate_card"}


def test_seeded_histories_cover_every_reason_cause_and_rollover():
    wanted, reached = {None, *REASONS, *CAUSES, "carried", "deducted"}, set()
    for seed in range(200):
        history = seeded(seed)
        whole = check(history)
        carried = [
            carried for contract in whole.contracts_by_id.values() for *_, carried, _ in whole.period_flow(contract)
        ]
        reached |= {work.reason for work in whole.work}
        reached |= {row["cause"].partition(":")[0] for row in restatements(history.facts)}
        reached |= {"carried" for amount in carried if amount > 0} | {"deducted" for amount in carried if amount < 0}
        if reached == wanted:
            break
    assert reached == wanted
