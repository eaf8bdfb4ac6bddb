"""The demo on any day: 60 hours of work in one period and in the past, and a valid portfolio of other customers."""

from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from mailbox import Maildir
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemark.demo import run
from tidemark.demo.acme import ACCOUNTS, DAYS, DAYS_BEFORE_OFFER, WORKING_DAYS, work
from tidemark.demo.contracts import TEAMS, build_contracts
from tidemark.demo.portfolio import build_events
from tidemark.demo.story import read_mail, read_text
from tidemark_contracts.contract.draft import parse_contract
from tidemark_contracts.contract.rules import DecisionContext, contract_violations
from tidemark_shared.domain.calendar import split_into_periods
from tidemark_shared.settings import Settings


@given(st.dates(date(2020, 1, 1), date(2060, 1, 1)))
def test_demo_bills_sixty_hours_in_one_past_period(start: date) -> None:
    done = list(work(start))
    assert len(done) == WORKING_DAYS
    hours: dict[str, list[float]] = {name: [0, 0] for name in ACCOUNTS}
    for number, (_, logs) in enumerate(done):
        for account, _, minutes in logs:
            hours[account][number >= DAYS_BEFORE_OFFER] += minutes / 60
    # 32 h are 80 % of 40; 20 h more for the help desk, and all is used and nothing is over.
    assert hours["Help desk"][0] + hours["Changes"][0] == 32
    assert (sum(hours["Help desk"]), sum(hours["Changes"])) == (25 + 20, 15)
    first = split_into_periods("monthly", start, start + timedelta(days=364))[0]
    assert all(first.start <= day <= min(first.end, start + timedelta(days=DAYS - 1)) for day, _ in done)


def test_demo_accounts_follow_the_contract_rules() -> None:
    assert sum(account["hours"] for account in ACCOUNTS.values() if account["billable"]) == 40
    assert all(sum(account["slices"].values()) == account["hours"] for account in ACCOUNTS.values())


@given(st.dates(date(2020, 1, 1), date(2060, 1, 1)))
def test_contracts_of_the_portfolio_are_valid_and_their_work_is_in_the_past(today: date) -> None:
    organization, teams = uuid4(), {name: str(uuid4()) for name in TEAMS}
    context = DecisionContext(
        now=datetime.combine(today, datetime.min.time(), UTC), actor="demo", organizations=frozenset({organization}),
        teams=frozenset(map(UUID, teams.values())),
    )  # fmt: skip
    for contract in build_contracts(today):
        body = parse_contract(contract.body(str(organization), teams))
        assert contract_violations(body, context, complete=True) == []
        worklogs = [event["data"] for event in build_events(contract, today) if "seconds" in event["data"]]
        assert len({worklog["worklog_id"] for worklog in worklogs}) == len(worklogs)
        for worklog in worklogs:
            assert contract.start.isoformat() <= worklog["started_at"] < (today + timedelta(days=1)).isoformat()
            assert 0 < worklog["seconds"] <= 12 * 3600


def test_mail_is_found_by_its_message_id(tmp_path: Path) -> None:
    maildir = Maildir(tmp_path / "mail")
    for message in ("one", "two"):
        mail = EmailMessage()
        mail["Message-ID"] = f"<{message}@tidemark>"
        mail["Subject"] = message
        maildir.add(mail)
    mail_of_two = read_mail(tmp_path / "mail", "two")
    assert mail_of_two is not None
    assert mail_of_two["Subject"] == "two"
    assert read_mail(tmp_path / "mail", "three") is None


def test_text_of_a_mail_has_the_line_ends_of_a_terminal() -> None:
    headers = b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n"
    raw = headers + b"\r\nb25lDQp0d28NCg==\r\n"
    assert read_text(message_from_bytes(raw, policy=policy.default)) == "one\ntwo\n"


def test_demo_that_stops_says_why_and_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(Settings(api_url="http://127.0.0.1:9"), tmp_path)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("The demo stopped: Cannot reach the API at http://127.0.0.1:9")
    assert last.endswith(" Start Tidemark, or set TIDEMARK_API_URL. The next start with --demo continues it.")
