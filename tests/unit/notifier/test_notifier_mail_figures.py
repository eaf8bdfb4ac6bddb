"""What a mail says: the headline, the forecast, and the figures with their units."""

from datetime import date

import pytest
from built_mails import CUSTOMER, FORECAST, NO_FIGURES, mail, parse
from notifier_bodies import HOUR
from snapshots import account_line, make_snapshot

from tidemark_notifier.delivery.snapshot_text import build_bar, format_headline
from tidemark_notifier.evaluation.addressees import Addressee
from tidemark_notifier.language import ENGLISH

USED_UP, RUNS_OUT_TODAY = (dict.fromkeys(FORECAST, f"2026-03-{day}") for day in ("03", "15"))


@pytest.mark.parametrize(
    ("kind", "name", "note"),
    [
        ("reminder", "Reminder", "still applies."),
        ("resolved", "Resolved", "no longer applies."),
        ("test", "Test", "nothing has happened"),
    ],
)
def test_reminder_resolution_and_test_are_marked_first(kind, name, note):
    for own in (None, "{percent} of {planned}"):
        parsed, text, html = parse(mail(make_snapshot(kind=kind, subject=own)))
        assert parsed["Subject"].startswith(f"{name}: 80 % ")
        assert text.startswith(f"{name}: t")
        assert f">{name}</span>T" in html
        assert note in text
        assert note in html


@pytest.mark.parametrize(
    ("changes", "headline"),
    [
        ({"trigger": "consumed_percent"}, "80 % used"),
        ({"trigger": "consumed_percent", "percent": None}, "More than 100 % used"),
        ({"trigger": "remaining_hours"}, "8 h left"),
        ({"trigger": "remaining_amount", "unit": "minor", "currency": "EUR", "remaining": 50_000}, "500.00 EUR left"),
        ({"trigger": "overrun", "remaining": -9000}, "2 h 30 min over"),
        ({"trigger": "overrun", "kind": "resolved", "remaining": 3600}, "1 h left"),
        ({"trigger": "expires_in_days", "days_left": 30}, "30 days left"),
        ({"trigger": "expires_in_days", "days_left": 0}, "Ends today"),
        ({"trigger": "expired", "days_left": -1}, "Ended on 31 December 2026"),
        ({"trigger": "status_changed", "status": "INACTIVE", "threshold": "INACTIVE"}, "Now suspended"),
        ({"trigger": "unaccounted_work", "unaccounted_seconds": 5400}, "1 h 30 min not counted"),
        ({"trigger": "forecast_exhausts", "forecast": FORECAST}, "Runs out on 24 March 2026"),
        ({"trigger": "forecast_exhausts", "kind": "resolved"}, "Lasts until the end"),
        ({"trigger": "forecast_exhausts", "forecast": USED_UP, "remaining": -1}, "Used up on 3 March 2026"),
        ({"trigger": "forecast_exhausts", "forecast": USED_UP}, "Expected to run out on 3 March 2026"),
        ({"trigger": "forecast_exhausts", "forecast": RUNS_OUT_TODAY}, "Runs out today"),
        ({"trigger": "forecast_exhausts", "forecast": RUNS_OUT_TODAY, "remaining": 0}, "Used up today"),
        ({"trigger": "overrun", "remaining": -1, "percent": "100"}, "1 s over"),
        ({"trigger": "consumed_percent", "remaining": -1, "percent": "100"}, "More than 100 % used"),
        ({"trigger": "consumed_percent", "remaining": 1, "percent": "100"}, "Almost 100 % used"),
        ({"trigger": "consumed_percent", "remaining": 0, "percent": "100"}, "100 % used"),
        ({"trigger": "status_changed", "threshold": "INACTIVE"}, "Was suspended, now active"),
    ],
)
def test_headline_begins_with_the_figure(changes, headline):
    snapshot = make_snapshot(**changes)
    parsed, text, html = parse(mail(snapshot))
    assert format_headline(snapshot) == headline
    assert headline in parsed["Subject"]
    assert f">{headline}</h1>" in html
    assert f"\n{headline}" in f"\n{text}"


