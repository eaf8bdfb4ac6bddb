"""Notifications that were raised together for one receiver are one mail."""

from datetime import date
from itertools import permutations
from uuid import UUID

import pytest
from built_mails import CUSTOMER, OWNER, mail_of, parse
from notifier_bodies import HOUR, uid
from snapshots import account_line, make_snapshot

from tidemark_notifier.delivery.mail_content import MailNotification
from tidemark_notifier.evaluation.addressees import Addressee

OVER = {"consumed": 41 * HOUR, "remaining": -HOUR, "percent": "102.5"}
OVERRUN = make_snapshot(
    trigger="overrun", threshold=None, rule_name="Overrun",
    **OVER,
)  # fmt: skip
PERCENT = make_snapshot(rule_name="Warn", threshold="100", **OVER)
ACCOUNT = make_snapshot(
    subject_kind="account", account_name="Changes", planned=10 * HOUR, available=10 * HOUR, consumed=9 * HOUR,
    remaining=HOUR, percent="90", rule_name="Accounts",
    scope="contract", accounts=[account_line("Changes", 10 * HOUR, 9 * HOUR, billable=False, evaluated=True)],
)  # fmt: skip
EXPIRY = make_snapshot(
    trigger="expires_in_days", threshold="30", days_left=30,
    rule_name="Ends", period_start=None, period_end=None,
)  # fmt: skip
RESOLVED = make_snapshot(kind="resolved", planned=60 * HOUR, available=60 * HOUR)


def together(*snapshots, addressee=OWNER):
    return mail_of(
        *(
            MailNotification(UUID(uid(snapshot.reason)), snapshot, addressee)
            if isinstance(addressee, Addressee)
            else MailNotification(UUID(uid(snapshot.reason)), snapshot, addressee.pop(0))
            for snapshot in snapshots
        )
    )


def test_every_notification_is_listed_the_most_urgent_first_in_any_order():
    mails = [together(*snapshots) for snapshots in permutations([OVERRUN, PERCENT, ACCOUNT, EXPIRY, RESOLVED])]
    assert len({mail.as_bytes() for mail in mails}) == 1
    parsed, text, html = parse(mails[0])
    assert parsed["Subject"] == "1 h over (and 4 more): Support 2026, March 2026 [ACME-SUP]"
    assert parsed.get_all("X-Tidemark-Notification") == [
        uid(snapshot.reason) for snapshot in (OVERRUN, PERCENT, ACCOUNT, EXPIRY, RESOLVED)
    ]
    assert text.startswith("1 h over: 41 h of 40 h used, 102.5 %.\n[###################!]\n\n")
    assert (
        "Also:\n"
        "- 41 h of 40 h used in March 2026 (100 % reached).\n"
        "- Changes: 9 h of 10 h used in March 2026 (80 % reached).\n"
        "  [##################--]\n"
        "- The contract ends on 31 December 2026 (30 days left).\n"
        "- Resolved: 32 h of 60 h used in March 2026 (back below 80 %).\n\n"
    ) in text
    for snapshot in (OVERRUN, PERCENT, ACCOUNT, EXPIRY, RESOLVED):
        assert snapshot.reason in html
    assert html.count('role="img"') == 3  # the contract, Changes, and the account below
    assert "The global rules “Overrun”, “Warn”, “Ends” and “Warn <b>” and the contract rule “Accounts” notify" in text


def test_several_resolutions_are_one_resolved_mail():
    parsed, text, _ = parse(together(RESOLVED, RESOLVED.model_copy(update={"reason": "Another."})))
    assert parsed["Subject"].startswith("Resolved: 80 % used (and 1 more): ")
    assert text.startswith("Resolved: the alert at 80 % no longer applies.\n\n80 % used")
    assert "- Resolved: " in text


def test_current_period_comes_before_the_previous_one():
    days = {"period_start": date(2026, 2, 1), "period_end": date(2026, 2, 28)}
    february = PERCENT.model_copy(update={**days, "reason": "In February."})
    _, text, _ = parse(together(february, PERCENT))
    assert text.index("(100 % reached)") < text.index("used in February 2026 (100 % reached).\n  [")


def test_own_subject_and_openings_are_kept():
    first = OVERRUN.model_copy(update={"subject": "{contract_code} is over", "opening": "Dear Acme,\ncall us."})
    second = EXPIRY.model_copy(update={"opening": "Renew in time:\nask {organization}."})
    parsed, text, html = parse(together(second, first))
    assert parsed["Subject"] == "ACME-SUP is over (and 1 more)"
    assert text.startswith("Dear Acme,\ncall us.\n\n1 h over")
    assert "- Renew in time:\n  ask Acme.\n  The contract ends on" in text
    assert "Renew in time:<br>ask Acme.<br>The contract ends" in html


def test_customer_sees_no_account_that_is_not_billable_unless_one_notification_is_about_it():
    accounts = [
        account_line("Help desk", HOUR, 0), account_line("Changes", HOUR, 0, billable=False),
        account_line("Internal", HOUR, 0, billable=False),
    ]  # fmt: skip
    first = OVERRUN.model_copy(update={"accounts": tuple(make_snapshot(accounts=accounts).accounts)})
    text = parse(together(first, ACCOUNT, addressee=CUSTOMER))[1]
    assert "- Changes (not billable): 0 h of 1 h" in text
    assert "Internal" not in text + parse(together(first, EXPIRY, addressee=CUSTOMER))[1]
    assert "rule" not in text


@pytest.mark.parametrize("owner_first", [True, False])
def test_receiver_of_several_rules_is_told_each_reason_once(owner_first):
    address = Addressee(email="olga@provider.example.com", kind="address")
    kinds = [OWNER, address] if owner_first else [address, OWNER]
    parsed, text, _ = parse(together(OVERRUN, EXPIRY, addressee=kinds))
    assert "You own this contract. The global rule “" in text
    assert "This address receives" not in text
    assert parsed["To"].addresses[0].display_name == "Olga"
    contacts = [CUSTOMER, CUSTOMER.model_copy(update={"role": "delivery"}), CUSTOMER]
    _, text, _ = parse(together(OVERRUN, EXPIRY, RESOLVED, addressee=contacts))
    assert "You are a contact of Acme (billing). You are a contact of Acme (delivery).\n" in text
