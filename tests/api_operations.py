"""Every route of the OpenAPI documents, and the role that it needs."""

import json
from pathlib import Path

_DOCUMENTS = Path(__file__).parents[1] / "docs/openapi"
CUSTOMER, READ, PUBLISH, CHANGE, ADMINISTER = "customer", "viewer", "publisher", "manager", "admin"
# No role: a signed link in the body takes the place of a token.
LINK = None
# A new route needs a line here.
REQUIRED_ROLES = {
    "POST /v1/worklogs": PUBLISH,
    "POST /v1/worklogs/check": READ,
    "POST /v1/rules/preview": READ,
    "POST /v1/services/{service}/dead-letters/{dead_letter_id}/replay": ADMINISTER,
    "POST /v1/forgotten-people": ADMINISTER,
    "POST /v1/rules/check": READ,
    "POST /v1/customer-links/exchange": CUSTOMER,
    "GET /v1/customer/links/{link_id}": CUSTOMER,
    "POST /v1/customer/offers": CUSTOMER,
    "GET /v1/customer/contracts": CUSTOMER,
    "GET /v1/customer/contracts/{contract}": CUSTOMER,
    "GET /v1/customer/contracts/{contract}/curve": CUSTOMER,
    "GET /v1/customer/contracts/{contract}/statements": CUSTOMER,
    "GET /v1/customer/contracts/{contract}/statements/{period_start}": CUSTOMER,
    "POST /v1/offers/exchange": LINK,
    "POST /v1/offers/answer": LINK,
    **{
        f"{method} {path}": READ if method == "GET" else CHANGE
        for methods, path in (
            ("GET POST", "/v1/organizations"),
            ("GET PUT DELETE", "/v1/organizations/{organization}"),
            ("POST", "/v1/organizations/{organization}/revoke-links"),
            ("GET POST", "/v1/customer-links"),
            ("GET DELETE", "/v1/customer-links/{link_id}"),
            ("GET POST", "/v1/teams"),
            ("GET PUT DELETE", "/v1/teams/{team}"),
            ("GET POST", "/v1/rate-cards"),
            ("GET PUT DELETE", "/v1/rate-cards/{rate_card}"),
            ("GET POST", "/v1/contracts"),
            ("POST", "/v1/contracts/batch"),
            ("GET", "/v1/forgotten-people"),
            ("GET PUT DELETE", "/v1/contracts/{contract}"),
            ("POST", "/v1/contracts/{contract}/activate"),
            ("POST", "/v1/contracts/{contract}/amend"),
            ("POST", "/v1/contracts/{contract}/suspend"),
            ("POST", "/v1/contracts/{contract}/resume"),
            ("POST", "/v1/contracts/{contract}/close"),
            ("POST", "/v1/contracts/{contract}/renew"),
            ("GET", "/v1/contracts/{contract}/history"),
            ("GET", "/v1/contracts/{contract}/events"),
            ("GET", "/v1/contracts/{contract}/balance"),
            ("GET", "/v1/contracts/{contract}/periods"),
            ("GET", "/v1/contracts/{contract}/curve"),
            ("GET", "/v1/contracts/{contract}/worklogs"),
            ("GET POST", "/v1/offers"),
            ("GET", "/v1/offers/{offer}"),
            ("POST", "/v1/offers/{offer}/confirm"),
            ("POST", "/v1/offers/{offer}/withdraw"),
            ("POST", "/v1/offers/{offer}/accept"),
            ("POST", "/v1/offers/{offer}/decline"),
            ("GET", "/v1/contracts/{contract}/statements"),
            ("GET", "/v1/contracts/{contract}/statements/{period_start}"),
            ("GET", "/v1/balances"),
            ("GET", "/v1/balances/revisions"),
            ("GET", "/v1/reports/delivery"),
            ("GET", "/v1/reports/people"),
            ("GET", "/v1/contracts/{contract}/notifications/explain"),
            ("GET POST", "/v1/rules"),
            ("GET PUT DELETE", "/v1/rules/{rule_id}"),
            ("POST", "/v1/rules/{rule_id}/test"),
            ("GET POST", "/v1/saved-reports"),
            ("GET PUT DELETE", "/v1/saved-reports/{report_id}"),
            ("POST", "/v1/saved-reports/{report_id}/send"),
            ("GET", "/v1/saved-reports/{report_id}/mails"),
            ("GET", "/v1/services/{service}/status"),
            ("GET", "/v1/services/{service}/dead-letters"),
            ("GET", "/v1/services/{service}/dead-letters/{dead_letter_id}"),
            ("GET", "/v1/notifications"),
            ("GET", "/v1/notifications/{notification_id}"),
            ("POST", "/v1/notifications/{notification_id}/resend"),
        )
        for method in methods.split()
    },
}
UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"


def operations(service):
    """Each operation of the service's document: method, path, its parameters."""
    document = json.loads((_DOCUMENTS / f"{service}.json").read_text())
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation.get("parameters", [])


def fill(path, values):
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", value)
    return path.replace("{notification_id}", UNKNOWN_ID)
