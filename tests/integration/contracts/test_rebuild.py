"""Rebuild of the read model: the same rows from the events, whatever was corrupted."""

import os
import sys
from asyncio import create_subprocess_exec, create_task, gather
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
from contracts_api import (
    create_active_contract,
    create_draft,
    create_organization,
    expect_status,
    post_action,
    put_change,
)
from polling import wait_until

from tidemark_contracts.contract import rebuild, store

TABLES = {
    "contracts": "SELECT * FROM contracts ORDER BY id",
    "offers": "SELECT * FROM offers ORDER BY id",
    "contract_references": "SELECT * FROM contract_references ORDER BY contract_id, entity_id",
}


async def rows(pool):
    return {table: [dict(row) for row in await pool.fetch(query)] for table, query in TABLES.items()}


@pytest.fixture
async def contracts(api):
    """Contracts in every status, changed and renewed, in time zones that skip midnight."""
    first = await create_draft(api, code="DRAFT")
    await expect_status(
        put_change(api, "/contracts/DRAFT", first | {"organization_id": await create_organization(api)}, 1), 200
    )
    await create_active_contract(
        api, code="ACTIVE", timezone="America/Sao_Paulo", start_date="2018-01-01", end_date="2099-11-03"
    )
    offer = {"contract": "ACTIVE", "account_id": "Help desk", "period_start": "2018-01-01", "hours": "5", "reason": "r"}
    offers = [(await expect_status(api.post("/offers", json=offer), 201)).json() for _ in range(5)]
    for number, (action, body) in enumerate((("accept", {"name": "Ann"}), ("withdraw", {"reason": "r"}))):
        path = f"/offers/{offers[number]['id']}/{action}"
        await expect_status(api.post(path, json=body, headers={"if-match": "*"}), 200)
    await create_active_contract(
        api, code="EXPIRED", timezone="Africa/Cairo", start_date="2023-01-01", end_date="2023-04-27"
    )
    await expect_status(post_action(api, "EXPIRED", "renew", 3, {"code": "RENEWED"}), 201)
    for action, code in (("suspend", "INACTIVE"), ("close", "CLOSED")):
        await create_active_contract(api, code=code)
        await expect_status(post_action(api, code, action, 2, {"reason": "r"}), 200)
    await create_draft(api, code="GONE")
    await expect_status(api.delete("/contracts/GONE", headers={"if-match": '"1"'}), 204)
    await create_draft(api, code="GONE")


@pytest.mark.parametrize(
    "corruption",
    [
        "UPDATE contracts SET status = 'CLOSED', version = 99, name = 'wrong', ends_at = now(), body = '{}'",
        "UPDATE contracts SET code = code || '?', renewed_from = NULL, renewed_as = NULL",
        "DELETE FROM contracts WHERE code <> 'DRAFT'",
        "DELETE FROM contract_references",
        "UPDATE offers SET status = 'expired', version = 9, body = '{}', updated_at = now()",
        "DELETE FROM offers WHERE status = 'open'",
        "INSERT INTO contract_references SELECT c.id, d.id FROM contracts AS c, directory AS d ON CONFLICT DO NOTHING",
        """INSERT INTO contracts SELECT (jsonb_populate_record(c, jsonb_build_object('id', uuidv7(), 'code', 'X'))).*
           FROM contracts AS c WHERE code = 'DRAFT'""",
        "SELECT 1",
    ],
)
@pytest.mark.usefixtures("contracts")
async def test_rebuild_restores_corrupted_rows(pool, settings, monkeypatch, corruption):
    monkeypatch.setattr(rebuild, "_BATCH_SIZE", 3)
    before = await rows(pool)
    assert len(before["contracts"]) == 7
    await pool.execute(corruption)
    assert (await rows(pool) != before) == (corruption != "SELECT 1")
    assert await rebuild.rebuild(settings.database_url) == 7
    assert await rows(pool) == before


async def test_rebuild_without_events_creates_no_rows(settings):
    assert await rebuild.rebuild(settings.database_url) == 0


async def test_events_appended_during_a_rebuild_are_kept(api, pool, settings):
    draft = await create_draft(api)
    for version in range(1, 6):
        changed = put_change(api, "/contracts/ACME-SUP", draft | {"name": f"Version {version + 1}"}, version)
        rebuilt, answer = await gather(rebuild.rebuild(settings.database_url), changed)
        assert (rebuilt, answer.status_code) == (1, 200)
    (row,) = (await rows(pool))["contracts"]
    assert (row["version"], row["name"]) == (6, "Version 6")


async def test_draft_discarded_during_a_rebuild_stays_deleted(api, pool, settings, monkeypatch):
    await create_draft(api)
    discarding = []
    save = store.save_contracts

    async def save_while_somebody_discards(connection, states):
        discarding.append(create_task(api.delete("/contracts/ACME-SUP", headers={"if-match": '"1"'})))
        await wait_until(
            lambda: pool.fetchval(
                "SELECT count(*) > 0 FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
        )
        await save(connection, states)

    monkeypatch.setattr(store, "save_contracts", save_while_somebody_discards)
    await rebuild.rebuild(settings.database_url)
    assert (await discarding[0]).status_code == 204
    assert (await rows(pool))["contracts"] == []


async def test_rebuild_command_restores_rows(api, pool, settings, tmp_path):
    await create_draft(api)
    before = await rows(pool)
    await pool.execute("UPDATE contracts SET name = 'wrong'")
    command = await create_subprocess_exec(
        Path(sys.executable).with_name("tidemark"), "rebuild", "contracts", "--data-dir", tmp_path,
        env=os.environ | {"TIDEMARK_DATABASE_URL": settings.database_url}, stdout=PIPE,
    )  # fmt: skip
    assert (await command.communicate(), command.returncode) == ((b"Contracts rebuilt: 1\n", None), 0)
    assert await rows(pool) == before
