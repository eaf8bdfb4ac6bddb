"""The bodies of requests and responses, as types. Generated from the code (`make docs`)."""
# fmt: off

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

Json = dict[str, Any]


class Account(TypedDict):
    """An account classifies the service inside a contract. The client may choose the `id`."""
    id: str | None
    """The id."""
    name: str
    """The name."""
    billable: bool
    """Whether its work counts towards the contract."""
    planned_hours: str | None
    """Planned hours: a month for a monthly contract, else in total; null for no plan."""
    planned_value_minor: int | None
    """Fixed price: the planned value in minor units; null for no plan."""
    teams: list[str]
    """Teams that work for the account and have no share of their own."""
    slices: list[Slice]
    """Shares of the account for single teams."""


class AccountInput(TypedDict):
    """An account classifies the service inside a contract. The client may choose the `id`."""
    id: NotRequired[str | None]
    """The id."""
    name: str
    """The name."""
    billable: NotRequired[bool]
    """Whether its work counts towards the contract."""
    planned_hours: NotRequired[str | None]
    """Planned hours: a month for a monthly contract, else in total; null for no plan."""
    planned_value_minor: NotRequired[int | None]
    """Fixed price: the planned value in minor units; null for no plan."""
    teams: NotRequired[list[str]]
    """Teams that work for the account and have no share of their own."""
    slices: NotRequired[list[SliceInput]]
    """Shares of the account for single teams."""


class Adjustment(TypedDict):
    """Additional hours (or value), positive or negative, for one account and one period."""
    account_id: str
    """The account's id."""
    period_start: str
    """The first day of the period; null where no period is concerned."""
    hours: str | None
    """Hours as a decimal string, positive or negative."""
    value_minor: int | None
    """Fixed price: an amount in minor units, positive or negative."""
    reason: str
    """Why the amount is adjusted; it appears in the history."""


class AdjustmentInput(TypedDict):
    """Additional hours (or value), positive or negative, for one account and one period."""
    account_id: str
    """The account's id."""
    period_start: str
    """The first day of the period; null where no period is concerned."""
    hours: NotRequired[str | None]
    """Hours as a decimal string, positive or negative."""
    value_minor: NotRequired[int | None]
    """Fixed price: an amount in minor units, positive or negative."""
    reason: str
    """Why, as a text for people."""


class Amendment(TypedDict):
    """The whole contract after the amendment, and the reason for it."""
    code: str
    """The contract's code, unique among contracts."""
    name: str
    """The name."""
    description: NotRequired[str]
    """A text for people."""
    owner: Owner
    """The person at the provider who is responsible."""
    organization_id: str
    """The customer's id."""
    type: Literal["time_and_materials", "fixed_price"]
    """Whether hours are counted, or money at the rates of the rate cards."""
    recurrence: NotRequired[Literal["none", "monthly"]]
    """Whether the contracted amount is for each month, or for the whole contract."""
    start_date: str
    """The first day of the contract, inclusive."""
    end_date: str
    """The last day of the contract, inclusive."""
    timezone: str
    """An IANA time zone such as Europe/Berlin."""
    holidays: NotRequired[str | None]
    """The holiday calendar, such as DE-BE; null for none."""
    contracted_hours: NotRequired[str | None]
    """Hours that the customer has bought: a month for a monthly contract, else in total."""
    contracted_value_minor: NotRequired[int | None]
    """Fixed price: what the customer has bought, in minor units of the currency."""
    currency: NotRequired[str | None]
    """An ISO 4217 code such as EUR; null where hours are counted."""
    rollover: NotRequired[RolloverInput]
    """What happens to unused time and overruns at the end of a period."""
    accounts: NotRequired[list[AccountInput]]
    """The accounts of the contract."""
    adjustments: NotRequired[list[AdjustmentInput]]
    """Additional or withdrawn hours (or value) for single accounts and periods."""
    settle_days: NotRequired[int]
    """Days after a period in which late worklogs are expected."""
    reason: str
    """Why, as a text for people."""


class BatchItem(TypedDict):
    """What became of one contract of the batch."""
    code: str
    """Its code, as it was sent; what stands for one where it is missing."""
    id: str | None
    """The contract's id; null if it is refused."""
    version: int | None
    """The contract's version; null if it is refused."""
    status: Literal["DRAFT", "ACTIVE", "EXPIRED", "INACTIVE", "CLOSED"] | None
    """The contract's status; null if it is refused."""
    violations: list[Violation]
    """Why it is refused, each with its path in the request; empty otherwise."""


class BatchResult(TypedDict):
    """What became of each contract, in the order of the request."""
    created: int
    """How many contracts were created."""
    refused: int
    """How many were refused. Nothing of these is stored."""
    items: list[BatchItem]
    """What became of each, in the order of the request."""


class Confirmation(TypedDict):
    """The price of a request, which the customer then has to accept. Without one the request is accepted."""
    price_minor: NotRequired[int | None]
    """What it costs the customer, in minor units; null where no price is named."""
    price_currency: NotRequired[str | None]
    """The currency of the price."""
    valid_until: NotRequired[str | None]
    """Until when it can be answered; null: 14 days, or until the period ends if sooner."""
    note: NotRequired[str | None]
    """For the customer, beside the reason; null for none."""


class Contact(TypedDict):
    """A person at the customer, with the roles that choose their notifications."""
    name: str
    """The name."""
    email: str
    """An email address."""
    roles: list[str]
    """Roles that rules choose receivers by, such as `billing`."""


class ContactInput(TypedDict):
    """A person at the customer, with the roles that choose their notifications."""
    name: str
    """The name."""
    email: str
    """An email address."""
    roles: NotRequired[list[str]]
    """Roles that rules choose receivers by, such as `billing`."""


class Contract(TypedDict):
    """A contract's current terms, and the contracts that it renews and is renewed as."""
    code: str
    """The contract's code, unique among contracts."""
    name: str
    """The name."""
    description: str
    """A text for people."""
    owner: Owner
    """The person at the provider who is responsible."""
    organization_id: str
    """The customer's id."""
    type: Literal["time_and_materials", "fixed_price"]
    """Whether hours are counted, or money at the rates of the rate cards."""
    recurrence: Literal["none", "monthly"]
    """Whether the contracted amount is for each month, or for the whole contract."""
    start_date: str
    """The first day of the contract, inclusive."""
    end_date: str
    """The last day of the contract, inclusive."""
    timezone: str
    """An IANA time zone such as Europe/Berlin."""
    holidays: str | None
    """The holiday calendar, such as DE-BE; null for none."""
    contracted_hours: str | None
    """Hours that the customer has bought: a month for a monthly contract, else in total."""
    contracted_value_minor: int | None
    """Fixed price: what the customer has bought, in minor units of the currency."""
    currency: str | None
    """An ISO 4217 code such as EUR; null where hours are counted."""
    rollover: Rollover
    """What happens to unused time and overruns at the end of a period."""
    accounts: list[Account]
    """The accounts of the contract."""
    adjustments: list[Adjustment]
    """Additional or withdrawn hours (or value) for single accounts and periods."""
    settle_days: int
    """Days after a period in which late worklogs are expected."""
    id: str
    """The id."""
    version: int
    """Counts the changes; it is the ETag."""
    status: Literal["DRAFT", "ACTIVE", "EXPIRED", "INACTIVE", "CLOSED"]
    """The contract's status."""
    renewed_from: str | None
    """The contract that this one renews; null if it renews none."""
    renewed_as: str | None
    """The contract that renews this one; null if none does."""


class ContractBatch(TypedDict):
    """Contracts to draft, in their order."""
    contracts: list[ContractInput]
    """The contracts, each whole."""
    activate: NotRequired[bool]
    """Whether to activate each of them at once."""


class ContractChanged(TypedDict):
    """Every `tidemark.contract.*` event: the contract's new state, who changed it and why."""
    contract_id: str
    """The contract's id."""
    stream_version: int
    """Counts the contract's events; the highest is current."""
    status: Literal["DRAFT", "ACTIVE", "EXPIRED", "INACTIVE", "CLOSED"] | None
    """null once a draft is discarded"""
    previous_status: Literal["DRAFT", "ACTIVE", "EXPIRED", "INACTIVE", "CLOSED"] | None
    """The status before the event; null for the first event."""
    terms: ContractTerms
    """All terms of the contract."""
    actor: str
    """Who did it: the name of the token, or the name of a service."""
    reason: NotRequired[str | None]
    """Why it was done, as its author says; null if no reason was given."""
    occurred_at: str
    """When it happened."""
    renewed_from: NotRequired[str | None]
    """The contract that this one renews; null if it renews none."""
    renewed_as: NotRequired[str | None]
    """The contract that renews this one; null if none does."""


class ContractInput(TypedDict):
    """The terms of a contract: the body of `POST /v1/contracts` and `terms` of its events."""
    code: str
    """The contract's code, unique among contracts."""
    name: str
    """The name."""
    description: NotRequired[str]
    """A text for people."""
    owner: Owner
    """The person at the provider who is responsible."""
    organization_id: str
    """The customer's id."""
    type: Literal["time_and_materials", "fixed_price"]
    """Whether hours are counted, or money at the rates of the rate cards."""
    recurrence: NotRequired[Literal["none", "monthly"]]
    """Whether the contracted amount is for each month, or for the whole contract."""
    start_date: str
    """The first day of the contract, inclusive."""
    end_date: str
    """The last day of the contract, inclusive."""
    timezone: str
    """An IANA time zone such as Europe/Berlin."""
    holidays: NotRequired[str | None]
    """The holiday calendar, such as DE-BE; null for none."""
    contracted_hours: NotRequired[str | None]
    """Hours that the customer has bought: a month for a monthly contract, else in total."""
    contracted_value_minor: NotRequired[int | None]
    """Fixed price: what the customer has bought, in minor units of the currency."""
    currency: NotRequired[str | None]
    """An ISO 4217 code such as EUR; null where hours are counted."""
    rollover: NotRequired[RolloverInput]
    """What happens to unused time and overruns at the end of a period."""
    accounts: NotRequired[list[AccountInput]]
    """The accounts of the contract."""
    adjustments: NotRequired[list[AdjustmentInput]]
    """Additional or withdrawn hours (or value) for single accounts and periods."""
    settle_days: NotRequired[int]
    """Days after a period in which late worklogs are expected."""


class ContractTerms(TypedDict):
    """The terms of a contract as events carry them: every account has an id."""
    code: str
    """The contract's code, unique among contracts."""
    name: str
    """The name."""
    description: str
    """A text for people."""
    owner: Owner
    """The person at the provider who is responsible."""
    organization_id: str
    """The customer's id."""
    type: Literal["time_and_materials", "fixed_price"]
    """Whether hours are counted, or money at the rates of the rate cards."""
    recurrence: Literal["none", "monthly"]
    """Whether the contracted amount is for each month, or for the whole contract."""
    start_date: str
    """The first day of the contract, inclusive."""
    end_date: str
    """The last day of the contract, inclusive."""
    timezone: str
    """An IANA time zone such as Europe/Berlin."""
    holidays: str | None
    """The holiday calendar, such as DE-BE; null for none."""
    contracted_hours: str | None
    """Hours that the customer has bought: a month for a monthly contract, else in total."""
    contracted_value_minor: int | None
    """Fixed price: what the customer has bought, in minor units of the currency."""
    currency: str | None
    """An ISO 4217 code such as EUR; null where hours are counted."""
    rollover: Rollover
    """What happens to unused time and overruns at the end of a period."""
    accounts: list[Account]
    """The accounts of the contract."""
    adjustments: list[Adjustment]
    """Additional or withdrawn hours (or value) for single accounts and periods."""
    settle_days: int
    """Days after a period in which late worklogs are expected."""


class CreatedCustomerLink(TypedDict):
    """A new link, with its address. Whoever has the address can use it, so send it to the customer only."""
    id: str
    """The id."""
    organization_id: str
    """The customer's id."""
    organization_name: str
    """The customer's name."""
    issued_at: str
    """When it was made; in a mail, when the notification was raised."""
    expires_at: str
    """When it expires."""
    has_password: bool
    """Whether its reader must also know a password."""
    note: str | None
    """What it is for."""
    created_by: str
    """Who made it; `notifier` for a link of a mail."""
    last_used_at: str | None
    """When it last showed a page; null if it never did."""
    revoked_at: str | None
    """When it was revoked; null if it was not."""
    revoked_by: str | None
    """Who revoked it."""
    url: str
    """The address for the customer. It is shown only once."""


class CustomerLinkBody(TypedDict):
    """A link for a customer."""
    organization_id: str
    """The customer's id."""
    expires_at: NotRequired[str | None]
    """When it expires: 180 days from now unless you say otherwise, at most 731."""
    password: NotRequired[str | None]
    """What its reader must also know, of 8 to 128 characters; null for nothing."""
    note: NotRequired[str | None]
    """What it is for, in your words."""


