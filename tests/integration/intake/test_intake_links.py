"""Which contract and account a tracker's work is linked to: by the rules of the file, and once for a site."""

import json
import os
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import pytest
from tracker_fakes import JiraDataCenterFake, JiraFake, TempoFake
from tracker_site import ENVIRONMENT, Site, add, open_site, source_of
from tracker_state import Fake

from tidemark.cli.intake import preview_links
from tidemark_intake.app import register
from tidemark_intake.configuration import LinkRule, Secret
from tidemark_intake.trackers.registry import open_tracker
from tidemark_shared.database import Pool
from tidemark_shared.settings import InvalidSettingError


async def test_rules_that_change_link_all_issues_again(site: Site) -> None:
    """Given published work, long ago, when the rules of the file are changed, then its issues are linked by them."""
    add(site.fake, 1, project="7")
    add(site.fake, 2, project="8", started=datetime(2026, 2, 2, 9, tzinfo=UTC))
    await site.settle()
    issues = set(await site.links())
    assert set((await site.links()).values()) == {("ACME", "Help")}
    site.fake.now += timedelta(days=400)
    attribute = "issue" if site.fake.kind == "tempo" else "project"
    site.source = site.source.model_copy(
        update={"rule": (LinkRule(contract="OTHER", account="Dev", match={attribute: "*"}),)}
    )
    site.restart()
    await site.settle()
    assert await site.links() == dict.fromkeys(issues, ("OTHER", "Dev"))


@pytest.mark.parametrize("fake_type", [JiraFake, JiraDataCenterFake])
async def test_rule_by_jql_links_the_issues_that_match(fake_type: type[Fake], intake_pool: Pool) -> None:
    rules = (
        LinkRule(contract="SEVEN", account="Help", match={"jql": "key = K-7"}),
        LinkRule(contract="REST", account="Help", match={"project": "*"}),
    )
    fake = fake_type()
    async with open_site(fake, intake_pool, rule=rules) as site:
        add(fake, 1, project="7")
        add(fake, 2, project="8")
        await site.settle()
        assert await site.links() == {"7": ("SEVEN", "Help"), "8": ("REST", "Help")}


async def test_tempo_account_is_the_account_and_jira_has_the_project(intake_pool: Pool) -> None:
    """Given Tempo with a Jira site, when worklogs of one issue have two accounts, then each counts in its own."""
    fake = TempoFake()
    rules = (LinkRule(contract="ACME", match={"project": "K"}),)
    token = Secret(env="SITE_TOKEN")
    async with open_site(fake, intake_pool, account_field="_Account_", rule=rules, site_token=token) as site:
        add(fake, 1, account="DEV")
        add(fake, 2, account="OPS")
        await site.settle()
        assert await site.links() == {"7/DEV": ("ACME", "DEV"), "7/OPS": ("ACME", "OPS")}
        assert {issue for issue, *_ in (await site.published()).values()} == {"7/DEV", "7/OPS"}


async def test_preview_says_where_work_would_belong_and_publishes_nothing(site: Site) -> None:
    """Given an issue, or an entry of a tracker without issues, then its link is shown with the rule; and one that does
    not exist, or whose timer runs, says so."""
    add(site.fake, 1)
    add(site.fake, 2, running=True)
    name = "1" if site.source.has_entries else "7"
    (shown, *others) = await preview_links(
        site.tracker, site.source, [name, *(["2"] if site.source.has_entries else [])]
    )
    assert (shown["contract"], shown["account"], shown["why"]) == ("ACME", "Help", "rule 1")
    # Toggl's Reports API leaves out running timers
    why = "The tracker does not show it." if site.source.kind == "toggl" else "It is skipped: running."
    assert all((other["contract"], other["why"]) == (None, why) for other in others)
    if site.source.has_entries:
        [missing] = await preview_links(site.tracker, site.source, ["99"])
        assert (missing["contract"], missing["why"]) == (None, "The tracker does not show it.")
    assert await site.events() == []


@pytest.mark.parametrize(("first", "then"), [(JiraFake, TempoFake), (TempoFake, JiraFake)])
async def test_site_that_is_read_from_another_product_counts_once(
    intake_pool: Pool, first: type[Fake], then: type[Fake]
) -> None:
    """Given a site whose work was read from Jira, when it is to be read from Tempo, or the other way round,
    then that is refused as long as all would count twice, and the new source withdraws what the old one published."""
    site_of = {"jira": {"url": "https://jira.example/"}, "tempo": {"site": "https://Jira.example"}}
    fake = first()
    async with open_site(fake, intake_pool, **site_of[fake.kind]) as old:
        for number in (1, 2):
            add(fake, number)
        await old.settle()
        await old.events()
        await intake_pool.execute("DELETE FROM outbox")
        fake = then(works=fake.works)
        for values in ({}, {"id": "other"}):
            with pytest.raises(InvalidSettingError, match='replaces = "site"'):
                await register(intake_pool, source_of(fake.kind, **site_of[fake.kind], **values))
        source = source_of(fake.kind, **site_of[fake.kind], id="other", replaces="site")
        await register(intake_pool, source)
        with patch.dict(os.environ, ENVIRONMENT):
            async with open_tracker(source, transport=fake.transport()) as tracker:
                new = Site(fake, intake_pool, tracker, source)
                await new.settle()
                events = [(record["topic"], json.loads(record["headers"]), record["value"]) for record in (
                    await intake_pool.fetch("SELECT topic, headers, value FROM outbox ORDER BY id")
                )]  # fmt: skip
                names = [
                    tuple(bytes.fromhex(dict(headers)[name]).decode() for name in ("ce_source", "ce_type"))
                    for _, headers, _ in events
                ]
                deleted, recorded = "tidemark.worklog.deleted.v1", "tidemark.worklog.recorded.v1"
                assert names[:2] == [(old.source.event_source, deleted)] * 2
                assert names.count((source.event_source, recorded)) == 2
                await new.settle()
                assert len(await intake_pool.fetch("SELECT FROM outbox")) == len(events)
