"""The story that Tidemark is for: more hours are agreed before they are worked, and both sides hold one statement."""

import mailbox
import re
from datetime import UTC, datetime
from functools import partial
from uuid import uuid4

import pytest
from dateutil.relativedelta import relativedelta
from playwright.async_api import expect
from polling import wait_until

pytestmark = pytest.mark.timeout(600)
HOUR = 3600
# Another one on each run, because a system may be given.
CODE, ACCOUNT = f"AGREE-{uuid4().hex[:8]}", "Help desk"
ANN, OLGA = f"ann@{CODE.lower()}.example", f"olga@{CODE.lower()}.example"


@pytest.fixture
def find_mail(environment):
    """Find the text of a mail to an address that contains a pattern: its first match, or None."""

    def find(address, pattern):
        for mail in mailbox.Maildir(environment["TIDEMARK_MAILDIR"], create=False):
            text = next(part for part in mail.walk() if part.get_content_type() == "text/plain")
            found = re.search(pattern, text.get_payload(decode=True).decode())
            if address in mail["To"] and found:
                return found[0]
        return None

    return find


async def create_contract(api, month):
    """A contract of 40 h a month, with a rule that offers 20 h more at 80 %, and one that sends each statement."""
    contacts = [{"name": "Ann", "email": ANN, "roles": ["approver"]}]
    customer = api.post("/v1/organizations", json={"name": CODE, "timezone": "UTC", "contacts": contacts})
    contract = api.post("/v1/contracts", json={
        "code": CODE, "name": "Support", "owner": {"name": "Olga", "email": OLGA},
        "organization_id": customer.json()["id"], "type": "time_and_materials", "recurrence": "monthly",
        "start_date": str(month), "end_date": str(month + relativedelta(months=1, days=-1)), "timezone": "UTC",
        "contracted_hours": "40", "accounts": [{"name": ACCOUNT, "planned_hours": "40"}],
    }).raise_for_status().json()  # fmt: skip
    receivers = [{"kind": "owner"}, {"kind": "contacts", "role": "approver"}]
    common = {"scope": {"kind": "contract", "id": contract["id"]}, "receivers": receivers}
    percent = {"kind": "consumed_percent", "of": "contract", "over": "period", "at": ["80"]}
    offer = {"account": ACCOUNT, "hours": "20"}
    for rule in ({"name": "Offer more", "trigger": percent, "offer": offer},
                 {"name": "Statement", "trigger": {"kind": "period_closed"}}):  # fmt: skip
        body = {**common, "channels": ["email"], **rule}
        # The notifier may have to read of the contract first.
        await wait_until(lambda body=body: api.post("/v1/rules", json=body).is_success)
    api.post(f"/v1/contracts/{CODE}/activate", json={}, headers={"if-match": "*"}).raise_for_status()


async def test_hours_are_agreed_before_they_are_worked(open_page, api, publish_work, find_mail):
    month = datetime.now(UTC).date().replace(day=1)
    await create_contract(api, month)

    def figures():
        balance = api.get(f"/v1/contracts/{CODE}/balance").raise_for_status().json()
        return balance["periods"][0]

    await publish_work(CODE, ACCOUNT, 32 * HOUR)
    link = await wait_until(lambda: find_mail(ANN, r"http\S+/offer#\S+"))
    assert figures()["percent"] == "80.00"
    async with open_page("/offer") as page:
        await page.goto(link)
        await expect(page.locator("main")).to_contain_text("32 h")
        assert api.get(f"/v1/contracts/{CODE}").json()["adjustments"] == []
        await page.get_by_label("I accept").check()
        await page.get_by_label("Your name").fill("Ann")
        await page.get_by_role("button", name="Send the answer").click()
        await expect(page.locator("main")).to_contain_text("What was agreed")
        # The link is good for one answer.
        await page.goto("about:blank")
        await page.goto(link)
        await expect(page.locator("main")).not_to_contain_text("32 h")
    [adjustment] = api.get(f"/v1/contracts/{CODE}").json()["adjustments"]
    assert adjustment["hours"] == "20"

    await publish_work(CODE, ACCOUNT, 60 * HOUR)
    await wait_until(lambda: figures()["consumed"] == 60 * HOUR and figures()["available"] == 60 * HOUR)
    assert figures()["percent"] == "100.00"

    api.post(f"/v1/contracts/{CODE}/close", json={"reason": "Done"}, headers={"if-match": "*"}).raise_for_status()
    statement = f"/v1/contracts/{CODE}/statements/{month}"
    await wait_until(lambda: api.get(statement).is_success)
    frozen = api.get(statement).json()
    assert (frozen["statement"]["figures"]["consumed"], frozen["restatement_count"]) == (60 * HOUR, 0)
    pages = {OLGA: rf"http\S+/contracts/{CODE}/statements/{month}",
             ANN: rf"http\S+/customer/contracts/{CODE}/statements/{month}#\S+"}  # fmt: skip
    for person, pattern in pages.items():
        await wait_until(partial(find_mail, person, pattern))

    await publish_work(CODE, ACCOUNT, 61 * HOUR)
    await wait_until(lambda: api.get(statement).json()["restatement_count"] == 1)
    restated = api.get(statement).json()
    assert restated["statement"] == frozen["statement"]
    assert restated["today"]["figures"]["consumed"] == 61 * HOUR
    for person in pages:
        await wait_until(partial(find_mail, person, r"Help desk: 60 h → 61 h"))
    # The customer reads the same statement, and what has corrected it.
    async with open_page("/customer") as page:
        await page.goto(find_mail(ANN, pages[ANN]))
        await expect(page.locator(".digest")).to_have_text(frozen["statement"]["sha256"])
        await expect(page.get_by_role("row", name="Help desk 60 h 61 h")).to_be_visible()