class CustomerLinkState(TypedDict):
    """A link and what has happened to it. Its address is not kept, so it is shown once, when the link is
    made.
    """
    id: str
    """The id."""
    organization_id: str
    """The customer's id."""
    organization_name: str
    """The customer's name."""
    issued_at: str
    """When it was made; in a mail, when the notification was raised."""
    expires_at: str
    """When it expires."""
    has_password: bool
    """Whether its reader must also know a password."""
    note: str | None
    """What it is for."""
    created_by: str
    """Who made it; `notifier` for a link of a mail."""
    last_used_at: str | None
    """When it last showed a page; null if it never did."""
    revoked_at: str | None
    """When it was revoked; null if it was not."""
    revoked_by: str | None
    """Who revoked it."""


class CustomerSession(TypedDict):
    """What a link shows: the contracts of one organization."""
    link_id: str
    """The link's id."""
    organization_id: str
    """The customer's id."""
    organization_name: str
    """The customer's name."""
    locale: Literal["en", "en-GB", "en-US", "de", "de-AT", "de-CH"]
    """The language and the formats of mails, as a BCP 47 tag."""
    expires_at: str
    """When the link expires."""


class DeadLetterDetails(TypedDict):
    """A dead letter with its record, as it came."""
    id: int
    """Its number in this service."""
    service: Literal["contracts", "consumption", "notifier", "intake"]
    """The service that could not process it."""
    topic: str
    """The topic that it came from."""
    partition: int
    """The partition that it came from."""
    record_offset: int
    """Its offset in that partition."""
    reason: str
    """Why it could not be processed, and what to do."""
    received_at: str
    """When it was first refused."""
    replayed_at: str | None
    """When a replay processed it; null while it waits."""
    key: RecordContent | None
    """The record's key; null where it has none."""
    headers: list[RecordHeader]
    """The record's headers."""
    value: RecordContent | None
    """The record's value; null where it has none."""


class DeadLetterSummary(TypedDict):
    """A record that a service could not process."""
    id: int
    """Its number in this service."""
    service: Literal["contracts", "consumption", "notifier", "intake"]
    """The service that could not process it."""
    topic: str
    """The topic that it came from."""
    partition: int
    """The partition that it came from."""
    record_offset: int
    """Its offset in that partition."""
    reason: str
    """Why it could not be processed, and what to do."""
    received_at: str
    """When it was first refused."""
    replayed_at: str | None
    """When a replay processed it; null while it waits."""


class EmptyBody(TypedDict):
    """An empty body."""


class ForgetBody(TypedDict):
    """A person to forget."""
    person_id: str
    """The person's id, as the source of worklogs has it."""
    names: NotRequired[list[str]]
    """Names beside those that teams have for the person."""
    emails: NotRequired[list[str]]
    """Mail addresses beside those that teams have."""


class ForgottenPerson(TypedDict):
    """Who was forgotten, without who it was."""
    id: str
    """Random; the pseudonym is made of it."""
    pseudonym: str
    """What stands in place of the person's id."""
    forgotten_at: str
    """When it was asked for first."""
    forgotten_by: str
    """The token that asked for it."""


class HistoryEntry(TypedDict):
    """An entry of a contract's history: who did what, when and why, and what changed."""
    version: int
    """The version after the entry."""
    what: Literal["drafted", "revised", "activated", "amended", "suspended", "resumed", "expired", "closed", "renewed", "discarded"] | Literal["offer_requested", "offer_made", "offer_accepted", "offer_declined", "offer_refused", "offer_withdrawn", "offer_expired"]
    """What was done."""
    status: Literal["DRAFT", "ACTIVE", "EXPIRED", "INACTIVE", "CLOSED"] | None
    """The contract's status."""
    actor: str
    """Who did it: the name of the token, or the name of a service."""
    reason: str | None
    """Why, as a text for people."""
    occurred_at: str
    """When it happened."""
    descriptions: list[str]
    """What changed, in words for people."""
    changes: list[TermsChange]
    """What changed in the terms."""
    renewed_from: str | None
    """The contract that this one renews; null if it renews none."""
    renewed_as: str | None
    """The contract that renews this one; null if none does."""
    offer_id: str | None
    """The offer that the entry is about; null for a change of the contract."""


class HourlyRates(TypedDict):
    """Hourly rates by kind of work, in minor units of the card's currency."""
    normal: int
    """For work within the daily workload, in minor units an hour."""
    extra_time: int
    """For work beyond the daily workload, in minor units an hour."""
    weekend: int
    """For work on weekends, in minor units an hour."""
    holiday: int
    """For work on holidays, in minor units an hour."""


class LifecycleEvent(TypedDict):
    """An event as it is published to `contracts.lifecycle`."""
    type: str
    """The event's type."""
    data: ContractChanged
    """The event's data."""


class LinkExchange(TypedDict):
    """A link that is to be opened."""
    token: str
    """The part of the link's address after `#`."""
    password: NotRequired[str | None]
    """The password, where the link has one."""


Member = TypedDict("Member", {
    "person_id": "str",
    "name": "str | None",
    "email": "str | None",
    "from": "str",
    "until": "str | None",
})
"""A person's membership of a team; both days are inclusive."""


MemberInput = TypedDict("MemberInput", {
    "person_id": "str",
    "name": "NotRequired[str | None]",
    "email": "NotRequired[str | None]",
    "from": "str",
    "until": "NotRequired[str | None]",
})
"""A person's membership of a team; both days are inclusive."""


class Offer(TypedDict):
    """A proposed adjustment, and what became of it."""
    status: Literal["requested", "open", "accepted", "declined", "withdrawn", "expired"]
    """The offer's status."""
    contract_id: str
    """The contract's id."""
    contract_code: str
    """The contract's code."""
    organization_id: str
    """The customer's id."""
    account_id: str
    """The account's id."""
    account_name: str
    """The account's name when the offer was made."""
    period_start: str
    """The first day of the period."""
    hours: str | None
    """Hours as a decimal string, positive or negative."""
    value_minor: int | None
    """Fixed price: an amount in minor units, positive or negative."""
    currency: str | None
    """The currency of `value_minor`."""
    reason: str
    """Why it is offered; it becomes the reason of the adjustment."""
    price_minor: int | None
    """What it costs the customer, in minor units; null where no price is named."""
    price_currency: str | None
    """The currency of the price."""
    note: str | None
    """For the customer, beside the reason; null for none."""
    valid_until: str | None
    """Until when it can be answered; null for a request that is not confirmed."""
    made_by: str | None
    """The token, or the rule, that made it or confirmed the request; null before that."""
    notification_id: str | None
    """The notification whose rule made it."""
    requested_by: Person | None
    """Who asked for it at the customer."""
    answered_by: Person | None
    """Who accepted or declined it."""
    remark: str | None
    """Said with the answer, or why it was withdrawn."""
    refusal: str | None
    """Why it could not be accepted when that was last tried; null once it is accepted."""
    stream_version: int | None
    """The version of the contract that has the accepted adjustment."""
    id: str
    """The id."""
    version: int
    """Counts the changes; it is the ETag."""
    created_at: str
    """When it was requested or made."""
    updated_at: str
    """When it last changed; of an answered offer, when it was answered."""


class OfferAnswer(TypedDict):
    """Who answers an offer, and what they say."""
    name: str
    """The person who accepts or declines at the customer."""
    email: NotRequired[str | None]
    """The person's address; null where it is not known."""
    remark: NotRequired[str | None]
    """What the person says with the answer; null for nothing."""


class OfferInput(TypedDict):
    """An offer to make. With `requested_by` it is the request of a customer, which the owner has yet to
    confirm.
    """
    price_minor: NotRequired[int | None]
    """What it costs the customer, in minor units; null where no price is named."""
    price_currency: NotRequired[str | None]
    """The currency of the price."""
    valid_until: NotRequired[str | None]
    """Until when it can be answered; null: 14 days, or until the period ends if sooner."""
    account_id: str
    """The account's id or name."""
    period_start: str
    """The first day of the period."""
    hours: NotRequired[str | None]
    """Hours as a decimal string, positive or negative."""
    value_minor: NotRequired[int | None]
    """Fixed price: an amount in minor units, positive or negative."""
    reason: str
    """Why it is offered; it becomes the reason of the adjustment."""
    note: NotRequired[str | None]
    """For the customer, beside the reason; null for none."""
    contract: str
    """The contract's id or code."""
    requested_by: NotRequired[PersonInput | None]
    """The customer's contact who asks for it; null for an offer of the owner."""


class OfferLinkAnswer(TypedDict):
    """The customer's answer to an offer."""
    token: str
    """What follows `#` in the link."""
    answer: Literal["accept", "decline"]
    """What the customer decides."""
    name: str
    """The person who decides."""
    remark: NotRequired[str | None]
    """What the person says with the answer; null for nothing."""


class OfferLinkBody(TypedDict):
    """The link of an offer."""
    token: str
    """What follows `#` in the link."""


class OfferRequest(TypedDict):
    """What a customer asks for: an adjustment of one of its contracts."""
    contract: str
    """The contract's id or code."""
    account_id: str
    """The account's id or name."""
    period_start: str
    """The first day of the period; null where no period is concerned."""
    hours: NotRequired[str | None]
    """Hours as a decimal string, positive or negative."""
    value_minor: NotRequired[int | None]
    """Fixed price: an amount in minor units, positive or negative."""
    reason: str
    """Why it is needed; it becomes the reason of the adjustment."""
    requested_by: Signatory
    """The customer's contact who asks for it; null for an offer of the owner."""


class OfferedAdjustment(TypedDict):
    """An offer as the customer reads it, without anything internal."""
    id: str
    """The id."""
    status: Literal["requested", "open", "accepted", "declined", "withdrawn", "expired"]
    """The offer's status."""
    organization_id: str
    """The customer's id."""
    organization_name: str
    """The customer's name."""
    locale: str
    """The language and the formats of mails, as a BCP 47 tag."""
    owner: Owner
    """The person at the provider who is responsible."""
    contract_id: str
    """The contract's id."""
    contract_code: str
    """The contract's code."""
    contract_name: str
    """The contract's name."""
    account_id: str
    """The account's id."""
    account_name: str
    """The account's name."""
    period_start: str
    """The first day of the period."""
    period_end: str
    """The last day of the period."""
    hours: str | None
    """Hours as a decimal string, positive or negative."""
    value_minor: int | None
    """Fixed price: an amount in minor units, positive or negative."""
    currency: str | None
    """An ISO 4217 code such as EUR; null where hours are counted."""
    reason: str
    """Why, as a text for people."""
    price_minor: int | None
    """What it costs the customer, in minor units; null where no price is named."""
    price_currency: str | None
    """The currency of the price."""
    note: str | None
    """For the customer, beside the reason; null for none."""
    valid_until: str | None
    """Until when it can be answered."""
    answered_by: Person | None
    """Who accepted or declined it; null without an answer."""
    remark: str | None
    """What the person says with the answer; null for nothing."""


class Organization(TypedDict):
    """The current state of an organization."""
    name: str
    """The name."""
    timezone: str
    """An IANA time zone such as Europe/Berlin."""
    locale: Literal["en", "en-GB", "en-US", "de", "de-AT", "de-CH"]
    """The language and the formats of mails."""
    contacts: list[Contact]
    """The people at the customer."""
    id: str
    """The id."""
    version: int
    """Counts the changes; it is the ETag."""


class OrganizationInput(TypedDict):
    """The customer."""
    name: str
    """The name."""
    timezone: str
    """An IANA time zone such as Europe/Berlin."""
    locale: NotRequired[Literal["en", "en-GB", "en-US", "de", "de-AT", "de-CH"]]
    """The language and the formats of mails."""
    contacts: NotRequired[list[ContactInput]]
    """The people at the customer."""


class Owner(TypedDict):
    """The person at the provider who is responsible for the contract."""
    name: str
    """The name."""
    email: str
    """An email address."""


class Person(TypedDict):
    """A person at the customer who asks for an offer or answers it."""
    name: str
    """The name."""
    email: str | None
    """An email address."""


class PersonInput(TypedDict):
    """A person at the customer who asks for an offer or answers it."""
    name: str
    """The name."""
    email: NotRequired[str | None]
    """An email address."""


class ProblemBody(TypedDict):
    """RFC 9457 problem details."""
    type: NotRequired[str]
    """Always `about:blank`: the title names the problem."""
    title: str
    """What kind of problem it is."""
    status: int
    """The HTTP status."""
    detail: str
    """What happened, and what to do."""
    violations: NotRequired[list[Violation]]
    """Every error in the request."""


class Queue(TypedDict):
    """What waits inside a service."""
    name: Literal["outbox", "unfolded_records", "unpublished_balances", "pending_deliveries", "pending_report_mails", "pending_webhooks"]
    """`outbox`: records to publish. `unfolded_records`: records that were read and are not counted yet.
    `unpublished_balances`: balances that changed. `pending_deliveries`: mails and webhooks to send.
    `pending_report_mails`: saved reports to mail. `pending_webhooks`: webhooks of trackers to process.
    """
    length: int
    """How many wait."""
    oldest_at: str | None
    """Since when the oldest waits; null if none waits."""


