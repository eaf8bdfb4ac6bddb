from datetime import date
from uuid import UUID

from notifier_bodies import HOUR, account, balance, evaluation_input, organization, rule, stored_rule, uid

from tidemark_notifier.evaluation.addressees import resolve_addressees


def test_each_address_resolves_once_and_the_owner_as_owner():
    contract = evaluation_input(
        balance(uid("contract")),
        organization_body=organization(
            contacts=[("Olga@Provider.example.com", "billing"), ("ann@acme.example.com", "billing"),
                      ("bob@acme.example.com", "delivery")]
        ),
    )  # fmt: skip
    duplicates = rule(
        receivers=[
            {"kind": "address", "email": "ann@acme.example.com"},
            {"kind": "contacts", "role": "billing"},
            {"kind": "owner"},
        ]
    )
    addressees = resolve_addressees(stored_rule(duplicates), contract, date(2026, 3, 15), None)
    assert [(addressee.email, addressee.kind) for addressee in addressees] == [
        ("olga@provider.example.com", "owner"),
        ("ann@acme.example.com", "address"),
    ]
    unresolved = stored_rule(rule(receivers=[{"kind": "contacts", "role": "nobody"}]))
    assert resolve_addressees(unresolved, contract, date(2026, 3, 15), None) == []


def test_webhooks_resolve_by_their_exact_url():
    hooks = [
        {"kind": "webhook", "url": url, "secret": "whsec_" + "QUJD" * 8}
        for url in ("https://hooks.example.com/A", "https://hooks.example.com/a")
    ]
    webhook_rule = stored_rule(rule(receivers=[*hooks, {"kind": "owner"}]) | {"channels": ["email", "webhook"]})
    addressees = resolve_addressees(webhook_rule, evaluation_input(balance(uid("contract"))), date(2026, 3, 15), None)
    assert [(addressee.channel, addressee.receiver, addressee.secret) for addressee in addressees] == [
        ("email", "olga@provider.example.com", None),
        *(("webhook", hook["url"], hook["secret"]) for hook in hooks),
    ]


def test_contacts_are_not_notified_of_an_account_that_is_not_billable():
    period = ("2026-03-01", "2026-03-31")
    accounts = [
        account("Help desk", 40 * HOUR, 0, period=period),
        account("Training", 5 * HOUR, 5 * HOUR, period=period, billable=False),
    ]
    contract = evaluation_input(balance(uid("contract"), accounts=accounts))
    account_rule = stored_rule(
        rule(of="account", receivers=[{"kind": "owner"}, {"kind": "contacts", "role": "billing"}])
    )

    def kinds(name):
        addressees = resolve_addressees(account_rule, contract, date(2026, 3, 15), name and UUID(uid(name)))
        return [addressee.kind for addressee in addressees]

    assert (kinds("Training"), kinds("Help desk"), kinds(None)) == (
        ["owner"],
        ["owner", "contacts"],
        ["owner", "contacts"],
    )
