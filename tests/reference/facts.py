"""Facts: which version holds (SPEC 2, 9)."""

import json
from collections import defaultdict
from datetime import UTC, datetime
from hashlib import sha256
from typing import NamedTuple

RECORDED, DELETED, LINKED = (
    "tidemark.worklog.recorded.v1",
    "tidemark.worklog.deleted.v1",
    "tidemark.issue.linked.v1",
)
ORGANIZATION, TEAM, RATE_CARD = (
    "tidemark.organization.changed.v1",
    "tidemark.team.changed.v1",
    "tidemark.rate_card.changed.v1",
)


class Fact(NamedTuple):
    """One record: when Tidemark learned it, the event's type and source, and its data as JSON reads it."""

    learned_at: datetime
    type: str
    source: str
    data: dict


MEMBERS = {
    RECORDED: (
        "worklog_id", "issue_id", "author_id", "started_at", "seconds", "team_id", "description", "updated_at",
    ),
    DELETED: ("worklog_id", "issue_id", "deleted_at"),
    LINKED: ("issue_id", "issue_key", "summary", "contract_id", "account_id", "created_at", "updated_at"),
}  # fmt: skip


def instant(text):
    """A time, cut to the microsecond."""
    return datetime.fromisoformat(text).astimezone(UTC)


def canonical(fact):
    """RFC 8785 JSON of the data: missing optional members are null, times are in UTC with six fraction digits and Z."""
    members = {name: fact.data.get(name) for name in MEMBERS[fact.type]}
    for name, text in members.items():
        if name.endswith("_at") and text is not None:
            members[name] = instant(text).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return json.dumps(members, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def rank(fact):
    """W6: the later version wins; at equal times a deletion, then the greater SHA-256 of the canonical content."""
    deleted = fact.type == DELETED
    return instant(fact.data["deleted_at" if deleted else "updated_at"]), deleted, sha256(canonical(fact)).digest()


def current_versions(facts, id_name):
    """The current version of each fact, by source and id; missing members are null."""
    versions = defaultdict(list)
    for fact in facts:
        versions[fact.source, fact.data[id_name]].append(fact)
    newest_facts = {key: max(candidates, key=rank) for key, candidates in versions.items()}
    return {
        key: {name: fact.data.get(name) for name in MEMBERS[fact.type]}
        for key, fact in newest_facts.items()
        if fact.type != DELETED
    }


def newest_versions(facts):
    """The greatest version of each directory entity, by id."""
    versions = defaultdict(list)
    for fact in facts:
        versions[fact.data["id"]].append(fact.data)
    return {id_: max(candidates, key=lambda data: data["version"]) for id_, candidates in versions.items()}