RateCard = TypedDict("RateCard", {
    "person_id": "str",
    "team_id": "str | None",
    "from": "str",
    "currency": "str",
    "daily_workload_hours": "str",
    "per_hour_minor": "HourlyRates",
    "id": "str",
    "version": "int",
})
"""The current state of a rate card."""


RateCardInput = TypedDict("RateCardInput", {
    "person_id": "str",
    "team_id": "NotRequired[str | None]",
    "from": "str",
    "currency": "str",
    "daily_workload_hours": "NotRequired[str]",
    "per_hour_minor": "HourlyRates",
})
"""A person's hourly rates from a day on, for all teams or one team.

Work beyond `daily_workload_hours` per day is extra time.
"""


class Reason(TypedDict):
    """The reason for a change."""
    reason: str
    """Why, as a text for people."""


class RecordContent(TypedDict):
    """Bytes of a record: as text where they are UTF-8, else in hexadecimal."""
    text: str | None
    """The bytes as text; null where they are not UTF-8."""
    hex: str | None
    """The bytes in hexadecimal; null where `text` has them."""


class RecordHeader(TypedDict):
    """A header of a record. A name can occur more than once."""
    name: str
    """The header's name."""
    content: RecordContent | None
    """Its value; null where it has none."""


class Renewal(TypedDict):
    """The code of the contract that follows."""
    code: str
    """The code of the contract that follows."""


class RequestedOffer(TypedDict):
    """A customer's request. The contract's owner confirms or declines it."""
    id: str
    """The id."""
    status: Literal["requested", "open", "accepted", "declined", "withdrawn", "expired"]
    """The contract's status."""


class Rollover(TypedDict):
    """What happens to the unused and overrun time of a period."""
    unused: Literal["expire", "carry"]
    """Whether a period's unused time expires, or is carried into the next period."""
    cap_hours: str | None
    """The most hours that are carried into a period; null for no limit."""
    cap_value_minor: int | None
    """The most money that is carried into a period, in minor units; null for no limit."""
    lapse_after_periods: int | None
    """After how many periods what was carried lapses; null for never."""
    overrun: Literal["absorb", "deduct"]
    """Whether a period's overrun is forgotten, or deducted from the next period."""


class RolloverInput(TypedDict):
    """What happens to the unused and overrun time of a period."""
    unused: NotRequired[Literal["expire", "carry"]]
    """Whether a period's unused time expires, or is carried into the next period."""
    cap_hours: NotRequired[str | None]
    """The most hours that are carried into a period; null for no limit."""
    cap_value_minor: NotRequired[int | None]
    """The most money that is carried into a period, in minor units; null for no limit."""
    lapse_after_periods: NotRequired[int | None]
    """After how many periods what was carried lapses; null for never."""
    overrun: NotRequired[Literal["absorb", "deduct"]]
    """Whether a period's overrun is forgotten, or deducted from the next period."""


class ServiceStatus(TypedDict):
    """What a service has done, and what waits."""
    service: Literal["contracts", "consumption", "notifier", "intake"]
    """The service's name."""
    problems: list[str]
    """Why it makes no progress, each with its remedy; empty if it does."""
    topics: list[TopicLag]
    """The topics that it reads."""
    queues: list[Queue]
    """What waits inside of it."""
    dead_letter_count: int
    """Dead letters that no replay has processed."""
    verification: Verification | None
    """The last comparison of figures and facts; null before the first, and in other services."""


class Signatory(TypedDict):
    """A person whose name everybody can read."""
    name: str
    """The name."""
    email: NotRequired[str | None]
    """An email address."""


class Slice(TypedDict):
    """An account's share for one team."""
    team_id: str
    """The team's id; null for work of no team."""
    planned_hours: str | None
    """Planned hours: a month for a monthly contract, else in total; null for no plan."""


class SliceInput(TypedDict):
    """An account's share for one team."""
    team_id: str
    """The team's id; null for work of no team."""
    planned_hours: NotRequired[str | None]
    """Planned hours: a month for a monthly contract, else in total; null for no plan."""
    planned_value_minor: NotRequired[int | None]
    """Fixed price: the planned value in minor units; null for no plan."""


class Team(TypedDict):
    """The current state of a team."""
    name: str
    """The name."""
    members: list[Member]
    """Who is a member of the team, and when."""
    id: str
    """The id."""
    version: int
    """Counts the changes; it is the ETag."""


class TeamInput(TypedDict):
    """A team of people. Memberships of one person in one team do not overlap."""
    name: str
    """The name."""
    members: NotRequired[list[MemberInput]]
    """Who is a member of the team, and when."""


class TermsChange(TypedDict):
    """A change of the terms. The path is a JSON Pointer into the terms after it, or before it for a
    removed item.
    """
    path: str
    """A JSON Pointer."""
    before: Any
    """The value before the change; null if it was added."""
    after: Any
    """The value after the change; null if it was removed."""


class TopicLag(TypedDict):
    """How far a service is behind in a topic that it reads."""
    topic: str
    """The topic's name."""
    partitions: int
    """How many partitions the service has read."""
    lag: int | None
    """Records to read, at most; null where the service has not asked Kafka yet."""
    seconds_since_progress: int
    """Seconds since a batch was committed. A fault only where `lag` is above zero."""
    checked_at: str | None
    """When Kafka was last asked where the topic ends; null if never."""


class Verification(TypedDict):
    """A comparison of all figures with the facts (`tidemark verify`)."""
    started_at: str
    """When it started; it compares the figures of this moment."""
    finished_at: str
    """When it ended."""
    row_count: int
    """How many rows it compared."""
    difference_count: int
    """How many rows differ from the facts."""


class Violation(TypedDict):
    """One error in a request: a code for programs, a JSON Pointer to its location, a message for people."""
    code: Literal["C1.amount", "C2.sum", "C2.adjustment", "C3.sum", "C3.planned_not_allowed", "C4.accounts", "C4.slices", "C4.team_twice", "C4.dates", "C5.precision", "unknown_reference", "duplicate", "unknown_field", "invalid"]
    """A code for programs."""
    path: str
    """A JSON Pointer to the error in the body, or to the name of a parameter."""
    message: str
    """A message for people: what is wrong and how to fix it."""


class Withdrawal(TypedDict):
    """Why an offer is withdrawn."""
    reason: str
    """Why, as a text for people."""


class Accepted(TypedDict):
    """How many events Kafka has acknowledged."""
    accepted: int
    """How many events Kafka has acknowledged."""


class AccountBalance(TypedDict):
    """An account's figures."""
    account_id: str
    """The account's id."""
    name: str
    """The name."""
    billable: bool
    """Whether its work counts towards the contract."""
    whole: Figures
    """The figures of the whole contract time."""
    periods: list[PeriodFigures]
    """The figures of each period, oldest first."""
    slices: list[SliceBalance]
    """Shares of the account for single teams."""


class AccountTeamWork(TypedDict):
    """The work of a team in an account."""
    team_id: str | None
    """The team's id; null for unassigned work."""
    team_name: str | None
    """The team's name; null for unassigned work."""
    work: Work
    """Its work in the range."""


class AvailableFigures(TypedDict):
    """Figures, and what is available: of a contract's period what is planned and carried, otherwise what
    is planned.
    """
    planned: int | None
    """Planned work, in the unit of the balance; null without a plan."""
    consumed: int
    """Executed work, in the unit of the balance."""
    remaining: int | None
    """Available minus consumed; negative after an overrun, null without a plan."""
    percent: str | None
    """Consumed of what is available, as a decimal string; null without a plan."""
    worklogs: int
    """How many worklogs make the figure."""
    unrated_seconds: int | None
    """Fixed price: work without a rate; null where hours are counted."""
    available: int | None
    """Planned, plus what is carried into the period."""


class Balance(TypedDict):
    """A contract's full state: the event `tidemark.contract.balance.v1` and the HTTP response have this
    body.
    """
    contract_id: str
    """The contract's id."""
    contract_code: str
    """The contract's code."""
    status: Literal["DRAFT", "ACTIVE", "EXPIRED", "INACTIVE", "CLOSED"]
    """The contract's status."""
    stream_version: int
    """Counts the contract's events; the highest is current."""
    revision: int
    """Counts the balances of a contract; the highest is current."""
    unit: Literal["seconds", "minor"]
    """The unit of the figures: whole seconds, or minor units of the currency."""
    currency: str | None
    """An ISO 4217 code such as EUR; null where hours are counted."""
    unaccounted_seconds: int
    """Work on the contract's issues that does not count."""
    forecast: Forecast | None
    """When the contract is used up at the current pace; null if there is not enough work to tell."""
    whole: Figures
    """The figures of the whole contract time."""
    periods: list[ContractPeriodFigures]
    """The figures of each period, oldest first."""
    accounts: list[AccountBalance]
    """The accounts of the contract."""


class BalanceSummary(TypedDict):
    """A contract with the figures of its current period, as they were last published."""
    contract_id: str
    """The contract's id."""
    contract_code: str
    """The contract's code."""
    contract_name: str
    """The contract's name."""
    organization_id: str
    """The customer's id."""
    organization_name: str | None
    """The customer's name."""
    owner: Owner
    """The person at the provider who is responsible."""
    type: str
    """Whether hours are counted, or money at the rates of the rate cards."""
    recurrence: str
    """Whether the contracted amount is for each month, or for the whole contract."""
    start_date: str
    """The first day of the contract, inclusive."""
    end_date: str
    """The last day of the contract, inclusive."""
    timezone: str
    """An IANA time zone such as Europe/Berlin."""
    status: Literal["DRAFT", "ACTIVE", "EXPIRED", "INACTIVE", "CLOSED"]
    """The contract's status."""
    attention: list[Literal["over", "runs_out", "account_over", "nearly_used", "unaccounted", "ended", "ends_soon"]]
    """Why it needs attention, the most urgent reason first."""
    revision: int
    """Counts the balances of a contract; the highest is current."""
    unit: str
    """The unit of the figures: whole seconds, or minor units of the currency."""
    currency: str | None
    """An ISO 4217 code such as EUR; null where hours are counted."""
    unaccounted_seconds: int
    """Work on the contract's issues that does not count."""
    forecast: Forecast | None
    """When the contract is used up at the current pace; null if there is not enough work to tell."""
    whole: Figures
    """The figures of the whole contract time."""
    period: ContractPeriodFigures
    """The period that holds the day; null outside of all periods."""


class ChangedBalance(TypedDict):
    """The balance of a contract as it is published, and as it would be."""
    before: Balance
    """As it is."""
    after: Balance
    """As it would be."""


class CheckedLevel(TypedDict):
    """The figures of one level: of a contract, an account or a slice, in the period or (null) over all
    periods.
    """
    level: Literal["contract", "account", "slice"]
    """What the figures belong to."""
    contract_id: str
    """The contract's id."""
    contract_code: str
    """The contract's code."""
    account_id: str | None
    """The account's id."""
    account_name: str | None
    """The account's name; null where no account is concerned."""
    team_id: str | None
    """The team's id; null for work of no team."""
    team_name: str | None
    """The team's name; null for work of no team."""
    period_start: str | None
    """The first day of the period; null where no period is concerned."""
    period_end: str | None
    """The last day of the period; null where no period is concerned."""
    unit: Literal["seconds", "minor"]
    """The unit of the figures: whole seconds, or minor units of the currency."""
    currency: str | None
    """An ISO 4217 code such as EUR; null where hours are counted."""
    before: AvailableFigures
    """As they are."""
    after: AvailableFigures
    """As they would be."""


class CheckedWorklog(TypedDict):
    """Whether and where a worklog would count, at which rates, and what would be left."""
    counts: bool
    """Whether it would count."""
    reason: Literal["issue_not_linked", "contract_unknown", "account_unknown", "contract_draft", "contract_inactive", "issue_undated", "outside_dates"] | None
    """Why it would not count; null if it would."""
    remedy: str | None
    """What to do so that it counts; null if it would."""
    source: str
    """The source of the issue; empty where the issue is not known."""
    issue_id: str
    """The tracker's id of the issue."""
    started_at: str
    """When the work started."""
    seconds: int
    """The duration in whole seconds."""
    contract_id: str | None
    """The contract that the issue names; null if it names none."""
    contract_code: str | None
    """The contract's code."""
    contract_name: str | None
    """The contract's name."""
    account_id: str | None
    """The account that the issue names; null if it names none."""
    account_name: str | None
    """The account's name; null where no account is concerned."""
    billable: bool | None
    """Whether its work counts towards the contract."""
    team_id: str | None
    """The team's id; null for work of no team."""
    team_name: str | None
    """The team's name; null for work of no team."""
    period_start: str | None
    """The first day of the period that it would count in; null outside of all periods."""
    period_end: str | None
    """The last day of the period that it would count in; null outside of all periods."""
    day: str | None
    """The day of the work in the contract's time zone."""
    rates: list[WorklogRate]
    """Fixed price: its parts, each at its rate; none where no rate card fits."""
    amount_exact: int | None
    """Fixed price: the sum of its parts, in exact units."""
    amount_minor: int | None
    """Fixed price: the same in minor units of the currency."""
    unrated_seconds: int | None
    """Fixed price: work without a rate; null where hours are counted."""
    levels: list[CheckedLevel]
    """The figures of where it would count, and of where the worklog counts that it corrects."""
    balances: list[ChangedBalance]
    """The balances that it would change."""
    crossings: list[Crossing] | None
    """The thresholds that it would cross; null: not known, as the notifier cannot be reached."""


