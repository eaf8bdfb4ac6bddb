"""The asynchronous client, with a method per operation. Generated from the code (`make docs`)."""
# fmt: off

from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime
from typing import Literal
from uuid import UUID

from tidemark_client.async_base import BaseAsyncClient
from tidemark_client.core import Call, Entity, Reference, path, require_etag
from tidemark_client.generated import models


class AsyncClient(BaseAsyncClient):
    """An asynchronous client of Tidemark's HTTP API.

    A method that changes something takes the entity that you read, or an id and the ETag (``etag``). Lists are
    iterators over all pages. A change is tried again with the same idempotency key, which you may choose (``key``).
    """

    async def get_service_status(
        self,
        service: Literal["contracts", "consumption", "notifier", "intake"],
    ) -> models.ServiceStatus:
        """The topics that a service reads, what waits inside of it, and why it makes no progress.

        Needs the role `viewer`.
        """
        result: models.ServiceStatus = (await self._call(Call("GET", path("services/{}/status", service)))).body
        return result

    def list_dead_letters(
        self,
        service: Literal["contracts", "consumption", "notifier", "intake"],
        *,
        topic: str | None = None,
        reason: str | None = None,
        include_replayed: bool | None = None,
    ) -> AsyncIterator[models.DeadLetterSummary]:
        """The dead letters of a service, the oldest first.

        Needs the role `viewer`.
        """
        return self._items(Call("GET", path("services/{}/dead-letters", service), query={"limit": 200, "topic": topic, "reason": reason, "include_replayed": include_replayed}))

    async def get_dead_letter(
        self,
        service: Literal["contracts", "consumption", "notifier", "intake"],
        dead_letter_id: int,
    ) -> models.DeadLetterDetails:
        """A dead letter, with key, headers and value of its record.

        Needs the role `viewer`.
        """
        result: models.DeadLetterDetails = (await self._call(Call("GET", path("services/{}/dead-letters/{}", service, dead_letter_id)))).body
        return result

    async def replay_dead_letter(
        self,
        service: Literal["contracts", "consumption", "notifier", "intake"],
        dead_letter_id: int,
        *,
        key: str | None = None,
    ) -> models.DeadLetterSummary:
        """Process a dead letter again, unchanged, in the service that could not process it.

        `replayed_at` in the response is null if it was refused again: it waits with its new reason.

        Needs the role `admin`.
        """
        result: models.DeadLetterSummary = (await self._call(Call("POST", path("services/{}/dead-letters/{}/replay", service, dead_letter_id), key=key))).body
        return result

    async def create_organization(
        self,
        body: models.OrganizationInput,
        *,
        key: str | None = None,
    ) -> Entity[models.Organization]:
        """Create an organization.

        Needs the role `manager`.
        """
        return await self._call(Call("POST", "organizations", body=body, key=key))

    def list_organizations(
        self,
        *,
        id: Sequence[UUID | str] | None = None,
        name: str | None = None,
        text: str | None = None,
    ) -> AsyncIterator[models.Organization]:
        """List organizations by name.

        Needs the role `viewer`.
        """
        return self._items(Call("GET", "organizations", query={"limit": 200, "id": id, "name": name, "text": text}))

    async def get_organization(self, organization: Reference) -> Entity[models.Organization]:
        """Read one organization.

        Needs the role `viewer`.
        """
        return await self._call(Call("GET", path("organizations/{}", organization)))

    async def update_organization(
        self,
        organization: Reference,
        body: models.OrganizationInput,
        *,
        etag: str | None = None,
        key: str | None = None,
    ) -> Entity[models.Organization]:
        """Change an organization. Send the whole body.

        Needs the role `manager`.
        """
        return await self._call(Call("PUT", path("organizations/{}", organization), body=body, etag=require_etag(organization, etag), key=key))

    async def delete_organization(
        self,
        organization: Reference,
        *,
        etag: str | None = None,
        key: str | None = None,
    ) -> None:
        """Delete an organization. No contract may refer to it.

        Needs the role `manager`.
        """
        await self._call(Call("DELETE", path("organizations/{}", organization), etag=require_etag(organization, etag), key=key))

    async def create_team(self, body: models.TeamInput, *, key: str | None = None) -> Entity[models.Team]:
        """Create a team.

        Needs the role `manager`.
        """
        return await self._call(Call("POST", "teams", body=body, key=key))

    def list_teams(
        self,
        *,
        id: Sequence[UUID | str] | None = None,
        name: str | None = None,
        text: str | None = None,
    ) -> AsyncIterator[models.Team]:
        """List teams by name.

        Needs the role `viewer`.
        """
        return self._items(Call("GET", "teams", query={"limit": 200, "id": id, "name": name, "text": text}))

    async def get_team(self, team: Reference) -> Entity[models.Team]:
        """Read one team.

        Needs the role `viewer`.
        """
        return await self._call(Call("GET", path("teams/{}", team)))

    async def update_team(
        self,
        team: Reference,
        body: models.TeamInput,
        *,
        etag: str | None = None,
        key: str | None = None,
    ) -> Entity[models.Team]:
        """Change a team. Send the whole body.

        Needs the role `manager`.
        """
        return await self._call(Call("PUT", path("teams/{}", team), body=body, etag=require_etag(team, etag), key=key))

    async def delete_team(self, team: Reference, *, etag: str | None = None, key: str | None = None) -> None:
        """Delete a team. No contract and no rate card may refer to it.

        Needs the role `manager`.
        """
        await self._call(Call("DELETE", path("teams/{}", team), etag=require_etag(team, etag), key=key))

    async def create_rate_card(
        self,
        body: models.RateCardInput,
        *,
        key: str | None = None,
    ) -> Entity[models.RateCard]:
        """Create a rate card. If one with this person, team, currency and first day exists, the response is a
        409 that names it.

        Needs the role `manager`.
        """
        return await self._call(Call("POST", "rate-cards", body=body, key=key))

    def list_rate_cards(
        self,
        *,
        person: str | None = None,
        team: UUID | str | None = None,
    ) -> AsyncIterator[models.RateCard]:
        """List rate cards by person and first day.

        Needs the role `viewer`.
        """
        return self._items(Call("GET", "rate-cards", query={"limit": 200, "person": person, "team": team}))

    async def get_rate_card(self, rate_card: Reference) -> Entity[models.RateCard]:
        """Read one rate card.

        Needs the role `viewer`.
        """
        return await self._call(Call("GET", path("rate-cards/{}", rate_card)))

    async def update_rate_card(
        self,
        rate_card: Reference,
        body: models.RateCardInput,
        *,
        etag: str | None = None,
        key: str | None = None,
    ) -> Entity[models.RateCard]:
        """Change a rate card. Send the whole body. Person, team, currency and first day cannot change.

        Needs the role `manager`.
        """
        return await self._call(Call("PUT", path("rate-cards/{}", rate_card), body=body, etag=require_etag(rate_card, etag), key=key))

    async def delete_rate_card(
        self,
        rate_card: Reference,
        *,
        etag: str | None = None,
        key: str | None = None,
    ) -> None:
        """Delete a rate card.

        Needs the role `manager`.
        """
        await self._call(Call("DELETE", path("rate-cards/{}", rate_card), etag=require_etag(rate_card, etag), key=key))

    async def create_contracts(
        self,
        body: models.ContractBatch,
        *,
        key: str | None = None,
    ) -> models.BatchResult:
        """Draft, and with `activate` activate, up to 1,000 contracts. Each is created whole or refused whole.

        Those that are refused do not keep the others from being created: look at `refused`. The body is at
        most 2 MiB.

        Needs the role `manager`.
        """
        result: models.BatchResult = (await self._call(Call("POST", "contracts/batch", body=body, key=key))).body
        return result

    async def create_contract(
        self,
        body: models.ContractInput,
        *,
        key: str | None = None,
    ) -> Entity[models.Contract]:
        """Draft a contract.

        Needs the role `manager`.
        """
        return await self._call(Call("POST", "contracts", body=body, key=key))

    def list_contracts(
        self,
        *,
        status: Sequence[Literal["DRAFT", "ACTIVE", "EXPIRED", "INACTIVE", "CLOSED"]] | None = None,
        organization: UUID | str | None = None,
        owner: str | None = None,
        from_: date | str | None = None,
        to: date | str | None = None,
        text: str | None = None,
    ) -> AsyncIterator[models.Contract]:
        """List contracts by code.

        Needs the role `viewer`.
        """
        return self._items(Call("GET", "contracts", query={"limit": 200, "status": status, "organization": organization, "owner": owner, "from": from_, "to": to, "text": text}))

    async def activate_contract(
        self,
        contract: Reference,
        *,
        etag: str | None = None,
        key: str | None = None,
    ) -> Entity[models.Contract]:
        """Activate a draft, so that its work counts. A contract that has already ended expires immediately.

        Needs the role `manager`.
        """
        return await self._call(Call("POST", path("contracts/{}/activate", contract), etag=require_etag(contract, etag), key=key))

    async def amend_contract(
        self,
        contract: Reference,
        body: models.Amendment,
        *,
        etag: str | None = None,
        key: str | None = None,
    ) -> Entity[models.Contract]:
        """Change the whole contract from its start. An EXPIRED contract that now ends today or later becomes
        ACTIVE.

        Needs the role `manager`.
        """
        return await self._call(Call("POST", path("contracts/{}/amend", contract), body=body, etag=require_etag(contract, etag), key=key))

    async def suspend_contract(
        self,
        contract: Reference,
        body: models.Reason,
        *,
        etag: str | None = None,
        key: str | None = None,
    ) -> Entity[models.Contract]:
        """Suspend a contract: no work counts until it is resumed.

        Needs the role `manager`.
        """
        return await self._call(Call("POST", path("contracts/{}/suspend", contract), body=body, etag=require_etag(contract, etag), key=key))

    async def resume_contract(
        self,
        contract: Reference,
        body: models.Reason,
        *,
        etag: str | None = None,
        key: str | None = None,
    ) -> Entity[models.Contract]:
        """Resume a contract. Work logged while it was suspended counts too. If it has ended, it expires
        immediately.

        Needs the role `manager`.
        """
        return await self._call(Call("POST", path("contracts/{}/resume", contract), body=body, etag=require_etag(contract, etag), key=key))

    async def close_contract(
        self,
        contract: Reference,
        body: models.Reason,
        *,
        etag: str | None = None,
        key: str | None = None,
    ) -> Entity[models.Contract]:
        """Close a contract. A closed contract cannot be opened again.

        Needs the role `manager`.
        """
        return await self._call(Call("POST", path("contracts/{}/close", contract), body=body, etag=require_etag(contract, etag), key=key))

    async def renew_contract(
        self,
        contract: Reference,
        body: models.Renewal,
        *,
        etag: str | None = None,
        key: str | None = None,
    ) -> Entity[models.Contract]:
        """Draft the contract that follows: it starts the day after, with the same length and shape. Returns
        the draft.

        Needs the role `manager`.
        """
        return await self._call(Call("POST", path("contracts/{}/renew", contract), body=body, etag=require_etag(contract, etag), key=key))

    def list_contract_history(self, contract: Reference) -> AsyncIterator[models.HistoryEntry]:
        """Who did what, when and why, and what changed, with the offers. Oldest first, all on one page.

        Needs the role `viewer`.
        """
        return self._items(Call("GET", path("contracts/{}/history", contract)))

    def list_contract_events(self, contract: Reference) -> AsyncIterator[models.LifecycleEvent]:
        """The contract's events as they are published. Oldest first, all on one page.

        Needs the role `viewer`.
        """
        return self._items(Call("GET", path("contracts/{}/events", contract)))

    async def get_contract(self, contract: Reference) -> Entity[models.Contract]:
        """Read one contract.

        Needs the role `viewer`.
        """
        return await self._call(Call("GET", path("contracts/{}", contract)))

    async def edit_contract(
        self,
        contract: Reference,
        body: models.ContractInput,
        *,
        etag: str | None = None,
        key: str | None = None,
    ) -> Entity[models.Contract]:
        """Edit a draft. Send the whole body.

        Needs the role `manager`.
        """
        return await self._call(Call("PUT", path("contracts/{}", contract), body=body, etag=require_etag(contract, etag), key=key))

    async def discard_contract(
        self,
        contract: Reference,
        *,
        etag: str | None = None,
        key: str | None = None,
    ) -> None:
        """Discard a draft.

        Needs the role `manager`.
        """
        await self._call(Call("DELETE", path("contracts/{}", contract), etag=require_etag(contract, etag), key=key))

    async def create_customer_link(
        self,
        body: models.CustomerLinkBody,
        *,
        key: str | None = None,
    ) -> models.CreatedCustomerLink:
        """Make a link that shows a customer its own contracts, and nothing internal. Its address is shown only
        once.

        Needs the role `manager`.
        """
        result: models.CreatedCustomerLink = (await self._call(Call("POST", "customer-links", body=body, key=key))).body
        return result

    def list_customer_links(
        self,
        *,
        organization: UUID | str | None = None,
    ) -> AsyncIterator[models.CustomerLinkState]:
        """Links for customers, the newest first: those that were made, and those of mails once they have been
        used.

        Needs the role `viewer`.
        """
        return self._items(Call("GET", "customer-links", query={"limit": 200, "organization": organization}))

    async def get_customer_link(self, link_id: Reference) -> models.CustomerLinkState:
        """Read one link.

        Needs the role `viewer`.
        """
        result: models.CustomerLinkState = (await self._call(Call("GET", path("customer-links/{}", link_id)))).body
        return result

    async def revoke_customer_link(self, link_id: Reference, *, key: str | None = None) -> None:
        """Revoke a link, at once and for ever. It stays in the list.

        Needs the role `manager`.
        """
        await self._call(Call("DELETE", path("customer-links/{}", link_id), key=key))

    async def revoke_customer_links(self, organization: Reference, *, key: str | None = None) -> None:
        """Revoke all links of an organization, also those in mails that nobody has opened yet. New links can
        be made.

        Needs the role `manager`.
        """
        await self._call(Call("POST", path("organizations/{}/revoke-links", organization), key=key))

    async def exchange_customer_link(self, body: models.LinkExchange) -> models.CustomerSession:
        """Open a link: whom it is for, if it is valid and the password is right.

        The answer is 401 if the link was changed, 410 if it has expired or was revoked, 403 if the password
        is missing or wrong, and 429 after five wrong passwords within 15 minutes. It has no `Idempotency-
        Key`: nothing of it is kept.

        Needs the role `customer`.
        """
        result: models.CustomerSession = (await self._call(Call("POST", "customer-links/exchange", body=body))).body
        return result

    async def get_customer_session(self, link_id: Reference) -> models.CustomerSession:
        """Whom a link of the customer is for, as long as it is valid: 410 once it has expired or was revoked.

        Needs the role `customer`.
        """
        result: models.CustomerSession = (await self._call(Call("GET", path("customer/links/{}", link_id)))).body
        return result

    async def exchange_offer_link(self, body: models.OfferLinkBody) -> models.OfferedAdjustment:
        """Read an offer with its link. This answers nothing. A link is good for 30 requests a minute."""
        result: models.OfferedAdjustment = (await self._call(Call("POST", "offers/exchange", body=body))).body
        return result

    async def answer_offer_link(self, body: models.OfferLinkAnswer) -> models.OfferedAdjustment:
        """Accept or decline an offer with its link, once. The same answer again has the same result."""
        result: models.OfferedAdjustment = (await self._call(Call("POST", "offers/answer", body=body))).body
        return result

    async def make_offer(self, body: models.OfferInput, *, key: str | None = None) -> Entity[models.Offer]:
        """Make an offer of an ACTIVE contract, or record a customer's request.

        Needs the role `manager`.
        """
        return await self._call(Call("POST", "offers", body=body, key=key))

    def list_offers(
        self,
        *,
        contract: str | None = None,
        status: Sequence[Literal["requested", "open", "accepted", "declined", "withdrawn", "expired"]] | None = None,
    ) -> AsyncIterator[models.Offer]:
        """List offers, newest first.

        Needs the role `viewer`.
        """
        return self._items(Call("GET", "offers", query={"limit": 200, "contract": contract, "status": status}))

    async def get_offer(self, offer: Reference) -> Entity[models.Offer]:
        """Read one offer.

        Needs the role `viewer`.
        """
        return await self._call(Call("GET", path("offers/{}", offer)))

    async def confirm_offer(
        self,
        offer: Reference,
        body: models.Confirmation,
        *,
        etag: str | None = None,
        key: str | None = None,
    ) -> Entity[models.Offer]:
        """Confirm a customer's request: with a price it is open for the customer's answer, without one it is
        accepted.

        Needs the role `manager`.
        """
        return await self._call(Call("POST", path("offers/{}/confirm", offer), body=body, etag=require_etag(offer, etag), key=key))

    async def withdraw_offer(
        self,
        offer: Reference,
        body: models.Withdrawal,
        *,
        etag: str | None = None,
        key: str | None = None,
    ) -> Entity[models.Offer]:
        """Withdraw an offer. Its links are no longer good.

        Needs the role `manager`.
        """
        return await self._call(Call("POST", path("offers/{}/withdraw", offer), body=body, etag=require_etag(offer, etag), key=key))

    async def accept_offer(
        self,
        offer: Reference,
        body: models.OfferAnswer,
        *,
        etag: str | None = None,
        key: str | None = None,
    ) -> Entity[models.Offer]:
        """Accept an offer on behalf of the customer. Its adjustment amends the contract.

        Needs the role `manager`.
        """
        return await self._call(Call("POST", path("offers/{}/accept", offer), body=body, etag=require_etag(offer, etag), key=key))

    async def decline_offer(
        self,
        offer: Reference,
        body: models.OfferAnswer,
        *,
        etag: str | None = None,
        key: str | None = None,
    ) -> Entity[models.Offer]:
        """Decline an offer on behalf of the customer, or a customer's request.

        Needs the role `manager`.
        """
        return await self._call(Call("POST", path("offers/{}/decline", offer), body=body, etag=require_etag(offer, etag), key=key))

    async def request_offer(
        self,
        body: models.OfferRequest,
        *,
        key: str | None = None,
    ) -> models.RequestedOffer:
        """Ask for more hours (or value) of an ACTIVE contract, as its customer. The owner gets a mail.

        Needs the role `customer`.
        """
        result: models.RequestedOffer = (await self._call(Call("POST", "customer/offers", body=body, key=key))).body
        return result

    async def forget_person(self, body: models.ForgetBody, *, key: str | None = None) -> models.ForgottenPerson:
        """Replace a person by a pseudonym, in every service, for ever. It cannot be undone.

        The answer comes when the contracts service has done it; the others follow as they read the event.

        Needs the role `admin`.
        """
        result: models.ForgottenPerson = (await self._call(Call("POST", "forgotten-people", body=body, key=key))).body
        return result

    def list_forgotten_people(self) -> AsyncIterator[models.ForgottenPerson]:
        """Who was forgotten, when and by whom; oldest first, all on one page.

        Needs the role `viewer`.
        """
        return self._items(Call("GET", "forgotten-people"))

    async def publish_worklogs(
        self,
        body: models.WorklogRecordedEvent | models.WorklogDeletedEvent | models.IssueLinkedEvent | Sequence[models.WorklogRecordedEvent | models.WorklogDeletedEvent | models.IssueLinkedEvent],
        *,
        key: str | None = None,
    ) -> models.Accepted:
        """Publish one structured CloudEvent, or an array of at most 1,000. If one event is invalid, none is
        published.

        The answer comes when Kafka has acknowledged all events; from then on the `Idempotency-Key` is
        stored. After a 503 Kafka may have some of the events: send all of them again, which does no harm.

        Needs the role `publisher`.
        """
        result: models.Accepted = (await self._call(Call("POST", "worklogs", body=body, key=key))).body
        return result

    async def check_worklog(self, body: models.WorklogCheck) -> models.CheckedWorklog:
        """Would a worklog count, where and at which rate, what would be left, and who would be notified?
        Stores nothing.

        The answer is what happens if the worklog is logged now. A worklog without an id comes after those
        of its person that start at the same time.

        Needs the role `viewer`.
        """
        result: models.CheckedWorklog = (await self._call(Call("POST", "worklogs/check", body=body))).body
        return result

    async def get_contract_balance(
        self,
        contract: Reference,
        *,
        as_of: datetime | str | None = None,
    ) -> models.LinkedBalance:
        """Planned against executed at every level and period; each figure links to the worklogs that make it.

        Needs the role `viewer`.
        """
        result: models.LinkedBalance = (await self._call(Call("GET", path("contracts/{}/balance", contract), query={"as_of": as_of}))).body
        return result

    def list_contract_periods(
        self,
        contract: Reference,
        *,
        as_of: datetime | str | None = None,
    ) -> AsyncIterator[models.LinkedContractPeriod]:
        """The contract's periods, oldest first, all on one page.

        Needs the role `viewer`.
        """
        return self._items(Call("GET", path("contracts/{}/periods", contract), query={"as_of": as_of}))

    def list_contract_curve(
        self,
        contract: Reference,
        *,
        account: UUID | str | None = None,
        team: UUID | str | Literal["unassigned"] | None = None,
        as_of: datetime | str | None = None,
    ) -> AsyncIterator[models.CurveDay]:
        """The balance at each day's end, by day of work, from the first day to today or the last; all on one
        page.

        Needs the role `viewer`.
        """
        return self._items(Call("GET", path("contracts/{}/curve", contract), query={"account": account, "team": team, "as_of": as_of}))

    def list_contract_worklogs(
        self,
        contract: Reference,
        *,
        account: UUID | str | None = None,
        team: UUID | str | Literal["unassigned"] | None = None,
        period: date | str | None = None,
        day: date | str | None = None,
        billable: bool | None = None,
        reason: Literal["issue_not_linked", "contract_unknown", "account_unknown", "contract_draft", "contract_inactive", "issue_undated", "outside_dates"] | Literal["any"] | None = None,
        as_of: datetime | str | None = None,
    ) -> AsyncIterator[models.Worklog]:
        """The worklogs that make a figure, in the order of their start: their sum is what is consumed.

        Needs the role `viewer`.
        """
        return self._items(Call("GET", path("contracts/{}/worklogs", contract), query={"limit": 1000, "account": account, "team": team, "period": period, "day": day, "billable": billable, "reason": reason, "as_of": as_of}))

    def list_contract_statements(self, contract: Reference) -> AsyncIterator[models.Statement]:
        """The statements of the contract's settled periods, in the order frozen, which is the oldest period
        first.

        Needs the role `viewer`.
        """
        return self._items(Call("GET", path("contracts/{}/statements", contract), query={"limit": 200}))

    async def get_contract_statement(self, contract: Reference, period_start: Reference) -> models.StatementNow:
        """The statement of a period, the restatements that correct it, and the figures today.

        Needs the role `viewer`.
        """
        result: models.StatementNow = (await self._call(Call("GET", path("contracts/{}/statements/{}", contract, period_start)))).body
        return result

    def list_balances(
        self,
        *,
        status: Sequence[Literal["DRAFT", "ACTIVE", "EXPIRED", "INACTIVE", "CLOSED"]] | None = None,
        attention: Sequence[Literal["over", "runs_out", "account_over", "nearly_used", "unaccounted", "ended", "ends_soon"]] | None = None,
        organization: UUID | str | None = None,
        owner: str | None = None,
        from_: date | str | None = None,
        to: date | str | None = None,
        text: str | None = None,
    ) -> AsyncIterator[models.BalanceSummary]:
        """Contracts with their figures, those that need attention first; then by last day and code.

        Needs the role `viewer`.
        """
        return self._items(Call("GET", "balances", query={"limit": 200, "status": status, "attention": attention, "organization": organization, "owner": owner, "from": from_, "to": to, "text": text}))

    def list_revisions(self, *, contract: Sequence[UUID | str]) -> AsyncIterator[models.Revision]:
        """The revisions of balances, to notice changes cheaply; unknown contracts are left out. All on one
        page.

        Needs the role `viewer`.
        """
        return self._items(Call("GET", "balances/revisions", query={"contract": contract}))

    async def get_delivery_report(
        self,
        *,
        organization: UUID | str,
        from_: date | str,
        to: date | str,
        contract: Sequence[str] | None = None,
        account: Sequence[UUID | str] | None = None,
        people: bool | None = None,
        details: bool | None = None,
        as_of: datetime | str | None = None,
    ) -> models.DeliveryReport:
        """What was delivered to a customer: planned and executed, who did the work, what does not count, what
        comes.

        Needs the role `viewer`.
        """
        result: models.DeliveryReport = (await self._call(Call("GET", "reports/delivery", query={"organization": organization, "from": from_, "to": to, "contract": contract, "account": account, "people": people, "details": details, "as_of": as_of}))).body
        return result

    async def get_people_report(
        self,
        *,
        from_: date | str,
        to: date | str,
        team: UUID | str | None = None,
    ) -> models.PeopleReport:
        """Billable and other time of each person by week, against capacity. As it is now.

        Needs the role `viewer`.
        """
        result: models.PeopleReport = (await self._call(Call("GET", "reports/people", query={"from": from_, "to": to, "team": team}))).body
        return result

    def list_customer_statements(
        self,
        contract: Reference,
        *,
        organization: UUID | str | None = None,
    ) -> AsyncIterator[models.CustomerStatement]:
        """The statements of a contract that were made for this customer, in the order frozen.

        Needs the role `customer`.
        """
        return self._items(Call("GET", path("customer/contracts/{}/statements", contract), query={"limit": 200, "organization": organization}))

    async def get_customer_statement(
        self,
        contract: Reference,
        period_start: Reference,
        *,
        organization: UUID | str | None = None,
    ) -> models.CustomerStatementNow:
        """The statement of a period, what has corrected it since, and the figures today.

        Needs the role `customer`.
        """
        result: models.CustomerStatementNow = (await self._call(Call("GET", path("customer/contracts/{}/statements/{}", contract, period_start), query={"organization": organization}))).body
        return result

    def list_customer_contracts(
        self,
        *,
        organization: UUID | str | None = None,
    ) -> AsyncIterator[models.CustomerContractSummary]:
        """The contracts of a customer, the active ones first; drafts are none of them.

        Needs the role `customer`.
        """
        return self._items(Call("GET", "customer/contracts", query={"limit": 200, "organization": organization}))

    def list_customer_curve(
        self,
        contract: Reference,
        *,
        organization: UUID | str | None = None,
    ) -> AsyncIterator[models.CustomerDay]:
        """What was consumed by the end of each day, from the first day to today or the last; all on one page.

        Needs the role `customer`.
        """
        return self._items(Call("GET", path("customer/contracts/{}/curve", contract), query={"organization": organization}))

    async def get_customer_contract(
        self,
        contract: Reference,
        *,
        organization: UUID | str | None = None,
    ) -> models.CustomerContract:
        """One contract of a customer, every period of it. The contract of another customer is not found.

        Needs the role `customer`.
        """
        result: models.CustomerContract = (await self._call(Call("GET", path("customer/contracts/{}", contract), query={"organization": organization}))).body
        return result

    def explain_contract_notifications(self, contract: Reference) -> AsyncIterator[models.ExplainedRule]:
        """For each rule that could apply: whether it fired, when and to whom, or what is missing until it
        does.

        Needs the role `viewer`.
        """
        return self._items(Call("GET", path("contracts/{}/notifications/explain", contract)))

    def check_rules(self, body: models.ChangedBalance) -> AsyncIterator[models.Crossing]:
        """What a change of a contract's balance would notify of, and whom. Raises and stores nothing.

        `POST /v1/worklogs/check` has both balances.

        Needs the role `viewer`.
        """
        return self._items(Call("POST", "rules/check", body=body))

    async def test_rule(
        self,
        rule_id: Reference,
        body: models.RuleTestRequest,
        *,
        key: str | None = None,
    ) -> models.RuleTestResult:
        """Send a notification marked as a test, for a contract in the rule's scope. The real one is still
        raised later.

        Needs the role `manager`.
        """
        result: models.RuleTestResult = (await self._call(Call("POST", path("rules/{}/test", rule_id), body=body, key=key))).body
        return result

    def preview_rule(self, body: models.RulePreviewRequest) -> AsyncIterator[models.NotificationPreview]:
        """When a rule would have notified of a contract, and whom, along the curve of its work.

        Needs the role `viewer`.
        """
        return self._items(Call("POST", "rules/preview", body=body))

    async def create_rule(self, body: models.RuleInput, *, key: str | None = None) -> Entity[models.Rule]:
        """Create a rule. It notifies at once of thresholds that are already reached; with `existing: skip`,
        never.

        Needs the role `manager`.
        """
        return await self._call(Call("POST", "rules", body=body, key=key))

    def list_rules(self) -> AsyncIterator[models.Rule]:
        """All rules, oldest first.

        Needs the role `viewer`.
        """
        return self._items(Call("GET", "rules", query={"limit": 200}))

    async def get_rule(self, rule_id: Reference) -> Entity[models.Rule]:
        """One rule.

        Needs the role `viewer`.
        """
        return await self._call(Call("GET", path("rules/{}", rule_id)))

    async def update_rule(
        self,
        rule_id: Reference,
        body: models.RuleInput,
        *,
        etag: str | None = None,
        key: str | None = None,
    ) -> Entity[models.Rule]:
        """Replace the whole body of a rule. It notifies at once of thresholds that are newly reached.

        A webhook without a `secret`, or with the masked one, keeps the secret that its URL had.

        Needs the role `manager`.
        """
        return await self._call(Call("PUT", path("rules/{}", rule_id), body=body, etag=require_etag(rule_id, etag), key=key))

    async def delete_rule(self, rule_id: Reference, *, etag: str | None = None, key: str | None = None) -> None:
        """Delete a rule. Where it replaced a wider rule with its name, that one applies again.

        Needs the role `manager`.
        """
        await self._call(Call("DELETE", path("rules/{}", rule_id), etag=require_etag(rule_id, etag), key=key))

    def list_notifications(
        self,
        *,
        contract: str | None = None,
        status: Literal["pending", "delivered", "failed", "no_receiver"] | None = None,
    ) -> AsyncIterator[models.Notification]:
        """Notifications, newest first, each with its deliveries; `status` is the status of one of them.

        Needs the role `viewer`.
        """
        return self._items(Call("GET", "notifications", query={"limit": 200, "contract": contract, "status": status}))

    async def get_notification(self, notification_id: Reference) -> models.Notification:
        """One notification.

        Needs the role `viewer`.
        """
        result: models.Notification = (await self._call(Call("GET", path("notifications/{}", notification_id)))).body
        return result

    async def resend_notification(
        self,
        notification_id: Reference,
        *,
        key: str | None = None,
    ) -> models.Notification:
        """Try the failed deliveries of a notification again.

        Needs the role `manager`.
        """
        result: models.Notification = (await self._call(Call("POST", path("notifications/{}/resend", notification_id), key=key))).body
        return result

    async def create_saved_report(
        self,
        body: models.SavedReportInput,
        *,
        key: str | None = None,
    ) -> Entity[models.SavedReport]:
        """Save a report under a name. A schedule begins with its first day after today.

        Needs the role `manager`.
        """
        return await self._call(Call("POST", "saved-reports", body=body, key=key))

    def list_saved_reports(
        self,
        *,
        organization: UUID | str | None = None,
    ) -> AsyncIterator[models.SavedReport]:
        """All saved reports, oldest first.

        Needs the role `viewer`.
        """
        return self._items(Call("GET", "saved-reports", query={"limit": 200, "organization": organization}))

    async def get_saved_report(self, report_id: Reference) -> Entity[models.SavedReport]:
        """One saved report.

        Needs the role `viewer`.
        """
        return await self._call(Call("GET", path("saved-reports/{}", report_id)))

    async def update_saved_report(
        self,
        report_id: Reference,
        body: models.SavedReportInput,
        *,
        etag: str | None = None,
        key: str | None = None,
    ) -> Entity[models.SavedReport]:
        """Replace the whole body of a saved report. A changed schedule begins after today; raised mails stay.

        Needs the role `manager`.
        """
        return await self._call(Call("PUT", path("saved-reports/{}", report_id), body=body, etag=require_etag(report_id, etag), key=key))

    async def delete_saved_report(
        self,
        report_id: Reference,
        *,
        etag: str | None = None,
        key: str | None = None,
    ) -> None:
        """Delete a saved report, with its mails that are not sent yet.

        Needs the role `manager`.
        """
        await self._call(Call("DELETE", path("saved-reports/{}", report_id), etag=require_etag(report_id, etag), key=key))

    async def send_saved_report(self, report_id: Reference, *, key: str | None = None) -> models.SentReport:
        """Mail a report now to the receivers of its schedule, which goes on unchanged.

        Needs the role `manager`.
        """
        result: models.SentReport = (await self._call(Call("POST", path("saved-reports/{}/send", report_id), key=key))).body
        return result

    def list_report_mails(self, report_id: Reference) -> AsyncIterator[models.ReportMail]:
        """The mails of a report, newest first.

        Needs the role `viewer`.
        """
        return self._items(Call("GET", path("saved-reports/{}/mails", report_id), query={"limit": 200}))
