"""Texts of persons who were forgotten: recognised by their digests, and replaced by a pseudonym (SPEC W8). Pure."""

import hmac
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

_PERSON_KEYS = frozenset({"person_id", "author_id"})
# Members and columns that name who did something: a name of one word is a person there, and may be a word elsewhere.
_ACTOR_KEYS = frozenset({"actor", "created_by", "revoked_by", "made_by", "forgotten_by"})
_MEMBERSHIP = re.compile(r"(membership:[0-9a-f-]{36}/)(.+)", re.DOTALL)
_HEX = re.compile(r"(?:[0-9a-f]{2})+")
_WORD = re.compile(r"\w(?:[\w@.:+'\u2019-]*\w)?")
_MAX_NAME_WORDS = 4
_MIN_DISTINCTIVE_LENGTH = 6

PSEUDONYM_PREFIX = "forgotten-"


class ForgottenPerson(NamedTuple):
    """A person who was forgotten. The pseudonym is random; id, names and addresses are kept as digests alone."""

    id: UUID
    key: bytes
    person_digest: bytes
    digests: frozenset[bytes]
    """Of names and mail addresses."""

    @property
    def pseudonym(self) -> str:
        """What stands in place of the id and of names."""
        return f"{PSEUDONYM_PREFIX}{self.id.hex[:12]}"

    @property
    def address(self) -> str:
        """What stands in place of a mail address."""
        return f"{self.pseudonym}@forgotten.example"

    def replacement(self, text: str) -> str:
        """What stands in place of this text of the person."""
        return self.address if "@" in text else self.pseudonym


class Identity(NamedTuple):
    """What a stored body says of one person."""

    person_id: str | None
    name: str | None
    email: str | None


def digest_person(key: bytes, person_id: str) -> bytes:
    """The digest of an id, which is compared as it stands."""
    return hmac.digest(key, person_id.encode(errors="surrogatepass"), "sha256")


def digest_text(key: bytes, text: str) -> bytes:
    """The digest of a name or a mail address; case is ignored."""
    return hmac.digest(key, text.casefold().encode(errors="surrogatepass"), "sha256")