class ContractDelivery(TypedDict):
    """A contract in the range: planned and executed, who did the work, and what comes."""
    contract_id: str
    """The contract's id."""
    contract_code: str
    """The contract's code."""
    contract_name: str
    """The contract's name."""
    owner: Owner
    """Who is responsible for the contract at the provider."""
    type: Literal["time_and_materials", "fixed_price"]
    """Hours, or a fixed price."""
    recurrence: Literal["none", "monthly"]
    """One period, or one a month."""
    start_date: str
    """The contract's first day."""
    end_date: str
    """The contract's last day."""
    timezone: str
    """The time zone of its days."""
    status: Literal["DRAFT", "ACTIVE", "EXPIRED", "INACTIVE", "CLOSED"]
    """The contract's status."""
    unit: Literal["seconds", "minor"]
    """What planned and consumed figures are in."""
    currency: str | None
    """An ISO 4217 code; null where hours are counted."""
    whole: Figures
    """Billable accounts, over all periods."""
    periods: list[DeliveryPeriod]
    """Billable accounts, in the periods that overlap the range."""
    accounts: list[DeliveryAccount]
    """The accounts of the report."""
    billable: Work
    """Work on billable accounts of the report in the range."""
    non_billable: Work
    """Work on its other accounts in the range."""
    consumed_before: int
    """What `days` begins with: consumed before the range; 0 without days."""
    days: list[DeliveryDay]
    """Days with work, of the accounts that were asked for or else of the billable ones."""
    teams: list[TeamWork]
    """Work in the range by team, the most work first."""
    people: list[PersonWork] | None
    """The same by person; null unless it was asked for."""
    unaccounted: list[UnaccountedWork]
    """Work that does not count, by reason: all of the contract's, whenever it was done."""
    restatements: list[DeliveryRestatement]
    """Changes of closed periods learned in the range, at most the newest 1,000."""
    forecast: Forecast | None
    """When the current period is used up; null where nobody can tell."""
    outlook: list[OutlookMonth]
    """This month and the ones to come, at most twelve; empty where there is no forecast."""


class ContractPeriodFigures(TypedDict):
    """The figures of a contract's period, with the amount carried into it."""
    planned: int | None
    """Planned work, in the unit of the balance; null without a plan."""
    consumed: int
    """Executed work, in the unit of the balance."""
    remaining: int | None
    """Available minus consumed; negative after an overrun, null without a plan."""
    percent: str | None
    """Consumed of what is available, as a decimal string; null without a plan."""
    worklogs: int
    """How many worklogs make the figure."""
    unrated_seconds: int | None
    """Fixed price: work without a rate; null where hours are counted."""
    start: str
    """The first day of the period, inclusive."""
    end: str
    """The last day of the period, inclusive."""
    carried: int
    """What is carried into the period from the one before; negative after an overrun that is deducted."""
    available: int | None
    """Planned, plus what is carried into the period."""


class Correction(TypedDict):
    """What the restatements of one account and period since the last statement come to."""
    period_start: str
    """The first day of the period; null where no period is concerned."""
    account_id: str
    """The account's id."""
    account_name: str | None
    """The account's name; null where no account is concerned."""
    before_seconds: int
    """The time that counted before."""
    after_seconds: int
    """The time that counts since."""
    before_amount_minor: int | None
    """Fixed price: what it came to before, in minor units; null where hours are counted."""
    after_amount_minor: int | None
    """Fixed price: what it comes to since, in minor units; null where hours are counted."""
    restatements: int
    """How many restatements these are."""


class Crossing(TypedDict):
    """A threshold that a rule would notify of, and whom; where it has several, the furthest that is
    reached.
    """
    rule_id: str
    """The rule's id."""
    rule_name: str
    """The rule's name."""
    contract_id: str
    """The contract's id."""
    contract_code: str
    """The contract's code."""
    trigger: str
    """The kind of the rule's trigger."""
    subject: Literal["contract", "account", "slice"]
    """What is evaluated."""
    subject_id: str
    """The id of what is evaluated; for a slice, of account and team."""
    name: str | None
    """The name of the account or slice; null for the contract."""
    period_start: str | None
    """The first day of the period; null where no period is concerned."""
    threshold: str | None
    """The threshold, as text; null where the trigger has none."""
    text: str
    """A sentence for people."""
    receivers: list[str]
    """The addresses that would be notified."""


class CurveDay(TypedDict):
    """What was consumed by the end of a day, by day of work; `period` is the one that holds the day."""
    day: str
    """A day in the contract's time zone."""
    whole: Figures
    """The figures of the whole contract time at the end of the day."""
    period: ContractPeriodFigures | None
    """The period that holds the day; null outside of all periods."""


class CustomerAccount(TypedDict):
    """A billable account with its figures."""
    account_id: str
    """The account's id."""
    name: str
    """The name."""
    whole: CustomerFigures
    """The figures of the whole contract time."""
    periods: list[CustomerAccountPeriod]
    """The figures of each period, oldest first."""


class CustomerAccountPeriod(TypedDict):
    """The figures of an account in one period."""
    planned: int | None
    """Planned work, in the unit of the balance; null without a plan."""
    consumed: int
    """Executed work, in the unit of the balance."""
    remaining: int | None
    """Available minus consumed; negative after an overrun, null without a plan."""
    percent: str | None
    """Consumed of what is available, as a decimal string; null without a plan."""
    start: str
    """The first day of the period, inclusive."""
    end: str
    """The last day of the period, inclusive."""


class CustomerAdjustment(TypedDict):
    """What was added to (or deducted from) an account in the period; it is part of planned."""
    account_id: str
    """The account's id."""
    amount: int
    """Seconds, or minor units of the currency."""


class CustomerContract(TypedDict):
    """A contract as its customer sees it, with all periods and the billable accounts."""
    contract_id: str
    """The contract's id."""
    contract_code: str
    """The contract's code."""
    contract_name: str
    """The contract's name."""
    type: Literal["time_and_materials", "fixed_price"]
    """Whether hours are counted, or money at the rates of the rate cards."""
    recurrence: Literal["none", "monthly"]
    """Whether the contracted amount is for each month, or for the whole contract."""
    status: Literal["DRAFT", "ACTIVE", "EXPIRED", "INACTIVE", "CLOSED"]
    """The contract's status."""
    start_date: str
    """The first day of the contract, inclusive."""
    end_date: str
    """The last day of the contract, inclusive."""
    timezone: str
    """An IANA time zone such as Europe/Berlin."""
    unit: Literal["seconds", "minor"]
    """The unit of the figures: whole seconds, or minor units of the currency."""
    currency: str | None
    """An ISO 4217 code such as EUR; null where hours are counted."""
    exhausts_on: str | None
    """The day on which the current period is used up at the current pace; null if it is not."""
    whole: CustomerFigures
    """The figures of the whole contract time."""
    updated_at: str
    """When the figures last changed."""
    periods: list[CustomerPeriod]
    """The figures of each period, oldest first."""
    accounts: list[CustomerAccount]
    """The accounts of the contract."""


class CustomerContractSummary(TypedDict):
    """A contract as its customer sees it, with the figures of the current period."""
    contract_id: str
    """The contract's id."""
    contract_code: str
    """The contract's code."""
    contract_name: str
    """The contract's name."""
    type: Literal["time_and_materials", "fixed_price"]
    """Whether hours are counted, or money at the rates of the rate cards."""
    recurrence: Literal["none", "monthly"]
    """Whether the contracted amount is for each month, or for the whole contract."""
    status: Literal["DRAFT", "ACTIVE", "EXPIRED", "INACTIVE", "CLOSED"]
    """The contract's status."""
    start_date: str
    """The first day of the contract, inclusive."""
    end_date: str
    """The last day of the contract, inclusive."""
    timezone: str
    """An IANA time zone such as Europe/Berlin."""
    unit: Literal["seconds", "minor"]
    """The unit of the figures: whole seconds, or minor units of the currency."""
    currency: str | None
    """An ISO 4217 code such as EUR; null where hours are counted."""
    exhausts_on: str | None
    """The day on which the current period is used up at the current pace; null if it is not."""
    whole: CustomerFigures
    """The figures of the whole contract time."""
    updated_at: str
    """When the figures last changed."""
    period: CustomerPeriod
    """The period that holds the day; null outside of all periods."""


class CustomerCorrection(TypedDict):
    """What an account of a settled period came to before its restatements, and after them."""
    period_start: str
    """The first day of the period; null where no period is concerned."""
    account_id: str
    """The account's id."""
    account_name: str | None
    """The account's name; null where no account is concerned."""
    before: int
    """Seconds, or minor units of the currency."""
    after: int
    """Seconds, or minor units of the currency."""


class CustomerDay(TypedDict):
    """What was consumed by the end of a day, by day of work."""
    day: str
    """A day in the contract's time zone."""
    consumed: int
    """Executed work, in the unit of the balance."""
    period_start: str | None
    """The first day of the period that holds the day."""
    period_consumed: int | None
    """What was consumed since that period began."""


class CustomerFigures(TypedDict):
    """Planned against consumed work of billable accounts, in the contract's unit."""
    planned: int | None
    """Planned work, in the unit of the balance; null without a plan."""
    consumed: int
    """Executed work, in the unit of the balance."""
    remaining: int | None
    """Available minus consumed; negative after an overrun, null without a plan."""
    percent: str | None
    """Consumed of what is available, as a decimal string; null without a plan."""


class CustomerPeriod(TypedDict):
    """The figures of one period, with what is carried into it."""
    planned: int | None
    """Planned work, in the unit of the balance; null without a plan."""
    consumed: int
    """Executed work, in the unit of the balance."""
    remaining: int | None
    """Available minus consumed; negative after an overrun, null without a plan."""
    percent: str | None
    """Consumed of what is available, as a decimal string; null without a plan."""
    start: str
    """The first day of the period, inclusive."""
    end: str
    """The last day of the period, inclusive."""
    carried: int
    """What is carried into the period from the one before; negative after an overrun that is deducted."""
    available: int | None
    """Planned, plus what is carried into the period."""


class CustomerPeriodBody(TypedDict):
    """The figures of a period: of the contract, and of its billable accounts."""
    figures: CustomerPeriod
    """The figures of the period."""
    accounts: list[CustomerStatementAccount]
    """The billable accounts."""


class CustomerRestatement(TypedDict):
    """What has corrected a statement since: an account, from the first of its restatements to the last."""
    period_start: str
    """The first day of the period; null where no period is concerned."""
    account_id: str
    """The account's id."""
    account_name: str | None
    """The account's name; null where no account is concerned."""
    before: int
    """Seconds, or minor units of the currency."""
    after: int
    """Seconds, or minor units of the currency."""
    restated_at: str
    """When the last of the restatements was learned."""


class CustomerStatement(TypedDict):
    """A statement as its customer sees it."""
    figures: CustomerPeriod
    """The figures of the period."""
    accounts: list[CustomerStatementAccount]
    """The billable accounts."""
    contract_code: str
    """The contract's code."""
    contract_name: str
    """The contract's name."""
    number: int
    """Counts the statements of the contract, from 1, in the order frozen."""
    unit: Literal["seconds", "minor"]
    """The unit of the figures: whole seconds, or minor units of the currency."""
    currency: str | None
    """An ISO 4217 code such as EUR; null where hours are counted."""
    closed_at: str
    """When the statement was frozen."""
    adjustments: list[CustomerAdjustment]
    """What was agreed in addition; part of planned."""
    corrections: list[CustomerCorrection]
    """What earlier statements of the contract were corrected by since its last statement."""
    sha256: str
    """The SHA-256 of the statement, which both sides hold."""


class CustomerStatementAccount(TypedDict):
    """A billable account in a period."""
    planned: int | None
    """Planned work, in the unit of the balance; null without a plan."""
    consumed: int
    """Executed work, in the unit of the balance."""
    remaining: int | None
    """Available minus consumed; negative after an overrun, null without a plan."""
    percent: str | None
    """Consumed of what is available, as a decimal string; null without a plan."""
    account_id: str
    """The account's id."""
    name: str
    """The name."""


