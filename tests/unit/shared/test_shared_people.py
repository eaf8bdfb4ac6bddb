"""Texts of forgotten persons: which are replaced, and which are left."""

from uuid import uuid4

import pytest

from tidemark_shared.domain.people import ForgottenPerson, Identity, Pseudonyms, digest_person, digest_text
from tidemark_shared.people import replace_bytes

KEY = b"k" * 32
ID, NAME, EMAIL = "712020:bo-1", "Bo Öberg", "Bo@Provider.example"
TEAM = "0d9a7a0e-5c38-4c35-9d3a-5f2f8c1d7b02"


def forgotten(person_id: str = ID, *texts: str) -> ForgottenPerson:
    return ForgottenPerson(
        uuid4(), KEY, digest_person(KEY, person_id), frozenset(digest_text(KEY, text) for text in texts)
    )


PERSON = forgotten(ID, NAME, EMAIL)
BY_DIGEST, BY_TEXT = Pseudonyms([PERSON]), Pseudonyms([PERSON], [ID, NAME, EMAIL])


def test_pseudonym_tells_nothing_of_the_id() -> None:
    assert PERSON.pseudonym != forgotten(ID).pseudonym
    assert PERSON.pseudonym == PERSON._replace(person_digest=b"").pseudonym


@pytest.mark.parametrize("pseudonyms", [BY_DIGEST, BY_TEXT], ids=["digest", "text"])
def test_whole_texts_are_replaced_wherever_they_stand(pseudonyms: Pseudonyms) -> None:
    body = {"owner": {"name": NAME, "email": EMAIL.lower()}, "list": [ID], "name": "Support", "hours": "8", "n": 1}
    assert pseudonyms.replace(body) == {
        "owner": {"name": PERSON.pseudonym, "email": PERSON.address}, "list": [PERSON.pseudonym], "name": "Support",
        "hours": "8", "n": 1,
    }  # fmt: skip


def test_member_of_a_team_has_no_name_and_no_address() -> None:
    member = {"person_id": ID, "name": "Boss", "email": EMAIL, "from": "2026-01-01"}
    other = {"person_id": "other", "name": "Bo", "email": None}
    replaced = BY_DIGEST.replace({"members": [member, other]})
    assert replaced == {
        "members": [{"person_id": PERSON.pseudonym, "name": None, "email": None, "from": "2026-01-01"}, other]
    }


@pytest.mark.parametrize("pseudonyms", [BY_DIGEST, BY_TEXT], ids=["digest", "text"])
def test_texts_are_replaced_inside_others(pseudonyms: Pseudonyms) -> None:
    text = f"{NAME.upper()} <{EMAIL}> asked; Bo Öbergs and x{NAME} did not. {ID}"
    assert pseudonyms.replace(text) == (
        f"{PERSON.pseudonym} <{PERSON.address}> asked; Bo Öbergs and x{NAME} did not. {PERSON.pseudonym}"
    )


@pytest.mark.parametrize("person_id", ["7", "4711", "ann", "supporter"])
def test_id_that_is_a_number_or_a_word_is_replaced_as_an_id_alone(person_id: str) -> None:
    person = forgotten(person_id)
    pseudonyms = Pseudonyms([person], [person_id])
    cause = f"membership:{TEAM}/{person_id}"
    body = {
        "author_id": person_id,
        "worklog_id": person_id,
        "hours": person_id,
        "text": f"of {person_id}",
        "cause": cause,
    }
    assert pseudonyms.replace(body) == body | {
        "author_id": person.pseudonym, "cause": f"membership:{TEAM}/{person.pseudonym}"
    }  # fmt: skip


def test_name_of_one_word_is_replaced_where_it_is_a_person() -> None:
    person = forgotten("x", "Olga", "olga@provider.example")
    pseudonyms = Pseudonyms([person], ["Olga", "olga@provider.example"])
    body = {
        "actor": "Olga",
        "name": "Olga",
        "reason": "Olga",
        "owner": {"name": "olga", "email": "olga@provider.example"},
    }
    assert pseudonyms.replace(body) == body | {
        "actor": person.pseudonym, "owner": {"name": person.pseudonym, "email": person.address}
    }  # fmt: skip


def test_former_names_and_addresses_are_learned_from_bodies() -> None:
    first = Pseudonyms([forgotten(ID)], [ID])
    known = first.with_identities([
        Identity(None, "B. Öberg", "private@bo.example"),
        Identity(ID, NAME, EMAIL), Identity(ID, None, "private@bo.example"),
        Identity("other", "Shared Mailbox", EMAIL),
    ])  # fmt: skip
    assert known.texts == {ID, NAME, EMAIL, "B. Öberg", "private@bo.example"}
    assert known.replace("Shared Mailbox") == "Shared Mailbox"


def test_rows_are_searched_in_each_form() -> None:
    content = "\n".join(Pseudonyms([forgotten("7", NAME)], ["7", NAME]).searched_texts)
    for text in ('"author_id":"7"', '"person_id": "7"', NAME, r"Bo \u00d6berg", NAME.encode().hex()):
        assert text in content
    assert "\n7\n" not in f"\n{content}\n"


def test_bytes_are_replaced_whether_they_are_json_or_not() -> None:
    assert replace_bytes(f'{{"n":1.50,"author_id":"{ID}"}}'.encode(), BY_TEXT) == (
        f'{{"n":1.5,"author_id":"{PERSON.pseudonym}"}}'.encode()
    )
    assert replace_bytes(b'{"n": 1.50}', BY_TEXT) == b'{"n": 1.50}'
    assert replace_bytes(b"\xff" + ID.encode(), BY_TEXT) == b"\xff" + PERSON.pseudonym.encode()


def test_header_is_replaced_in_hexadecimal() -> None:
    headers = [["ce_subject", f"of {ID}".encode().hex()], ["ce_id", "cafe"], ["empty", None]]
    assert BY_TEXT.replace(headers, "headers") == [
        ["ce_subject", f"of {PERSON.pseudonym}".encode().hex()], ["ce_id", "cafe"], ["empty", None]
    ]  # fmt: skip