class Pseudonyms:
    """Replaces the texts of persons who were forgotten in values as JSON has them.

    By their digests alone it finds a text only where it stands by itself. ``texts`` are texts of theirs that are known:
    they are also found inside others.
    """

    def __init__(self, people: Iterable[ForgottenPerson], texts: Iterable[str] = ()) -> None:
        self.people = tuple(people)
        self.texts = frozenset(texts)
        self._keys = tuple({person.key for person in self.people})
        self._persons = {person.person_digest: person for person in self.people}
        self._names = {digest: person for person in self.people for digest in person.digests}
        self._found: dict[tuple[bool, str], ForgottenPerson | None] = {}
        self._replacements = {
            text.casefold(): replaced for text in self.texts if (replaced := self._replace_whole(text))
        }
        # The longest first: an address may begin with another.
        parts = sorted(self._replacements, key=len, reverse=True)
        self._pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, parts))})(?!\w)", re.IGNORECASE)

    def find_person(self, person_id: str) -> ForgottenPerson | None:
        """The person with this id."""
        return self._find(person_id, is_id=True)

    def find_text(self, text: str) -> ForgottenPerson | None:
        """The person with this name or address."""
        return self._find(text, is_id=False)

    def with_identities(self, identities: Sequence[Identity]) -> "Pseudonyms":
        """The same with all that these bodies say of the persons, former names too: they share an id or an address."""
        people = {person.id: person for person in self.people}
        texts = set(self.texts)
        for person_id, name, email in identities:
            # Several persons can share an address.
            person = self.find_person(person_id) if person_id else self.find_text(email) if email else None
            if person:
                named = {text for text in (name, email) if text}
                texts |= named | ({person_id} if person_id else set())
                digests = people[person.id].digests | {digest_text(person.key, text) for text in named}
                people[person.id] = person._replace(digests=digests)
        more = Pseudonyms(people.values(), texts)
        # An address that this has added may be in another body.
        return self if more.texts == self.texts else more.with_identities(identities)

    @property
    def person_ids(self) -> list[str]:
        """The ids of persons among the texts."""
        return [text for text in self.texts if self.find_person(text)]

    @property
    def searched_texts(self) -> list[str]:
        """Every row that has a text of the persons contains one of these, as text, JSON and bytes are shown."""
        person_ids = self.person_ids
        searched = {text for text in self.texts if text not in person_ids or _is_distinctive(text)}
        short = [json.dumps(id_, ensure_ascii=is_ascii) for id_ in person_ids for is_ascii in (True, False)]
        members = [f'"{key}":{space}{id_}' for key in _PERSON_KEYS for space in ("", " ") for id_ in short]
        quoted = [json.dumps(text, ensure_ascii=is_ascii)[1:-1] for text in searched for is_ascii in (True, False)]
        # Headers of records are stored in hexadecimal.
        return sorted({*searched, *quoted, *members, *(text.encode().hex() for text in searched)} - {""})

    def replace(self, value: Any, key: str = "") -> Any:
        """The value with pseudonyms. ``key`` is the name of the member, or of the column, that has it."""
        match value:
            case str():
                return self._replace_text(value, key, is_own=False)
            case list():
                return [self.replace(item, key) for item in value]
            case dict():
                return self._replace_members(value)
        return value

    def _replace_members(self, members: Mapping[str, Any]) -> dict[str, Any]:
        texts = {key: value for key, value in members.items() if isinstance(value, str)}
        is_person = any(self.find_person(texts[key]) for key in _PERSON_KEYS & texts.keys())
        is_own = is_person or any(key.endswith("email") and self.find_text(text) for key, text in texts.items())
        replaced = {
            key: self._replace_text(value, key, is_own=is_own) if key in texts else self.replace(value, key)
            for key, value in members.items()
        }
        # The id is the pseudonym. What the person wrote goes, and nobody is to write to it.
        return replaced | {key: None for key in ("name", "email", "description") if is_person and key in texts}

    def _replace_text(self, text: str, key: str, *, is_own: bool) -> str:
        if key == "headers" and _HEX.fullmatch(text):
            content = bytes.fromhex(text).decode(errors="surrogateescape")
            return self._replace_text(content, "", is_own=False).encode(errors="surrogateescape").hex()
        is_id = key in _PERSON_KEYS
        person = self.find_person(text) if is_id else self.find_text(text) if is_own or key in _ACTOR_KEYS else None
        if person:
            return person.pseudonym if is_id else person.replacement(text)
        if key == "cause" and (cause := _MEMBERSHIP.fullmatch(text)) and (person := self.find_person(cause[2])):
            return cause[1] + person.pseudonym
        if replaced := self._replace_whole(text):
            return replaced
        if self._replacements:
            return self._pattern.sub(lambda part: self._replacements[part[0].casefold()], text)
        return self._replace_phrases(text)

    def _replace_phrases(self, text: str) -> str:
        """Names and addresses inside a text, by their digests alone: each phrase of a few words is looked at."""
        words = list(_WORD.finditer(text))
        parts, end = [], 0
        for index, word in enumerate(words):
            for last in reversed(words[index : index + _MAX_NAME_WORDS]):
                phrase = text[word.start() : last.end()]
                if word.start() >= end and (replaced := self._replace_whole(phrase)):
                    parts += [text[end : word.start()], replaced]
                    end = last.end()
        return "".join([*parts, text[end:]])

    def _replace_whole(self, text: str) -> str | None:
        """A text that is a person wherever it stands: an address, a name of several words, or an id that is no word."""
        if _is_distinctive(text) and (person := self.find_person(text)):
            return person.pseudonym
        if ("@" in text or " " in text.strip()) and (person := self.find_text(text)):
            return person.replacement(text)
        return None

    def _find(self, text: str, *, is_id: bool) -> ForgottenPerson | None:
        if (is_id, text) not in self._found:
            digest, persons = (digest_person, self._persons) if is_id else (digest_text, self._names)
            self._found[is_id, text] = next(
                (person for key in self._keys if (person := persons.get(digest(key, text)))), None
            )
        return self._found[is_id, text]


def _is_distinctive(person_id: str) -> bool:
    """Whether an id is found by itself, in any text: neither a number nor a word."""
    return len(person_id) >= _MIN_DISTINCTIVE_LENGTH and not person_id.isalpha() and not person_id.isdecimal()


def parse_people(rows: Sequence[Mapping[str, Any]]) -> list[ForgottenPerson]:
    """The persons in rows of ``forgotten_people``."""
    return [ForgottenPerson(row["id"], row["key"], row["person_digest"], frozenset(row["digests"])) for row in rows]