class CustomerStatementNow(TypedDict):
    """A statement, what has corrected it since, and what its period comes to today."""
    statement: CustomerStatement
    """The statement as it was frozen."""
    restatements: list[CustomerRestatement]
    """What has corrected it: each account that comes to something else now."""
    today: CustomerPeriodBody | None
    """The figures today; null where the contract does not have the period any more."""


class DeliveryAccount(TypedDict):
    """Planned and executed of an account, and its work in the range."""
    account_id: str
    """The account's id."""
    name: str
    """The account's name."""
    billable: bool
    """Whether its work counts towards the contract."""
    whole: Figures
    """Over all periods of the contract."""
    periods: list[PeriodFigures]
    """The periods that overlap the range."""
    slices: list[DeliverySlice]
    """Its shares by team."""
    work: Work
    """Its work in the range."""
    teams: list[AccountTeamWork]
    """The same by team, the most work first."""


class DeliveryDay(TypedDict):
    """A day with work: a point of the cumulative curve."""
    day: str
    """The day of the work, in the contract's time zone."""
    seconds: int
    """Time worked that day."""
    consumed: int
    """What that day consumed."""
    cumulative: int
    """What was consumed since the contract began, that day included."""


class DeliveryPeriod(TypedDict):
    """The figures of a contract's period: whole, also where the range begins or ends within it."""
    planned: int | None
    """Planned work, in the unit of the balance; null without a plan."""
    consumed: int
    """Executed work, in the unit of the balance."""
    remaining: int | None
    """Available minus consumed; negative after an overrun, null without a plan."""
    percent: str | None
    """Consumed of what is available, as a decimal string; null without a plan."""
    worklogs: int
    """How many worklogs make the figure."""
    unrated_seconds: int | None
    """Fixed price: work without a rate; null where hours are counted."""
    start: str
    """The first day of the period, inclusive."""
    end: str
    """The last day of the period, inclusive."""
    carried: int
    """What is carried into the period from the one before; negative after an overrun that is deducted."""
    available: int | None
    """Planned, plus what is carried into the period."""
    planned_to_date: int | None
    """Planned of all periods up to this one, of the accounts in `days`: the contracted line."""


DeliveryReport = TypedDict("DeliveryReport", {
    "organization_id": "str",
    "organization_name": "str | None",
    "from": "str",
    "to": "str",
    "moment": "str",
    "contracts": "list[ContractDelivery]",
    "teams": "list[TeamDelivery]",
})
"""What was delivered to a customer in a range of days, and what is to come."""


class DeliveryRestatement(TypedDict):
    """A change of a closed period that was learned in the range."""
    account_id: str
    """The account's id."""
    account_name: str | None
    """The account's name; null once it is removed."""
    period_start: str
    """The period's first day."""
    period_end: str
    """The period's last day."""
    before_seconds: int
    """Time that counted before."""
    after_seconds: int
    """Time that counts since."""
    before_amount_minor: int | None
    """Fixed price: consumed before, in minor units."""
    after_amount_minor: int | None
    """Fixed price: consumed since, in minor units."""
    cause: str
    """The worklog, issue, contract version, membership or rate card behind it."""
    restated_at: str
    """When it was learned."""


class DeliverySlice(TypedDict):
    """Planned and executed of a team in an account."""
    team_id: str | None
    """The team's id; null for unassigned work."""
    team_name: str | None
    """The team's name; null for unassigned work."""
    whole: Figures
    """Over all periods of the contract."""
    periods: list[PeriodFigures]
    """The periods that overlap the range."""


class Figures(TypedDict):
    """Planned against consumed, in the unit of the balance (seconds, or minor units of a currency)."""
    planned: int | None
    """Planned work, in the unit of the balance; null without a plan."""
    consumed: int
    """Executed work, in the unit of the balance."""
    remaining: int | None
    """Available minus consumed; negative after an overrun, null without a plan."""
    percent: str | None
    """Consumed of what is available, as a decimal string; null without a plan."""
    worklogs: int
    """How many worklogs make the figure."""
    unrated_seconds: int | None
    """Fixed price: work without a rate; null where hours are counted."""


class Forecast(TypedDict):
    """The day on which the contract is used up at the current pace, with a low and a high estimate."""
    exhausts_on: str | None
    """The day on which the contract is used up at the current pace; null if it is not."""
    low: str | None
    """The earliest day of the estimate."""
    high: str | None
    """The latest day of the estimate."""


class IssueLinked(TypedDict):
    """An issue belongs to an account of a contract; `contract_id` null unlinks.

    `contract_id` is an id or a code, `account_id` an id or a name.
    """
    issue_id: str
    """The tracker's id of the issue."""
    issue_key: NotRequired[str | None]
    """The issue's key, for people."""
    summary: NotRequired[str | None]
    """The issue's title."""
    contract_id: NotRequired[str | None]
    """The contract's id or code; null unlinks the issue."""
    account_id: NotRequired[str | None]
    """The account's id or name; null if the contract has one account."""
    created_at: NotRequired[str | None]
    """When the issue was created. Work of a fixed price needs it."""
    updated_at: str
    """When it was last changed; the latest decides, not arrival."""


class IssueLinkedEvent(TypedDict):
    """A CloudEvent 1.0 in structured mode."""
    specversion: Literal["1.0"]
    """The version of CloudEvents."""
    id: str
    """The id."""
    source: str
    """The source of the event, a URI reference."""
    type: Literal["tidemark.issue.linked.v1"]
    """Whether hours are counted, or money at the rates of the rate cards."""
    time: NotRequired[str | None]
    """When the event happened. Tidemark uses the times in the data."""
    data: IssueLinked
    """The event's data."""


class LinkedAccount(TypedDict):
    """An account's figures."""
    account_id: str
    """The account's id."""
    name: str
    """The name."""
    billable: bool
    """Whether its work counts towards the contract."""
    whole: LinkedFigures
    """The figures of the whole contract time."""
    periods: list[LinkedPeriod]
    """The figures of each period, oldest first."""
    slices: list[LinkedSlice]
    """Shares of the account for single teams."""


class LinkedBalance(TypedDict):
    """A contract's full state, every period of it."""
    contract_id: str
    """The contract's id."""
    contract_code: str
    """The contract's code."""
    status: Literal["DRAFT", "ACTIVE", "EXPIRED", "INACTIVE", "CLOSED"]
    """The contract's status."""
    stream_version: int
    """Counts the contract's events; the highest is current."""
    revision: int
    """Counts the balances of a contract; the highest is current."""
    unit: Literal["seconds", "minor"]
    """The unit of the figures: whole seconds, or minor units of the currency."""
    currency: str | None
    """An ISO 4217 code such as EUR; null where hours are counted."""
    unaccounted_seconds: int
    """Work on the contract's issues that does not count."""
    forecast: Forecast | None
    """When the contract is used up at the current pace; null if there is not enough work to tell."""
    whole: LinkedFigures
    """The figures of the whole contract time."""
    periods: list[LinkedContractPeriod]
    """The figures of each period, oldest first."""
    accounts: list[LinkedAccount]
    """The accounts of the contract."""


class LinkedContractPeriod(TypedDict):
    """The figures of a contract's period, with what is carried into it."""
    planned: int | None
    """Planned work, in the unit of the balance; null without a plan."""
    consumed: int
    """Executed work, in the unit of the balance."""
    remaining: int | None
    """Available minus consumed; negative after an overrun, null without a plan."""
    percent: str | None
    """Consumed of what is available, as a decimal string; null without a plan."""
    worklogs: int
    """How many worklogs make the figure."""
    unrated_seconds: int | None
    """Fixed price: work without a rate; null where hours are counted."""
    links: Links
    """Related resources."""
    start: str
    """The first day of the period, inclusive."""
    end: str
    """The last day of the period, inclusive."""
    carried: int
    """What is carried into the period from the one before; negative after an overrun that is deducted."""
    available: int | None
    """Planned, plus what is carried into the period."""


class LinkedFigures(TypedDict):
    """Figures, and the worklogs that make them: their sum is what is consumed."""
    planned: int | None
    """Planned work, in the unit of the balance; null without a plan."""
    consumed: int
    """Executed work, in the unit of the balance."""
    remaining: int | None
    """Available minus consumed; negative after an overrun, null without a plan."""
    percent: str | None
    """Consumed of what is available, as a decimal string; null without a plan."""
    worklogs: int
    """How many worklogs make the figure."""
    unrated_seconds: int | None
    """Fixed price: work without a rate; null where hours are counted."""
    links: Links
    """Related resources."""


class LinkedPeriod(TypedDict):
    """The figures of one period."""
    planned: int | None
    """Planned work, in the unit of the balance; null without a plan."""
    consumed: int
    """Executed work, in the unit of the balance."""
    remaining: int | None
    """Available minus consumed; negative after an overrun, null without a plan."""
    percent: str | None
    """Consumed of what is available, as a decimal string; null without a plan."""
    worklogs: int
    """How many worklogs make the figure."""
    unrated_seconds: int | None
    """Fixed price: work without a rate; null where hours are counted."""
    links: Links
    """Related resources."""
    start: str
    """The first day of the period, inclusive."""
    end: str
    """The last day of the period, inclusive."""


class LinkedSlice(TypedDict):
    """The figures of a team in an account; `team_id` is null for unassigned work."""
    team_id: str | None
    """The team's id; null for work of no team."""
    whole: LinkedFigures
    """The figures of the whole contract time."""
    periods: list[LinkedPeriod]
    """The figures of each period, oldest first."""


class Links(TypedDict):
    """Related resources."""
    worklogs: str
    """The path of the worklogs that make the figure."""


class OutlookMonth(TypedDict):
    """What a coming month is expected to consume at the current pace, against what is contracted."""
    start: str
    """The month's first day; months count from the contract's start."""
    end: str
    """The month's last day."""
    contracted: int | None
    """What the period has available or, where it is to come, planned; null where nothing recurs."""
    expected: int
    """What it will have consumed at the average pace."""
    low: int
    """The same if every week is like the quietest of the last eight."""
    high: int
    """The same if every week is like the busiest of the last eight."""
    cumulative: int
    """What the contract will have consumed by then, at the average pace."""
    contracted_to_date: int | None
    """What is planned from the contract's start to then."""


PeopleReport = TypedDict("PeopleReport", {
    "from": "str",
    "to": "str",
    "people": "list[PersonLoad]",
})
"""Who worked how much in a range of days, and who has room."""


class PeriodBody(TypedDict):
    """The figures of one period of a contract, without any person."""
    contract_id: str
    """The contract's id."""
    contract_code: str
    """The contract's code."""
    contract_name: str
    """The contract's name."""
    organization_id: str
    """The customer's id."""
    organization_name: str | None
    """The customer's name."""
    unit: Literal["seconds", "minor"]
    """The unit of the figures: whole seconds, or minor units of the currency."""
    currency: str | None
    """An ISO 4217 code such as EUR; null where hours are counted."""
    figures: StatementPeriod
    """The figures of the period, billable accounts alone."""
    accounts: list[StatementAccount]
    """The accounts of the contract."""
    adjustments: list[Adjustment]
    """The adjustments of the period; part of planned."""


class PeriodFigures(TypedDict):
    """The figures of one period; both days are inclusive."""
    planned: int | None
    """Planned work, in the unit of the balance; null without a plan."""
    consumed: int
    """Executed work, in the unit of the balance."""
    remaining: int | None
    """Available minus consumed; negative after an overrun, null without a plan."""
    percent: str | None
    """Consumed of what is available, as a decimal string; null without a plan."""
    worklogs: int
    """How many worklogs make the figure."""
    unrated_seconds: int | None
    """Fixed price: work without a rate; null where hours are counted."""
    start: str
    """The first day of the period, inclusive."""
    end: str
    """The last day of the period, inclusive."""


class PeriodRestated(TypedDict):
    """A settled period changed: one row for each cause and account, in the order learned.

    `after_*` is what the account comes to now; the last one of an account and period holds.
    """
    restatement: int
    """Counts all restatements, in the order learned."""
    contract_id: str
    """The contract's id."""
    contract_code: str
    """The contract's code."""
    statement_number: int
    """The number of the statement that it corrects."""
    statement_sha256: str
    """The SHA-256 of the statement that it corrects."""
    period_start: str
    """The first day of the period; null where no period is concerned."""
    period_end: str
    """The last day of the period; null where no period is concerned."""
    account_id: str
    """The account's id."""
    account_name: str | None
    """The account's name; null where no account is concerned."""
    billable: bool | None
    """Whether the account is billable: in the statement, else in the contract now."""
    before_seconds: int
    """The time that counted before."""
    after_seconds: int
    """The time that counts since."""
    before_amount_minor: int | None
    """Fixed price: what it came to before, in minor units; null where hours are counted."""
    after_amount_minor: int | None
    """Fixed price: what it comes to since, in minor units; null where hours are counted."""
    currency: str | None
    """An ISO 4217 code such as EUR; null where hours are counted."""
    cause: str
    """What changed it: `worklog:SOURCE/ID`, `issue:SOURCE/ID`, `contract:VERSION`,
    `membership:TEAM/PERSON` or `rate_card:ID`.
    """
    restated_at: str
    """When Tidemark learned of it."""