@pytest.mark.parametrize(
    ("forecast", "text"),
    [
        (FORECAST | {"high": None}, "runs out on 24 March 2026 at the current pace (20 March 2026 at the earliest)"),
        (dict.fromkeys(FORECAST), "lasts until the end at the current pace"),
    ],
)
def test_forecast_without_an_upper_bound(forecast, text):
    assert f"Forecast: {text}\n" in parse(mail(make_snapshot(forecast=forecast)))[1]


def test_headline_is_not_repeated():
    snapshot = make_snapshot(trigger="overrun", consumed=45 * HOUR, remaining=-5 * HOUR, percent="112.5")
    _, text, html = parse(mail(snapshot))
    assert text.startswith("5 h over: 45 h of 40 h used, 112.5 %.")
    assert html.count("5 h over") == text.count("5 h over") + 1 == 2  # and the title
    second = make_snapshot(trigger="overrun", consumed=40 * HOUR + 1, remaining=-1, percent="100")
    assert parse(mail(second))[1].startswith("1 s over: 40 h 1 s of 40 h used, more than 100 %.")


@pytest.mark.parametrize(
    ("of", "name"),
    [({}, "Budget"), ({"subject_kind": "slice", "account_name": "Help desk", "team_name": "North"}, "Whole contract")],
)
def test_forecast_in_the_past_is_said_in_the_past(of, name):
    def text_of(**forecast):
        return parse(mail(make_snapshot(forecast=dict.fromkeys(FORECAST, "2026-03-13") | forecast, **of)))[1]

    assert f"\n{name}: used up on 13 March 2026\n" in text_of()
    assert f"\n{name}: expected to run out on 13 March 2026\n" in text_of(high="2026-03-20")
    assert "current pace" in text_of(**dict.fromkeys(FORECAST, "2026-03-16"))


def test_forecast_of_the_whole_contract_is_marked_for_an_account():
    snapshot = make_snapshot(forecast=FORECAST, subject_kind="account", account_name="Help desk", remaining=0)
    assert "Whole contract: runs out on" in parse(mail(snapshot))[1]


def test_mail_without_figures_has_no_bar():
    parsed, text, html = parse(mail(make_snapshot(**NO_FIGURES)))
    assert parsed["Subject"] == "30 days left: Support 2026 [ACME-SUP]"
    assert text.startswith("30 days left.\n\nThe contract ends on 31 December 2026")
    assert 'role="img"' not in html
    assert "None" not in text + html


def test_account_overrun_states_the_amount():
    snapshot = make_snapshot(
        subject_kind="account", account_name="Help desk", planned=10 * HOUR, available=10 * HOUR, consumed=15 * HOUR,
        remaining=-5 * HOUR, percent="150",
    )  # fmt: skip
    parsed, text, _ = parse(mail(snapshot))
    assert parsed["Subject"] == "150 % used: Support 2026, Help desk, March 2026 [ACME-SUP]"
    assert "15 h of 10 h, 5 h over." in text
    assert "[#############!!!!!!!]" in text


def test_slice_names_its_team():
    parsed, text, _ = parse(mail(make_snapshot(subject_kind="slice", account_name="Help desk", team_name="North")))
    assert parsed["Subject"] == "80 % used: Support 2026, Help desk, North, March 2026 [ACME-SUP]"
    assert "Account: Help desk\nTeam: North\n" in text


def test_carried_hours_are_shown():
    snapshot = make_snapshot(available=50 * HOUR, consumed=40 * HOUR, remaining=10 * HOUR)
    _, text, _ = parse(mail(snapshot))
    assert "80 % used: 40 h of 50 h, 10 h left." in text
    assert "Planned: 40 h, and 10 h carried over\n" in text


