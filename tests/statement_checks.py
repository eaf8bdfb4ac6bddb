"""What holds of statements after any history (SPEC 10): compared with the reference, and with what was published."""

import json
from datetime import date, timedelta
from hashlib import sha256

import rfc8785
from reference.reports import Model
from reference.restatements import settlements

from tidemark_consumption.projection.statements import settle

# Long enough for every period of a history to be over or not, and short enough for some that are not.
SETTLED_AFTER = timedelta(days=70)


async def settle_all(connection, now):
    """Freeze everything that is settled, as the projector does."""
    while await settle(connection, now):
        pass


async def published(connection):
    """The data of the events of ``consumption.periods`` that wait in the outbox: of statements, and of restatements."""
    rows = await connection.fetch(
        "SELECT key, headers, value FROM outbox WHERE topic = 'consumption.periods' ORDER BY id"
    )
    events = []
    for row in rows:
        data, headers = (
            json.loads(row["value"]),
            {name: bytes.fromhex(text) for name, text in json.loads(row["headers"])},
        )
        assert row["key"].decode() == data["contract_id"]
        events.append((headers["ce_type"].decode().split(".")[2], data))
    return [data for kind, data in events if kind == "closed"], [data for kind, data in events if kind == "restated"]


async def check_statements(connection, facts):
    """Settle, and check every statement. Returns the statements and restatements as they were published."""
    until = facts[-1].learned_at + SETTLED_AFTER
    await settle_all(connection, until)
    statements, restatements = await published(connection)
    _, expected = settlements(facts, until)
    keys = [(statement["contract_id"], statement["figures"]["start"]) for statement in statements]
    assert len(set(keys)) == len(keys), "a period was frozen twice"
    assert set(keys) == {(contract_id, str(start)) for contract_id, start in expected}
    for (contract_id, start), body in expected.items():
        statement = statements[keys.index((contract_id, str(start)))]
        assert without_names(statement) == body
    check_digests(statements)
    stored = await connection.fetch("SELECT contract_id, period_start, body, sha256 FROM statements")
    assert {(str(row["contract_id"]), str(row["period_start"])): row["sha256"] for row in stored} == {
        key: statement["sha256"] for key, statement in zip(keys, statements, strict=True)
    }
    assert all(sha256(row["body"].encode()).hexdigest() == row["sha256"] for row in stored)
    check_today(Model(facts), statements, restatements)
    return statements, restatements


def without_names(statement):
    """The figures of a statement as the reference has them."""
    added = {"seconds", "amount_minor", "team_name"}
    return {
        "figures": without(statement["figures"], added),
        "accounts": [
            {
                **without(account, added),
                "slices": [without(slice_, added) for slice_ in account["slices"]],
            }
            for account in statement["accounts"]
        ],
    }


def without(members, names):
    return {name: value for name, value in members.items() if name not in names}


def check_digests(statements):
    """Each says the SHA-256 of its canonical JSON, and the contract's statements are numbered in their order."""
    numbers = {}
    for statement in statements:
        digest = sha256(rfc8785.dumps(without(statement, {"sha256"}))).hexdigest()
        assert digest == statement["sha256"]
        numbers.setdefault(statement["contract_id"], []).append(statement["number"])
    for numbered in numbers.values():
        assert numbered == list(range(1, len(numbered) + 1))


def check_today(model, statements, restatements):
    """A statement and its restatements give today's figures of every account, to the second and the minor unit."""
    for statement in statements:
        figures = {
            account["account_id"]: (account["seconds"], account["amount_minor"] or 0)
            for account in statement["accounts"]
        }
        later = [row for row in restatements if row["statement_sha256"] == statement["sha256"]]
        for row in later:
            before = row["before_seconds"], row["before_amount_minor"] or 0
            assert figures.get(row["account_id"], (0, 0)) == before, "a restatement begins where the one before ended"
            figures[row["account_id"]] = row["after_seconds"], row["after_amount_minor"] or 0
        contract_id = statement["contract_id"]
        terms = model.contracts_by_id[contract_id]["terms"]
        for account_id in {*figures, *(account["id"] for account in terms["accounts"])}:
            seconds, amount = today(model, contract_id, account_id, statement["figures"]["start"])
            assert figures.get(account_id, (0, 0)) == (seconds, amount or 0)


def today(model, contract_id, account_id, start):
    return model.figure(contract_id, account_id, date.fromisoformat(start))