class PersonContract(TypedDict):
    """What a person worked for a contract."""
    contract_id: str
    """The contract's id."""
    contract_code: str
    """The contract's code."""
    contract_name: str
    """The contract's name."""
    billable_seconds: int
    """Time on billable accounts."""
    non_billable_seconds: int
    """Time on other accounts."""
    unaccounted_seconds: int
    """Time that does not count yet."""


class PersonLoad(TypedDict):
    """A person in the range."""
    capacity_seconds: int | None
    """Monday to Friday as a member of a team: the daily workload of the rate card of that day, or 8 hours
    without one. Null for a person in no team.
    """
    billable_seconds: int
    """Time on billable accounts."""
    non_billable_seconds: int
    """Time on other accounts."""
    unaccounted_seconds: int
    """Time that does not count yet."""
    person_id: str
    """The person, as the source of the worklogs identifies them."""
    person_name: str | None
    """Their latest name in a team; null where none has one."""
    teams: list[PersonTeam]
    """Their teams in the range, the latest first."""
    weeks: list[WeekLoad]
    """Each week of the range."""
    contracts: list[PersonContract]
    """By contract, the most time first."""


class PersonTeam(TypedDict):
    """A team of a person."""
    team_id: str
    """The team's id."""
    team_name: str
    """The team's name."""


class PersonWork(TypedDict):
    """The work of a person for a contract. For internal use."""
    person_id: str
    """The person, as the source of the worklogs identifies them."""
    person_name: str | None
    """Their latest name in a team; null where none has one."""
    billable: Work
    """Their work on billable accounts."""
    non_billable: Work
    """Their work on other accounts."""


class Revision(TypedDict):
    """The revision of a contract's balance: it grows with each change."""
    contract_id: str
    """The contract's id."""
    revision: int
    """Counts the balances of a contract; the highest is current."""


class SliceBalance(TypedDict):
    """A team's share of an account; `team_id` is null for the unassigned share."""
    team_id: str | None
    """The team's id; null for work of no team."""
    whole: Figures
    """The figures of the whole contract time."""
    periods: list[PeriodFigures]
    """The figures of each period, oldest first."""


class Statement(TypedDict):
    """A period is settled: its figures, frozen once. Whatever changes later is a restatement."""
    contract_id: str
    """The contract's id."""
    contract_code: str
    """The contract's code."""
    contract_name: str
    """The contract's name."""
    organization_id: str
    """The customer's id."""
    organization_name: str | None
    """The customer's name."""
    unit: Literal["seconds", "minor"]
    """The unit of the figures: whole seconds, or minor units of the currency."""
    currency: str | None
    """An ISO 4217 code such as EUR; null where hours are counted."""
    figures: StatementPeriod
    """The figures of the period, billable accounts alone."""
    accounts: list[StatementAccount]
    """The accounts of the contract."""
    adjustments: list[Adjustment]
    """The adjustments of the period; part of planned."""
    number: int
    """Counts the statements of the contract, from 1, in the order frozen."""
    as_of: str
    """When the last of what the figures show was learned."""
    closed_at: str
    """When the statement was frozen."""
    restatements: list[Correction]
    """What earlier statements of the contract were corrected by since its last statement."""
    sha256: str
    """SHA-256 of the RFC 8785 JSON of all other members, in hex digits."""


class StatementAccount(TypedDict):
    """The figures of an account, and of its teams."""
    planned: int | None
    """Planned work, in the unit of the balance; null without a plan."""
    consumed: int
    """Executed work, in the unit of the balance."""
    remaining: int | None
    """Available minus consumed; negative after an overrun, null without a plan."""
    percent: str | None
    """Consumed of what is available, as a decimal string; null without a plan."""
    worklogs: int
    """How many worklogs make the figure."""
    unrated_seconds: int | None
    """Fixed price: work without a rate; null where hours are counted."""
    seconds: int
    """Time that counts, in seconds; for a fixed price the time worked."""
    amount_minor: int | None
    """Fixed price: the amount consumed, in minor units; null where hours are counted."""
    account_id: str
    """The account's id."""
    name: str
    """The name."""
    billable: bool
    """Whether its work counts towards the contract."""
    slices: list[StatementSlice]
    """Shares of the account for single teams."""


class StatementNow(TypedDict):
    """A statement as it was frozen, what has corrected it since, and what its period comes to today."""
    statement: Statement
    """The statement as it was frozen."""
    restatements: list[PeriodRestated]
    """What corrects the statement, in the order learned; at most the newest 1,000."""
    restatement_count: int
    """How many restatements correct the statement."""
    today: PeriodBody | None
    """The figures of the period today; null where the contract does not have the period any more."""


class StatementPeriod(TypedDict):
    """The figures of the period, billable accounts alone, with what is carried into it."""
    planned: int | None
    """Planned work, in the unit of the balance; null without a plan."""
    consumed: int
    """Executed work, in the unit of the balance."""
    remaining: int | None
    """Available minus consumed; negative after an overrun, null without a plan."""
    percent: str | None
    """Consumed of what is available, as a decimal string; null without a plan."""
    worklogs: int
    """How many worklogs make the figure."""
    unrated_seconds: int | None
    """Fixed price: work without a rate; null where hours are counted."""
    seconds: int
    """Time that counts, in seconds; for a fixed price the time worked."""
    amount_minor: int | None
    """Fixed price: the amount consumed, in minor units; null where hours are counted."""
    start: str
    """The first day of the period, inclusive."""
    end: str
    """The last day of the period, inclusive."""
    carried: int
    """What is carried into the period from the one before; negative after an overrun that is deducted."""
    available: int | None
    """Planned, plus what is carried into the period."""


class StatementSlice(TypedDict):
    """The figures of a team in an account; the team is null for the unassigned share."""
    planned: int | None
    """Planned work, in the unit of the balance; null without a plan."""
    consumed: int
    """Executed work, in the unit of the balance."""
    remaining: int | None
    """Available minus consumed; negative after an overrun, null without a plan."""
    percent: str | None
    """Consumed of what is available, as a decimal string; null without a plan."""
    worklogs: int
    """How many worklogs make the figure."""
    unrated_seconds: int | None
    """Fixed price: work without a rate; null where hours are counted."""
    seconds: int
    """Time that counts, in seconds; for a fixed price the time worked."""
    amount_minor: int | None
    """Fixed price: the amount consumed, in minor units; null where hours are counted."""
    team_id: str | None
    """The team's id; null for work of no team."""
    team_name: str | None
    """The team's name; null for work of no team."""


class TeamDelivery(TypedDict):
    """The work of a team for all contracts of the report."""
    team_id: str | None
    """The team's id; null for unassigned work."""
    team_name: str | None
    """The team's name; null for unassigned work."""
    billable_seconds: int
    """Its time on billable accounts."""
    non_billable_seconds: int
    """Its time on other accounts."""
    billable_percent: str
    """The billable share of its time, two decimals."""


class TeamWork(TypedDict):
    """The work of a team for a contract."""
    team_id: str | None
    """The team's id; null for unassigned work."""
    team_name: str | None
    """The team's name; null for unassigned work."""
    billable: Work
    """Its work on billable accounts."""
    non_billable: Work
    """Its work on other accounts."""


class UnaccountedWork(TypedDict):
    """Work whose issue names the contract and that does not count."""
    reason: Literal["issue_not_linked", "contract_unknown", "account_unknown", "contract_draft", "contract_inactive", "issue_undated", "outside_dates"]
    """Why it does not count."""
    seconds: int
    """Time worked, whole seconds."""
    hours: str
    """The same in hours, four decimals."""
    worklogs: int
    """How many worklogs."""


class WeekLoad(TypedDict):
    """A week of a person: its days in the range."""
    capacity_seconds: int | None
    """Monday to Friday as a member of a team: the daily workload of the rate card of that day, or 8 hours
    without one. Null for a person in no team.
    """
    billable_seconds: int
    """Time on billable accounts."""
    non_billable_seconds: int
    """Time on other accounts."""
    unaccounted_seconds: int
    """Time that does not count yet."""
    start: str
    """The week's Monday."""


class Work(TypedDict):
    """Work of a range of days, by the day of the work."""
    seconds: int
    """Time worked, whole seconds."""
    hours: str
    """The same in hours, four decimals."""
    consumed: int
    """What it consumes, in the unit of the contract."""
    amount: str | None
    """Fixed price: the same in the currency; otherwise null."""
    unrated_seconds: int | None
    """Fixed price: time of people without a rate."""
    worklogs: int
    """How many worklogs."""


class Worklog(TypedDict):
    """A worklog and what it counts towards.

    `amount_exact`: fixed price, seconds times minor units an hour; these add up exactly.
    """
    source: str
    """The source of the event, a URI reference."""
    worklog_id: str
    """The tracker's id of the worklog."""
    issue_id: str
    """The tracker's id of the issue."""
    issue_key: str | None
    """The issue's key, for people."""
    summary: str | None
    """The issue's title."""
    author_id: str
    """The person who did the work."""
    started_at: str
    """When the work started."""
    seconds: int
    """The duration in whole seconds."""
    day: str | None
    """The day of the work in the contract's time zone."""
    account_id: str | None
    """The account that it counts towards; null if it does not count."""
    account_name: str | None
    """The account's name; null where no account is concerned."""
    billable: bool | None
    """Whether the account is billable; null if it does not count."""
    team_id: str | None
    """The team's id; null for work of no team."""
    team_name: str | None
    """The team's name; null for work of no team."""
    period_start: str | None
    """The first day of the period; null where no period is concerned."""
    reason: Literal["issue_not_linked", "contract_unknown", "account_unknown", "contract_draft", "contract_inactive", "issue_undated", "outside_dates"] | None
    """Why it does not count; null if it counts."""
    amount_exact: int | None
    """Fixed price: seconds times minor units an hour; the sum of these, divided by 3,600, is exact."""
    unrated_seconds: int | None
    """Fixed price: work without a rate; null where hours are counted."""
    description: str | None
    """What was done, from the tracker."""
    updated_at: str
    """When it was last changed; the latest decides, not arrival."""


class WorklogCheck(TypedDict):
    """A worklog that is not logged yet; with the id of one that is, its correction."""
    source: NotRequired[str | None]
    """The source of the issue; may be left out where only one has it."""
    issue_id: str
    """The tracker's id of the issue, or its key."""
    author_id: str
    """The person who did the work."""
    started_at: NotRequired[str | None]
    """When the work starts. Send either this or `day`."""
    day: NotRequired[str | None]
    """The day in the contract's time zone: as if it were the last work of this day."""
    seconds: int
    """The duration in whole seconds."""
    team_id: NotRequired[str | None]
    """The team that does the work; null: by membership."""
    worklog_id: NotRequired[str | None]
    """The id of a worklog that this corrects; null for a new one."""


class WorklogDeleted(TypedDict):
    """A worklog was deleted, whatever issue the deletion names."""
    worklog_id: str
    """The tracker's id of the worklog."""
    issue_id: str
    """The tracker's id of the issue."""
    deleted_at: str
    """When the worklog was deleted."""


class WorklogDeletedEvent(TypedDict):
    """A CloudEvent 1.0 in structured mode."""
    specversion: Literal["1.0"]
    """The version of CloudEvents."""
    id: str
    """The id."""
    source: str
    """The source of the event, a URI reference."""
    type: Literal["tidemark.worklog.deleted.v1"]
    """Whether hours are counted, or money at the rates of the rate cards."""
    time: NotRequired[str | None]
    """When the event happened. Tidemark uses the times in the data."""
    data: WorklogDeleted
    """The event's data."""


class WorklogRate(TypedDict):
    """A part of the worklog, at one rate."""
    kind: Literal["normal", "extra_time", "weekend", "holiday"]
    """The kind of hours."""
    seconds: int
    """The duration in whole seconds."""
    per_hour_minor: int
    """The rate, in minor units of the currency an hour."""
    amount_exact: int
    """Fixed price: seconds times minor units an hour; the sum of these, divided by 3,600, is exact."""


class WorklogRecorded(TypedDict):
    """The full state of a worklog; a correction is the same event with a later `updated_at`."""
    worklog_id: str
    """The tracker's id of the worklog."""
    issue_id: str
    """The tracker's id of the issue."""
    author_id: str
    """The person who did the work."""
    started_at: str
    """When the work started."""
    seconds: int
    """The duration in whole seconds."""
    team_id: NotRequired[str | None]
    """The team that did the work; null lets Tidemark find it by membership."""
    description: NotRequired[str | None]
    """What was done."""
    updated_at: str
    """When it was last changed; the latest decides, not arrival."""


