"""The trigger `period_closed`: one notification per rule, contract and settled period, with the statement's figures."""

import json

from notifier_bodies import rule
from scenario import Scenario

from tidemark_notifier.delivery.mail_content import MailNotification, build_view, format_subject
from tidemark_notifier.delivery.snapshot_text import build_contract_link
from tidemark_notifier.evaluation.addressees import Addressee
from tidemark_notifier.evaluation.snapshot import Snapshot
from tidemark_notifier.language import ENGLISH
from tidemark_shared.domain.examples import PERIOD_RESTATED, STATEMENT
from tidemark_shared.messaging.events import PERIOD_CLOSED
from tidemark_shared.messaging.events import PERIOD_RESTATED as RESTATED
from tidemark_shared.messaging.topics import PERIODS

SETTLED = rule("Settled", trigger={"kind": "period_closed"})


def statement(scenario, number, start, end, consumed=115200):
    figures = {**STATEMENT["figures"], "start": start, "end": end, "consumed": consumed}
    account = {**STATEMENT["accounts"][0], "consumed": consumed}
    return {
        **STATEMENT, "contract_id": scenario.contract, "number": number, "figures": figures, "accounts": [account],
    }  # fmt: skip


async def notified(pool):
    rows = await pool.fetch("SELECT rule_name, period_start::text, snapshot FROM notifications ORDER BY id")
    return [(row["rule_name"], row["period_start"]) for row in rows], [json.loads(row["snapshot"]) for row in rows]


async def test_each_settled_period_is_notified_once_with_the_figures_of_its_statement(pool):
    scenario = Scenario(pool)
    february = statement(scenario, 1, "2026-02-01", "2026-02-28")
    march = statement(scenario, 2, "2026-03-01", "2026-03-31", 145800)
    april = statement(scenario, 3, "2026-04-01", "2026-04-30")
    # The statement may come before the contract.
    await scenario.handle(PERIODS, PERIOD_CLOSED, [february])
    await scenario.start()
    await scenario.store_balances(scenario.balance(1))
    await scenario.create_rule(SETTLED)
    assert (await notified(pool))[0] == [("Settled", "2026-02-01")]
    for periods in ([february, march], [march, april], [april]):
        await scenario.handle(PERIODS, PERIOD_CLOSED, periods)
    await scenario.handle(PERIODS, RESTATED, [{**PERIOD_RESTATED, "contract_id": scenario.contract}])
    await scenario.store_balances(scenario.balance(9, 1))
    keys, snapshots = await notified(pool)
    assert keys == [("Settled", "2026-02-01"), ("Settled", "2026-03-01"), ("Settled", "2026-04-01")]
    # A later rule tells of the last period alone, or of none.
    await scenario.create_rule({**SETTLED, "name": "Later"})
    await scenario.create_rule({**SETTLED, "name": "Later still", "existing": "skip"})
    assert (await notified(pool))[0][3:] == [("Later", "2026-04-01")]
    assert await pool.fetchval("SELECT jsonb_array_length(closed_periods) FROM contracts") == 1

    snapshot = Snapshot.model_validate(snapshots[1])
    assert [(account.name, account.consumed) for account in snapshot.accounts] == [("Help desk", 145800)]
    assert snapshot.reason == (
        "40 h 30 min of 40 h used in March 2026. The period is settled: later changes are listed in the next statement."
    )
    owner = Addressee(email="olga@provider.example", name="Olga", kind="owner")
    mail = [MailNotification(scenario.contract, snapshot, owner)]
    assert format_subject(mail, ENGLISH).startswith("Statement: Support 2026, March 2026 [")
    view = build_view(mail, "https://tidemark.example", ENGLISH)
    assert view["consumption"]["figure"] == "40 h 30 min of 40 h used"
    assert build_contract_link(snapshot, "https://tidemark.example").endswith("/statements/2026-03-01")
