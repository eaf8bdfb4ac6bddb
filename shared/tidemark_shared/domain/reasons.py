"""Why a worklog does not count (SPEC W5), and what to do so that it counts. Pure."""

from typing import Literal

Reason = Literal[
    "issue_not_linked",
    "contract_unknown",
    "account_unknown",
    "contract_draft",
    "contract_inactive",
    "issue_undated",
    "outside_dates",
]

REMEDIES: dict[str, str] = {
    "issue_not_linked": "Link the issue to a contract and an account.",
    "contract_unknown": "Correct the contract that the issue names, or create one with this code.",
    "account_unknown": "Correct the account that the issue names, or add an account with this name.",
    "contract_draft": "Activate the contract; this work then counts.",
    "contract_inactive": "Resume the contract; this work then counts.",
    "outside_dates": "Change the dates of the contract, or link the issue to the contract of that time.",
    "issue_undated": "Publish the issue's link again with the day on which the issue was created.",
}