class WorklogRecordedEvent(TypedDict):
    """A CloudEvent 1.0 in structured mode."""
    specversion: Literal["1.0"]
    """The version of CloudEvents."""
    id: str
    """The id."""
    source: str
    """The source of the event, a URI reference."""
    type: Literal["tidemark.worklog.recorded.v1"]
    """Whether hours are counted, or money at the rates of the rate cards."""
    time: NotRequired[str | None]
    """When the event happened. Tidemark uses the times in the data."""
    data: WorklogRecorded
    """The event's data."""


class AccountLine(TypedDict):
    """The figures of one account. `evaluated` marks the account that the notification is about."""
    name: str
    """The name."""
    billable: bool
    """Whether its work counts towards the contract."""
    evaluated: bool
    """Whether the notification is about this account."""
    planned: int | None
    """Planned work, in the unit of the balance; null without a plan."""
    consumed: int
    """Executed work, in the unit of the balance."""


class CorrectionLine(TypedDict):
    """What an account of a settled period came to, and comes to after its restatements."""
    name: str | None
    """The account's name; null for a removed one."""
    billable: bool
    """Whether the account is billable."""
    before: int
    """What it came to, in the unit of the figures."""
    after: int
    """What it comes to now, in the unit of the figures."""


class Delivery(TypedDict):
    """One mail or webhook to one receiver; `receiver` is null if the rule's receivers resolved to no
    address.

    Deliveries with the same `message_id` are one mail.
    """
    delivery_id: str
    """The delivery's id."""
    message_id: str
    """The mail that it is part of: deliveries with one message id are one mail."""
    channel: str
    """How it was sent: `email` or `webhook`."""
    receiver: str | None
    """The address that it was sent to."""
    status: Literal["pending", "delivered", "failed", "no_receiver"]
    """The status of the delivery."""
    attempts: int
    """How often delivery was attempted."""
    last_error: str | None
    """Why the last attempt failed; null if it did not."""
    delivered_at: str | None
    """When it was delivered; null if it was not."""


class DigestDetails(TypedDict):
    """What a digest says of a contract beside the figures of its current period."""
    day: str
    """A day in the contract's time zone."""
    status: Literal["DRAFT", "ACTIVE", "EXPIRED", "INACTIVE", "CLOSED"]
    """The contract's status."""
    contract_end: str
    """The contract's last day."""
    planned: int | None
    """Planned work, in the unit of the balance; null without a plan."""
    consumed: int | None
    """Executed work, in the unit of the balance."""
    previous: DigestFigures | None
    """What the last digest to this receiver showed; null if it is new there."""
    attention: list[Literal["over", "account_over", "runs_out", "ended", "ends_soon", "not_counted"]]
    """Why the contract needs attention, the most urgent first; the first is shown."""
    accounts_over: list[str]
    """The billable accounts that are over their plan."""


class DigestFigures(TypedDict):
    """What a digest showed of a contract: the next one says what has changed."""
    day: str
    """A day in the contract's time zone."""
    status: Literal["DRAFT", "ACTIVE", "EXPIRED", "INACTIVE", "CLOSED"]
    """The contract's status."""
    contract_end: str
    """The contract's last day."""
    planned: int | None
    """Planned work, in the unit of the balance; null without a plan."""
    consumed: int | None
    """Executed work, in the unit of the balance."""


class DryRun(TypedDict):
    """The notifications that a rule would raise at once. `complete` is false if there are more than are
    listed.
    """
    items: list[NotificationPreview]
    """The notifications."""
    complete: bool
    """Whether the list has every item."""


class ExplainedRule(TypedDict):
    """A rule that could apply to a contract, and its state there."""
    rule_id: str
    """The rule's id."""
    rule_name: str
    """The rule's name."""
    version: int
    """Counts the changes; it is the ETag."""
    scope: Scope
    """The contracts that the rule applies to."""
    trigger: Trigger
    """When the rule fires."""
    state: Literal["fired", "skipped", "due", "not_reached", "no_plan", "inactive", "waiting", "not_applicable", "disabled", "replaced"]
    """Whether it has fired, or what is missing until it does."""
    text: str
    """A sentence for people."""
    thresholds: list[ExplainedThreshold]
    """The state of each threshold."""


class ExplainedThreshold(TypedDict):
    """One threshold of a rule for one subject. `name` is that of the account, for a slice with the team's."""
    subject: Literal["contract", "account", "slice"]
    """What is evaluated."""
    subject_id: str
    """The id of what is evaluated; for a slice, of account and team."""
    name: str | None
    """The name."""
    period_start: str | None
    """The first day of the period; null where no period is concerned."""
    period_end: str | None
    """The last day of the period; null where no period is concerned."""
    threshold: str | None
    """The threshold, as text; null where the trigger has none."""
    state: Literal["fired", "skipped", "due", "not_reached", "no_plan", "inactive", "waiting", "not_applicable", "disabled", "replaced"]
    """Whether it has fired, or what is missing until it does."""
    text: str
    """A sentence for people."""
    fired: FiredNotification | None
    """The notification that it raised; null if it raised none."""


class FiredNotification(TypedDict):
    """The notification that was raised for a threshold."""
    notification_id: str
    """The notification's id."""
    raised_at: str
    """When the notification was raised."""
    receivers: list[ReceiverStatus]
    """Who is notified."""


class Notification(TypedDict):
    """A notification with its figures and its deliveries: of a rule, or of an offer."""
    id: str
    """The id."""
    contract_id: str
    """The contract's id."""
    contract_code: str
    """The contract's code."""
    rule_id: str | None
    """The rule's id."""
    rule_name: str | None
    """The rule's name."""
    offer_id: str | None
    """The offer's id."""
    subject: str
    """What is evaluated."""
    subject_id: str
    """The id of what is evaluated; for a slice, of account and team."""
    threshold: str | None
    """The threshold, as text; null where the trigger has none."""
    period_start: str | None
    """The first day of the period; null where no period is concerned."""
    raised_at: str
    """When the notification was raised."""
    snapshot: Snapshot
    """The figures at the moment when it was raised."""
    deliveries: list[Delivery]
    """One for each receiver."""


class NotificationPreview(TypedDict):
    """A notification that would be raised: the day in the contract's zone, and the receivers."""
    day: str
    """A day in the contract's time zone."""
    contract_id: str
    """The contract's id."""
    contract_code: str
    """The contract's code."""
    kind: str
    """The kind of the rule's trigger."""
    subject: str
    """What is evaluated."""
    subject_id: str
    """The id of what is evaluated; for a slice, of account and team."""
    name: str | None
    """The name of the account or slice; null for the contract."""
    period_start: str | None
    """The first day of the period; null where no period is concerned."""
    threshold: str | None
    """The threshold, as text; null where the trigger has none."""
    text: str
    """A sentence for people."""
    receivers: list[str]
    """The addresses that would be notified."""
    offer: RuleOffer | None
    """What would be offered with it; null for nothing."""


class OfferDetails(TypedDict):
    """The offer that a notification is about, and what has happened to it."""
    offer_id: str
    """The offer's id."""
    version: int
    """Counts the changes; it is the ETag."""
    event: Literal["requested", "made", "accepted", "declined", "refused", "withdrawn", "expired"]
    """What has happened; refused: it no longer fits the contract."""
    amount: int
    """In the unit of the figures; negative if less is to be planned."""
    reason: str
    """Why, as a text for people."""
    price_minor: int | None
    """What it costs the customer, in minor units; null where no price is named."""
    price_currency: str | None
    """The currency of the price."""
    note: str | None
    """For the customer, beside the reason; null for none."""
    valid_until: str | None
    """Until when it can be answered; null for a request."""
    person_name: str | None
    """Who asked for it or answered it, at the customer."""
    remark: str | None
    """Said with the answer or the withdrawal."""
    refusal: str | None
    """Why it could not be accepted when that was last tried."""


class Receiver(TypedDict):
    """Who is notified: people by mail, a program by a signed webhook, or a channel of a chat.

    Without `format`, a webhook is `standard`. Whoever has the URL of a chat can post there, so answers
    show its host alone; it takes the place of a `secret`.
    """
    kind: Literal["owner", "contacts", "team", "address", "webhook"]
    """Which kind it is; it decides which other members are present."""
    role: NotRequired[str | None]
    """The contacts with this role are notified."""
    id: NotRequired[str | None]
    """The team whose members are notified."""
    email: NotRequired[str | None]
    """The address that is notified."""
    url: NotRequired[str | None]
    """The address of the webhook."""
    format: NotRequired[Literal["standard"] | Literal["slack", "teams", "google_chat", "mattermost", "discord"] | None]
    """The format of the webhook: of a chat, or `standard`."""
    secret: NotRequired[str | None]
    """The key that signs the webhook: `whsec_` and base64. Responses mask it."""


class ReceiverStatus(TypedDict):
    """A receiver of a notification and the status of its delivery; the receiver is null if there was none."""
    receiver: str | None
    """The address that it was sent to."""
    status: str
    """The status of its delivery."""


class ReportMail(TypedDict):
    """One mail of a saved report."""
    id: str
    """The id."""
    email: str
    """The receiver's address."""
    first_day: str
    """The first day of its report."""
    last_day: str
    """The last day of its report."""
    status: Literal["pending", "delivered", "failed"]
    """What became of it."""
    attempts: int
    """How often delivery was attempted."""
    last_error: str | None
    """Why the last attempt failed; null if none did."""
    raised_at: str
    """When it was raised: its figures are those of this moment."""
    delivered_at: str | None
    """When it was delivered; null if it was not."""


class ReportReceiver(TypedDict):
    """Who gets the mail: the customer's contacts of a role, or an address."""
    kind: Literal["contacts", "address"]
    """Which kind it is; it decides which other members are present."""
    role: NotRequired[str | None]
    """The contacts with this role are notified."""
    email: NotRequired[str | None]
    """An email address."""


class Rule(TypedDict):
    """A rule as the API returns it."""
    name: str
    """The name."""
    scope: Scope
    """The contracts that the rule applies to."""
    trigger: Trigger
    """When the rule fires."""
    receivers: list[Receiver]
    """Who is notified."""
    channels: list[Literal["email", "webhook"]]
    """How receivers are notified."""
    remind_every_days: int | None
    """Remind after this many days while it lasts; null for no reminders."""
    notify_resolved: bool
    """Whether receivers are notified when the threshold is no longer reached."""
    existing: Literal["notify", "skip"]
    """Whether thresholds that are already reached notify at once, or never."""
    subject: str | None
    """The subject of the mail, with placeholders; null for the standard one."""
    opening: str | None
    """The opening text of the mail, with placeholders; null for the standard one."""
    offer: RuleOffer | None
    """What is offered to the customer, once, with a notification of this rule; null for nothing."""
    enabled: bool
    """Whether the rule is evaluated."""
    id: str
    """The id."""
    version: int
    """Counts the changes; it is the ETag."""


class RuleInput(TypedDict):
    """A notification rule as a client sends it."""
    name: str
    """The name."""
    scope: Scope
    """The contracts that the rule applies to."""
    trigger: Trigger
    """When the rule fires."""
    receivers: list[Receiver]
    """Who is notified."""
    channels: list[Literal["email", "webhook"]]
    """How receivers are notified."""
    remind_every_days: NotRequired[int | None]
    """Remind after this many days while it lasts; null for no reminders."""
    notify_resolved: NotRequired[bool]
    """Whether receivers are notified when the threshold is no longer reached."""
    existing: NotRequired[Literal["notify", "skip"]]
    """Whether thresholds that are already reached notify at once, or never."""
    subject: NotRequired[str | None]
    """The subject of the mail, with placeholders; null for the standard one."""
    opening: NotRequired[str | None]
    """The opening text of the mail, with placeholders; null for the standard one."""
    offer: NotRequired[RuleOfferInput | None]
    """What is offered to the customer, once, with a notification of this rule; null for nothing."""
    enabled: NotRequired[bool]
    """Whether the rule is evaluated."""


class RuleOffer(TypedDict):
    """The offer that a rule makes with its notification: for the notification's period, else the current
    one.
    """
    account: str
    """The account's id or name."""
    hours: str | None
    """Hours as a decimal string, positive or negative."""
    value_minor: int | None
    """Fixed price: an amount in minor units, positive or negative."""
    price_minor: int | None
    """What it costs the customer, in minor units; null where no price is named."""
    price_currency: str | None
    """The currency of the price."""
    valid_days: int | None
    """How many days the offer is open; null: 14, or until the period ends if that is earlier."""


class RuleOfferInput(TypedDict):
    """The offer that a rule makes with its notification: for the notification's period, else the current
    one.
    """
    account: str
    """The account's id or name."""
    hours: NotRequired[str | None]
    """Hours as a decimal string, positive or negative."""
    value_minor: NotRequired[int | None]
    """Fixed price: an amount in minor units, positive or negative."""
    price_minor: NotRequired[int | None]
    """What it costs the customer, in minor units; null where no price is named."""
    price_currency: NotRequired[str | None]
    """The currency of the price."""
    valid_days: NotRequired[int | None]
    """How many days the offer is open; null: 14, or until the period ends if that is earlier."""


