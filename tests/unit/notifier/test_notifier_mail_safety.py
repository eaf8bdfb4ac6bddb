"""Names in mails: nothing in them is taken for a header, an encoded word or a direction of text."""

from email import message_from_bytes
from email.header import decode_header, make_header
from email.policy import compat32, default
from email.utils import parseaddr

import pytest
from built_mails import OWNER, mail, parse
from effort import repeat
from hypothesis import given, settings
from hypothesis import strategies as st
from notifier_bodies import HOUR
from snapshots import account_line, make_snapshot


@pytest.mark.parametrize("line_break", ["\u2028", "\x0b", "\x85", "\x1c", "\r\n", "\n"])
def test_name_cannot_begin_another_header(line_break):
    # Some of these are valid in a name, and are line breaks to a parser of headers.
    snapshot = make_snapshot(contract_name=f"Support{line_break}Bcc: evil@example.com")
    named = OWNER.model_copy(update={"name": f"Olga{line_break}Bcc: evil@example.com"})
    parsed = message_from_bytes(mail(snapshot, named).as_bytes(), policy=compat32)
    subject, to = (str(make_header(decode_header(parsed[name]))) for name in ("Subject", "To"))
    assert parsed["Bcc"] is None
    assert subject == "80 % used: Support Bcc: evil@example.com, March 2026 [ACME-SUP]"
    assert to == '"Olga Bcc: evil@example.com" <olga@provider.example.com>'


@pytest.mark.parametrize("policy", [default, compat32])
@pytest.mark.parametrize(
    "name",
    [
        "=?utf-8?q?Olga=0d=0aBcc:_evil@example.com?=",
        "=?utf-8?b?T2xnYQ0KQmNjOiBldmlsQGV4YW1wbGUuY29t?=",
        "a =?us-ascii?q?x=00?= b",
        "😀" * 255,
        "ü" * 255,
        '"' * 255,
        'Müller, "Jörg" <x@y.example.com>',
        "👩\u200d👩\u200d👧",
    ],
)
def test_every_reader_decodes_the_name_that_was_given(name, policy):
    built = mail(make_snapshot(contract_name=name), OWNER.model_copy(update={"name": name})).as_bytes()
    assert all(len(line) <= 998 for line in built.split(b"\r\n"))
    parsed = message_from_bytes(built, policy=policy)
    assert parsed["Bcc"] is None
    if policy is default:
        [receiver] = parsed["To"].addresses
        shown, address, subject = receiver.display_name, receiver.addr_spec, parsed["Subject"]
        # Python 3.11 shows a space between the encoded words of a name.
        shown = shown.replace(" ", "") if len(name) == 255 else shown
    else:
        # As in RFC 2047: addresses are split first, then the name is decoded.
        encoded, address = parseaddr(parsed["To"])
        shown, subject = (str(make_header(decode_header(value))) for value in (encoded, parsed["Subject"]))
    assert (shown, address) == (name, OWNER.email)
    assert subject == f"80 % used: {name}, March 2026 [ACME-SUP]"


UNSAFE = "a\x00\x1b[31m\u202eb\u2066\x9b\ud800"
SAFE = "a\ufffd\ufffd[31m\ufffdb\ufffd\ufffd\ufffd"


def test_control_and_bidi_characters_are_replaced_everywhere():
    snapshot = make_snapshot(
        contract_name=UNSAFE, organization_name=UNSAFE, account_name=UNSAFE, team_name=UNSAFE, subject=UNSAFE,
        opening=f"{UNSAFE}\n{UNSAFE}", accounts=[account_line(UNSAFE, HOUR, HOUR)],
    )  # fmt: skip
    parsed, text, html = parse(mail(snapshot, OWNER.model_copy(update={"name": UNSAFE})))
    for shown in (text, html, parsed["Subject"], parsed["To"].addresses[0].display_name):
        assert SAFE in shown
        assert not {"\x00", "\x1b", "\u202e", "\u2066", "\x9b"} & set(shown)


# Text of any kind, between what means something in a header.
PIECES = st.sampled_from(
    ["\r\n", "\n", "\x00", "=?utf-8?q?", "=0d=0aBcc:", "?=", "Bcc: ", "\u2028", '"', "<", ">", ",", "\\"]
)
NAMES = st.lists(st.text(max_size=60) | PIECES, max_size=12).map("".join)


@settings(max_examples=repeat(40, long=3_000))
@given(contract=NAMES, person=NAMES, organization=NAMES)
def test_no_name_adds_a_header_or_breaks_its_line(contract, person, organization):
    snapshot = make_snapshot(contract_name=contract, organization_name=organization)
    built = mail(snapshot, OWNER.model_copy(update={"name": person})).as_bytes()
    head, _, _ = built.partition(b"\r\n\r\n")
    assert all(len(line) <= 998 for line in head.split(b"\r\n"))
    assert not {*head} - {*b"\r\n\t", *range(0x20, 0x7F)}
    expected = message_from_bytes(mail().as_bytes(), policy=compat32)
    for policy in (default, compat32):
        parsed = message_from_bytes(built, policy=policy)
        assert parsed.keys() == expected.keys()
        assert parseaddr(str(parsed["To"]))[1] == OWNER.email