@pytest.mark.parametrize(
    ("available", "planned"),
    [
        (-5 * HOUR, "40 h, less 45 h overdrawn from the period before"),
        (0, "40 h, less 40 h overdrawn from the period before"),
    ],
)
def test_nothing_available_is_said_in_words(available, planned):
    own = {"subject": "{consumed} of {available}"}
    snapshot = make_snapshot(available=available, consumed=HOUR, remaining=available - HOUR, percent=None, **own)
    parsed, text, _ = parse(mail(snapshot))
    over = ENGLISH.format_quantity(HOUR - available, None)
    assert text.startswith(f"More than 100 % used: 1 h used, {over} over.\n[!!!")
    assert f"Planned: {planned}\n" in text
    assert parsed["Subject"] == "1 h of 0 h"


def test_fixed_price_is_shown_in_its_currency():
    snapshot = make_snapshot(
        unit="minor", currency="JPY", planned=1_000_000, available=1_000_000, consumed=800_000, remaining=200_000,
        accounts=[account_line("Build", 1_000_000, 800_000)],
    )  # fmt: skip
    _, text, _ = parse(mail(snapshot))
    assert text.startswith("80 % used: 800,000 JPY of 1,000,000 JPY, 200,000 JPY left.")
    assert "Build: 800,000 JPY of 1,000,000 JPY" in text


def test_team_member_mail_states_the_reason():
    member = Addressee(email="sam@provider.example.com", name="Sam", kind="team", team="North")
    assert "You are a member of the team North." in parse(mail(addressee=member))[1]


def test_international_domain_is_sent_in_ascii():
    parsed, _, _ = parse(mail(addressee=CUSTOMER.model_copy(update={"email": "ann@bücher.example.com"})))
    assert parsed["To"].addresses[0].addr_spec == "ann@xn--bcher-kva.example.com"


@pytest.mark.parametrize(
    ("value", "currency", "shown"),
    [
        (0, None, "0 h"),
        (115_200, None, "32 h"),
        (115_199, None, "31 h 59 min 59 s"),
        (-5_400, None, "-1 h 30 min"),
        (3_600_000_000, None, "1,000,000 h"),
        (123_456, "EUR", "1,234.56 EUR"),
        (-5, "EUR", "-0.05 EUR"),
        (500, "JPY", "500 JPY"),
        (1_234, "KWD", "1.234 KWD"),
    ],
)
def test_quantity_is_formatted(value, currency, shown):
    assert ENGLISH.format_quantity(value, currency) == shown


@pytest.mark.parametrize(
    ("start", "end", "shown"),
    [
        (date(2026, 3, 1), date(2026, 3, 31), "March 2026"),
        (date(2024, 2, 1), date(2024, 2, 29), "February 2024"),
        (date(2026, 12, 1), date(2026, 12, 31), "December 2026"),
        (date(2026, 3, 1), date(2026, 3, 30), "1 March to 30 March 2026"),
        (date(2026, 1, 15), date(2026, 2, 14), "15 January to 14 February 2026"),
        (date(2026, 12, 15), date(2027, 1, 14), "15 December 2026 to 14 January 2027"),
        (date(2026, 3, 1), date(2027, 3, 31), "1 March 2026 to 31 March 2027"),
    ],
)
def test_period_is_formatted(start, end, shown):
    assert ENGLISH.format_period(start, end) == shown


@pytest.mark.parametrize(
    ("consumed", "available", "shares"),
    [(0, 10, (0, 0, 100)), (8, 10, (80, 0, 20)), (10, 10, (100, 0, 0)), (20, 10, (50, 50, 0)), (5, 0, (0, 100, 0)),
     (5, -9, (0, 100, 0)), (0, 0, (0, 0, 100))],
)  # fmt: skip
def test_bar_fills_its_line(consumed, available, shares):
    assert build_bar(consumed, available) == shares
    assert len(str(build_bar(consumed, available))) == 22
