"""The trigger `period_closed`: one notification per rule, contract and settled period, with the statement's figures."""

import json
from datetime import UTC, datetime, timedelta

from notifier_bodies import HOUR, rule, uid
from scenario import Scenario

from tidemark_notifier.delivery.mail_content import MailNotification, build_view, format_subject
from tidemark_notifier.delivery.snapshot_text import build_contract_link
from tidemark_notifier.evaluation.addressees import Addressee
from tidemark_notifier.evaluation.snapshot import Snapshot
from tidemark_notifier.language import ENGLISH, get_language
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


def restated(scenario, number, before, after, *, account="Help desk", billable=True):
    return {
        **PERIOD_RESTATED, "contract_id": scenario.contract, "restatement": number, "account_id": uid(account),
        "account_name": account, "billable": billable, "before_seconds": before * HOUR, "after_seconds": after * HOUR,
        "before_amount_minor": None, "after_amount_minor": None, "statement_number": 1, "period_start": "2026-02-01",
        "period_end": "2026-02-28",
    }  # fmt: skip


async def mails(pool):
    rows = await pool.fetch(
        "SELECT snapshot, (SELECT array_agg(receiver ORDER BY receiver) FROM deliveries WHERE notification_id = n.id)"
        " AS receivers FROM notifications AS n WHERE snapshot -> 'corrections' <> '[]' ORDER BY id"
    )
    return [(Snapshot.model_validate_json(row["snapshot"]), row["receivers"]) for row in rows]


async def test_twenty_late_worklogs_are_one_mail_to_both_with_before_and_after(pool):
    scenario = Scenario(pool)
    await scenario.start()
    await scenario.store_balances(scenario.balance(1))
    await scenario.create_rule(SETTLED | {"receivers": [{"kind": "owner"}, {"kind": "contacts", "role": "billing"}]})
    await scenario.handle(PERIODS, PERIOD_CLOSED, [statement(scenario, 1, "2026-02-01", "2026-02-28")])
    start = datetime.now(UTC)
    for number in range(20):
        scenario.now = start + timedelta(minutes=3 * number)
        change = restated(scenario, number + 1, 32 + number, 33 + number)
        # Read twice, and counted once.
        await scenario.handle(PERIODS, RESTATED, [change])
        await scenario.handle(PERIODS, RESTATED, [change])
    # Five minutes after the last one; an hour after the first one, if they do not end.
    await scenario.evaluator.evaluate_due(pool, start + timedelta(minutes=59))
    assert await mails(pool) == []
    await scenario.evaluator.evaluate_due(pool, start + timedelta(minutes=60))
    [(snapshot, receivers)] = await mails(pool)
    assert receivers == ["ann@acme.example.com", "olga@provider.example.com"]
    assert [(line.before, line.after) for line in snapshot.corrections] == [(32 * HOUR, 52 * HOUR)]
    assert await pool.fetchval("SELECT restatements::text FROM contracts") == "[]"
    await scenario.evaluator.evaluate_due(pool, start + timedelta(hours=3))
    assert len(await mails(pool)) == 1


async def test_restatement_mail_says_what_changed_and_links_to_the_statement(pool):
    scenario = Scenario(pool)
    await scenario.start()
    await scenario.store_balances(scenario.balance(1))
    await scenario.create_rule(SETTLED)
    scenario.now = datetime.now(UTC)
    changes = [
        restated(scenario, 1, 32, 36), restated(scenario, 2, 4, 5, account="Internal", billable=False),
        restated(scenario, 3, 1, 2, account="Back and forth"), restated(scenario, 4, 2, 1, account="Back and forth"),
    ]  # fmt: skip
    await scenario.handle(PERIODS, RESTATED, changes)
    await scenario.evaluator.evaluate_due(pool, scenario.now + timedelta(minutes=4))
    assert await mails(pool) == []
    await scenario.evaluator.evaluate_due(pool, scenario.now + timedelta(minutes=5))
    [(snapshot, _)] = await mails(pool)
    assert snapshot.reason == "The statement of February 2026 is corrected: Help desk 32 h → 36 h."
    owner, contact = (Addressee(email="o@p.example", name="Olga", kind=kind) for kind in ("owner", "contacts"))
    mail = [MailNotification(scenario.contract, snapshot, owner)]
    assert format_subject(mail, ENGLISH).startswith("Statement corrected: Support 2026, February 2026 [")
    view = build_view(mail, "https://tidemark.example", ENGLISH)
    assert [(account["name"], account["figure"]) for account in view["accounts"]] == [
        ("Help desk", "32 h → 36 h"), ("Internal (not billable)", "4 h → 5 h")
    ]  # fmt: skip
    assert view["link"].endswith("/statements/2026-02-01")
    assert view["link_label"] == "View the statement"
    view = build_view([mail[0]._replace(addressee=contact)], "https://tidemark.example", get_language("de"))
    assert [account["name"] for account in view["accounts"]] == ["Help desk"]
    assert view["headline"] == "Abrechnung berichtigt"
    assert view["reason"] == "Die Abrechnung für Februar 2026 ist berichtigt (Help desk 32 Std. → 36 Std.)."


async def test_what_changed_back_is_no_mail(pool):
    scenario = Scenario(pool)
    await scenario.start()
    await scenario.store_balances(scenario.balance(1))
    await scenario.create_rule(SETTLED)
    scenario.now = datetime.now(UTC)
    await scenario.handle(PERIODS, RESTATED, [restated(scenario, 1, 32, 36), restated(scenario, 2, 36, 32)])
    await scenario.evaluator.evaluate_due(pool, scenario.now + timedelta(minutes=5))
    assert await mails(pool) == []
    assert await pool.fetchval("SELECT restatements::text FROM contracts") == "[]"


async def test_several_statements_in_one_mail_link_to_their_list(pool):
    scenario = Scenario(pool)
    await scenario.start()
    await scenario.store_balances(scenario.balance(1))
    await scenario.create_rule(SETTLED)
    periods = [statement(scenario, 1, "2026-02-01", "2026-02-28"), statement(scenario, 2, "2026-03-01", "2026-03-31")]
    await scenario.handle(PERIODS, PERIOD_CLOSED, periods)
    snapshots = [Snapshot.model_validate(snapshot) for snapshot in (await notified(pool))[1]]
    owner = Addressee(email="o@p.example", name="Olga", kind="owner")
    notifications = [MailNotification(scenario.contract, snapshot, owner) for snapshot in snapshots]
    view = build_view(notifications, "https://tidemark.example", ENGLISH)
    assert view["link"].endswith("/contracts/ACME-SUP#statements")
    assert view["link_label"] == "View the statements"
    assert await pool.fetchval("SELECT count(DISTINCT message_id) FROM deliveries") == 1


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
