from datetime import date
from uuid import UUID

from notices import HOUR, account, balance, known, organization, rule, stored, uid

from tidemark_notifier.snapshot import addressees


def test_each_address_is_told_once_and_the_owner_as_owner():
    found = known(
        balance(uid("contract")),
        organization_body=organization(
            contacts=[("Olga@Provider.example.com", "billing"), ("ann@acme.example.com", "billing"),
                      ("bob@acme.example.com", "delivery")]
        ),
    )  # fmt: skip
    told = rule(
        receivers=[
            {"kind": "address", "email": "ann@acme.example.com"},
            {"kind": "contacts", "role": "billing"},
            {"kind": "owner"},
        ]
    )
    resolved = addressees(stored(told), found, date(2026, 3, 15), None)
    assert [(one.email, one.kind) for one in resolved] == [
        ("olga@provider.example.com", "owner"),
        ("ann@acme.example.com", "address"),
    ]
    nobody = stored(rule(receivers=[{"kind": "contacts", "role": "nobody"}]))
    assert addressees(nobody, found, date(2026, 3, 15), None) == []


def test_each_webhook_is_told_once_at_its_url_as_it_stands():
    hooks = [
        {"kind": "webhook", "url": url, "secret": "whsec_" + "QUJD" * 8}
        for url in ("https://hooks.example.com/A", "https://hooks.example.com/a")
    ]
    told = stored(rule(receivers=[*hooks, {"kind": "owner"}]) | {"channels": ["email", "webhook"]})
    resolved = addressees(told, known(balance(uid("contract"))), date(2026, 3, 15), None)
    assert [(one.channel, one.receiver, one.secret) for one in resolved] == [
        ("email", "olga@provider.example.com", None),
        *(("webhook", hook["url"], hook["secret"]) for hook in hooks),
    ]


def test_the_customer_is_not_told_of_an_account_that_is_not_billed():
    period = ("2026-03-01", "2026-03-31")
    accounts = [
        account("Help desk", 40 * HOUR, 0, period=period),
        account("Training", 5 * HOUR, 5 * HOUR, period=period, billable=False),
    ]
    found = known(balance(uid("contract"), accounts=accounts))
    told = stored(rule(of="account", receivers=[{"kind": "owner"}, {"kind": "contacts", "role": "billing"}]))

    def kinds(name):
        return [one.kind for one in addressees(told, found, date(2026, 3, 15), name and UUID(uid(name)))]

    assert (kinds("Training"), kinds("Help desk"), kinds(None)) == (
        ["owner"],
        ["owner", "contacts"],
        ["owner", "contacts"],
    )