class RulePreviewRequest(TypedDict):
    """A rule, or the id of a stored one, and a contract by id or code."""
    rule: NotRequired[RuleInput | None]
    """The rule, if it is not stored."""
    rule_id: NotRequired[str | None]
    """The id of a stored rule."""
    contract: str
    """The contract's id or code."""


class RuleTestRequest(TypedDict):
    """Where the test goes: to `email` or else to the rule's receivers; and the contract whose figures it
    shows.
    """
    email: NotRequired[str | None]
    """Where the test goes; null for the rule's receivers."""
    contract: NotRequired[str | None]
    """A contract's id or code; null: the first contract in the rule's scope."""


class RuleTestResult(TypedDict):
    """The notification that was raised; see `/v1/notifications/{id}`."""
    notification_id: str
    """The notification's id."""


class SavedReport(TypedDict):
    """A saved report as the API returns it."""
    name: str
    """Its name, unique for the customer."""
    organization_id: str
    """The customer."""
    contracts: list[str]
    """Ids or codes of contracts; empty for all."""
    accounts: list[str]
    """Ids of accounts; empty for all."""
    range: Literal["this-month", "last-month", "this-quarter", "last-quarter", "this-year", "last-year", "this-quarter-to-date", "this-year-to-date"] | None
    """Days that move with time; null for two days."""
    first_day: str | None
    """The first day, if `range` is null."""
    last_day: str | None
    """The last day, inclusive, if `range` is null."""
    hours: Literal["decimal", "minutes"] | None
    """How hours are written; null as each reader likes."""
    people: bool
    """Whether persons are named."""
    internal: bool
    """Whether it has what is not billable or not counted. Contacts never get that by mail."""
    schedule: Schedule | None
    """When it is mailed; null for never."""
    id: str
    """The id."""
    version: int
    """Counts the changes; it is the ETag."""
    next_mail_on: str | None
    """The day of the next mail; null for none."""


class SavedReportInput(TypedDict):
    """A delivery report under a name: its days may move with time, as those of `last-month` do."""
    name: str
    """Its name, unique for the customer."""
    organization_id: str
    """The customer."""
    contracts: NotRequired[list[str]]
    """Ids or codes of contracts; empty for all."""
    accounts: NotRequired[list[str]]
    """Ids of accounts; empty for all."""
    range: NotRequired[Literal["this-month", "last-month", "this-quarter", "last-quarter", "this-year", "last-year", "this-quarter-to-date", "this-year-to-date"] | None]
    """Days that move with time; null for two days."""
    first_day: NotRequired[str | None]
    """The first day, if `range` is null."""
    last_day: NotRequired[str | None]
    """The last day, inclusive, if `range` is null."""
    hours: NotRequired[Literal["decimal", "minutes"] | None]
    """How hours are written; null as each reader likes."""
    people: NotRequired[bool]
    """Whether persons are named."""
    internal: NotRequired[bool]
    """Whether it has what is not billable or not counted. Contacts never get that by mail."""
    schedule: NotRequired[ScheduleInput | None]
    """When it is mailed; null for never."""


class Schedule(TypedDict):
    """When a report is mailed, in the customer's time zone, and to whom. The days are those of a digest."""
    every: Literal["week", "month"]
    """How often it is mailed."""
    on: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] | int
    """A weekday (every month its first), or a day of the month or its last day."""
    receivers: list[ReportReceiver]
    """Who gets the mail."""
    xlsx: bool
    """Whether XLSX is attached besides the PDF."""


class ScheduleInput(TypedDict):
    """When a report is mailed, in the customer's time zone, and to whom. The days are those of a digest."""
    every: Literal["week", "month"]
    """How often it is mailed."""
    on: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] | int
    """A weekday (every month its first), or a day of the month or its last day."""
    receivers: list[ReportReceiver]
    """Who gets the mail."""
    xlsx: NotRequired[bool]
    """Whether XLSX is attached besides the PDF."""


class Scope(TypedDict):
    """Where a rule applies: to all contracts, to one organization's contracts, or to one contract."""
    kind: Literal["global", "organization", "contract"]
    """Which kind it is; it decides which other members are present."""
    id: NotRequired[str | None]
    """The id of the organization or contract."""


class SentReport(TypedDict):
    """How many mails were raised."""
    mails: int
    """One for each receiver."""


class Snapshot(TypedDict):
    """The figures at the moment when a notification was raised. Mails and webhooks are made from this
    alone.

    Amounts are in `unit`: whole seconds, or minor units of `currency`. Figures that a trigger does not
    use may be null: a contract that expires may have no balance yet.
    """
    kind: Literal["crossing", "reminder", "resolved", "test", "offer", "digest"]
    """Why it was raised: a threshold is crossed or no longer reached, a reminder, a test, an offer."""
    trigger: str
    """The kind of the rule's trigger."""
    reason: str
    """Why, as a text for people."""
    contract_code: str
    """The contract's code."""
    contract_name: str
    """The contract's name."""
    organization_name: str
    """The customer's name."""
    timezone: str
    """An IANA time zone such as Europe/Berlin."""
    status: Literal["DRAFT", "ACTIVE", "EXPIRED", "INACTIVE", "CLOSED"]
    """The contract's status."""
    contract_start: str
    """The contract's first day."""
    contract_end: str
    """The contract's last day."""
    days_left: int
    """Days from today to the contract's last day."""
    revision: int | None
    """Counts the balances of a contract; the highest is current."""
    rule_name: str | None
    """The rule's name."""
    rule_version: int | None
    """The version of the rule that raised it."""
    scope: str | None
    """Where the rule applies, for people."""
    threshold: str | None
    """The threshold, as text; null where the trigger has none."""
    threshold_text: str
    """The threshold with its unit, for people."""
    subject_kind: Literal["contract", "account", "slice"]
    """Whether the contract, an account or a slice was evaluated."""
    account_name: str | None
    """The account's name; null where no account is concerned."""
    team_name: str | None
    """The team's name; null for work of no team."""
    period_start: str | None
    """The first day of the period; null where no period is concerned."""
    period_end: str | None
    """The last day of the period; null where no period is concerned."""
    unit: Literal["seconds", "minor"]
    """The unit of the figures: whole seconds, or minor units of the currency."""
    currency: str | None
    """An ISO 4217 code such as EUR; null where hours are counted."""
    planned: int | None
    """Planned work, in the unit of the balance; null without a plan."""
    available: int | None
    """Planned, plus what is carried into the period."""
    consumed: int | None
    """Executed work, in the unit of the balance."""
    remaining: int | None
    """Available minus consumed; negative after an overrun, null without a plan."""
    percent: str | None
    """Consumed of what is available, as a decimal string; null without a plan."""
    unaccounted_seconds: int | None
    """Work on the contract's issues that does not count."""
    forecast: Forecast | None
    """When the contract is used up at the current pace; null if there is not enough work to tell."""
    accounts: list[AccountLine]
    """The accounts of the contract."""
    subject: str | None
    """The rule's own subject of the mail; null for the standard one."""
    opening: str | None
    """The opening text of the mail, with placeholders; null for the standard one."""
    locale: str
    """The language and the formats of mails, as a BCP 47 tag."""
    organization_id: str | None
    """The customer's id."""
    owner_name: str | None
    """The person at the provider who is responsible."""
    owner_email: str | None
    """The address of the person at the provider who is responsible."""
    offer: OfferDetails | None
    """The offer that it is about; null if a rule raised it."""
    digest: DigestDetails | None
    """What the digest says of the contract; null in every other notification."""
    corrections: list[CorrectionLine]
    """What the statement was corrected by, by account; empty if it is about something else."""


class Trigger(TypedDict):
    """When a rule fires. `kind` decides which other members are present.

    `at` holds percentages or hours (decimal strings), or minor units or days (whole numbers).
    `currency` limits an amount to contracts in that currency; without it, the amount is in each
    contract's own. A digest is `on` a weekday, every month on the first such day, or on a day of the
    month or its last one.
    """
    kind: Literal["consumed_percent", "remaining_hours", "remaining_amount", "overrun", "expires_in_days", "expired", "status_changed", "unaccounted_work", "forecast_exhausts", "period_closed", "digest"]
    """Which kind it is; it decides which other members are present."""
    of: NotRequired[Literal["contract", "account", "slice"] | None]
    """Whether the whole contract, each account or each slice is evaluated."""
    over: NotRequired[Literal["period", "whole"] | None]
    """Whether the period or the whole contract is evaluated."""
    at: NotRequired[list[str | int] | None]
    """The thresholds, in the unit of the kind: percent and hours as decimal strings, money in minor units,
    days.
    """
    currency: NotRequired[str | None]
    """Limits an amount to contracts in this currency."""
    to: NotRequired[Literal["DRAFT", "ACTIVE", "EXPIRED", "INACTIVE", "CLOSED"] | None]
    """Fires when the status becomes this one."""
    within_days: NotRequired[int | None]
    """Fires if the forecast is within this many days."""
    before_end: NotRequired[bool | None]
    """Fires if the forecast is before the contract's end."""
    every: NotRequired[Literal["week", "month"] | None]
    """How often a digest is sent."""
    on: NotRequired[Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] | int | None]
    """The day of a digest: a weekday, every month the first; or a day from 1 to 31, or the month's last."""


class WebhookFigures(TypedDict):
    """The figures in `unit`: whole seconds, or minor units of `currency`; null if there are none."""
    unit: Literal["seconds", "minor"]
    """The unit of the figures: whole seconds, or minor units of the currency."""
    currency: str | None
    """An ISO 4217 code such as EUR; null where hours are counted."""
    planned: int | None
    """Planned work, in the unit of the balance; null without a plan."""
    available: int | None
    """Planned, for a contract's period plus what is carried into it."""
    consumed: int | None
    """Executed work, in the unit of the balance."""
    remaining: int | None
    """Available minus consumed; negative after an overrun, null without a plan."""
    percent: str | None
    """Consumed as a percentage of available, with at most two decimals."""
    unaccounted_seconds: int | None
    """Work on the contract's issues that does not count."""
    forecast: Forecast | None
    """When the contract is used up at the current pace; null if there is not enough work to tell."""
    accounts: list[AccountLine]
    """The accounts of the contract."""


class WebhookNotification(TypedDict):
    """The event of `notifier.notifications`, with the figures at the time when it was raised."""
    notification_id: str
    """The notification's id."""
    contract_id: str
    """The contract's id."""
    contract_code: str
    """The contract's code."""
    rule_id: str | None
    """Null for the mails of offers."""
    rule_name: str | None
    """Null for the mails of offers."""
    subject: str
    """What is evaluated."""
    subject_id: str
    """The id of what is evaluated; for a slice, of account and team."""
    threshold: str | None
    """The threshold, as text; null where the trigger has none."""
    period_start: str | None
    """The first day of the period; null where no period is concerned."""
    raised_at: str
    """When the notification was raised."""
    delivery_id: NotRequired[str | None]
    """The delivery's id."""
    channel: NotRequired[str | None]
    """How it was sent: `email` or `webhook`."""
    receiver: NotRequired[str | None]
    """The address that it was sent to."""
    error: NotRequired[str | None]
    """Why delivery failed; null if it did not."""
    offer: NotRequired[RuleOfferInput | None]
    """With `raised`: the offer to make, once."""
    offer_id: NotRequired[str | None]
    """Of the offer that a mail is about; null if a rule fired."""
    kind: Literal["crossing", "reminder", "resolved", "test"]
    """Why it was raised: a threshold is crossed or no longer reached, a reminder, a test."""
    trigger: str
    """The kind of the rule's trigger."""
    headline: str
    """The subject of the mail, in short: 80 % used."""
    reason: str
    """Why it was raised, in one sentence."""
    contract_name: str
    """The contract's name."""
    organization_name: str
    """The customer's name."""
    account_name: str | None
    """The account's name; null where no account is concerned."""
    team_name: str | None
    """The team's name; null for work of no team."""
    status: Literal["DRAFT", "ACTIVE", "EXPIRED", "INACTIVE", "CLOSED"]
    """The contract's status."""
    contract_end: str
    """The contract's last day."""
    period_end: str | None
    """The last day of the period; null where no period is concerned."""
    link: str
    """The page of the contract."""
    figures: WebhookFigures
    """The figures at the moment when the notification was raised."""


class WebhookPayload(TypedDict):
    """The body of a webhook; the same at every attempt."""
    type: Literal["tidemark.notification.raised.v1", "tidemark.notification.resolved.v1"]
    """The event's type."""
    timestamp: str
    """When the notification was raised."""
    data: WebhookNotification
    """The event's data."""
