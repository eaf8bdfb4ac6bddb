import asyncio
import smtplib
from collections.abc import AsyncIterator, Iterator
from email.header import decode_header, make_header
from email.message import EmailMessage
from mailbox import Maildir
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemark.stack import mailbox, ports


@pytest.fixture
def port() -> int:
    return ports.find_free()


@pytest.fixture
async def pages(tmp_path: Path, port: int) -> AsyncIterator[httpx.AsyncClient]:
    """The pages, with the SMTP server listening on ``port``."""
    app = mailbox.create_app(mailbox.Sink(tmp_path / "maildir"), port)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client,
    ):
        yield client


def _mail(subject: str, text: str = "32 of 40 h", html: str | None = None) -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = subject, "Tidemark <t@localhost>", "Olga <olga@provider.example>"
    mail.set_content(text)
    if html:
        mail.add_alternative(html, subtype="html")
    return mail


async def _send(port: int, *mails: EmailMessage, to: list[str] | None = None) -> None:
    def send() -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            for mail in mails:
                client.send_message(mail, to_addrs=to)

    await asyncio.to_thread(send)


async def test_sent_mail_is_stored_in_the_maildir(tmp_path: Path, port: int, pages: httpx.AsyncClient) -> None:
    await _send(port, _mail("80 % reached — März"), to=["olga@provider.example", "hidden@provider.example"])
    (kept,) = Maildir(tmp_path / "maildir", create=False)
    assert str(make_header(decode_header(kept["subject"]))) == "80 % reached — März"
    assert kept["return-path"] == "<t@localhost>"
    assert kept.get_all("delivered-to") == ["olga@provider.example", "hidden@provider.example"]
    assert not list((tmp_path / "maildir" / "tmp").iterdir())
    assert (await pages.get("/readyz")).is_success


async def test_list_shows_the_newest_first(port: int, pages: httpx.AsyncClient) -> None:
    assert "No mails yet" in (await pages.get("/inbox")).text
    await _send(port, _mail("the first"), _mail("the second"))
    page = (await pages.get("/inbox")).text
    assert 0 < page.index("the second") < page.index("the first")


async def test_long_list_is_paged(port: int, pages: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox, "_PAGE_SIZE", 2)
    await _send(port, *(_mail(f"mail {number}") for number in range(3)))
    first, second = (await pages.get("/inbox")).text, (await pages.get("/inbox?page=2")).text
    assert "mail 2" in first
    assert "/inbox?page=2" in first
    assert "mail 0" in second
    assert "/inbox?page=1" in second
    for odd in ("0", "-1", "x", "9" * 5000, "77"):
        assert (await pages.get("/inbox", params={"page": odd})).is_success


def _links(page: str) -> Iterator[str]:
    return (part.partition('"')[0] for part in page.split('href="')[1:] if part.startswith("/inbox/"))


async def test_mail_content_is_escaped(port: int, pages: httpx.AsyncClient) -> None:
    evil = '"><script>alert(1)</script>'
    await _send(port, _mail(evil, text=f"</pre>{evil}", html=f"<p>Hello</p>{evil}"))
    index = await pages.get("/inbox")
    (link,) = _links(index.text)
    page = await pages.get(link)
    for response in (index, page):
        assert "<script" not in response.text
        assert "default-src 'none'" in response.headers["content-security-policy"]
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page.text
    assert "&lt;p&gt;Hello&lt;/p&gt;" in page.text


async def test_mail_page_shows_text_headers_and_source(port: int, pages: httpx.AsyncClient) -> None:
    await _send(port, _mail("plain"))
    (link,) = _links((await pages.get("/inbox")).text)
    page = (await pages.get(link)).text
    assert "<pre>32 of 40 h" in page
    assert "<dt>Delivered-To</dt><dd>olga@provider.example</dd>" in page
    assert "iframe title" not in page
    source = await pages.get(f"{link}/source")
    assert source.text.startswith("Return-Path: <t@localhost>")
    assert source.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("key", ["1.M1P1Q1.here", "..%2Fnew", "..%2F..%2Fstate.json"])
async def test_unknown_mail_is_not_found(pages: httpx.AsyncClient, key: str) -> None:
    assert (await pages.get(f"/inbox/{key}")).status_code == 404
    assert (await pages.get(f"/inbox/{key}/source")).status_code == 404


def _deliver(folder: Path, content: bytes) -> None:
    Maildir(folder / "maildir", create=False).add(content)


MALFORMED = [
    b"",
    b"\0" * 100,
    b"\xff\xfe\n\n\xff",
    b"Subject: \xff\xfe\xed\xa0\x80\n\nx",
    b'Subject: =?utf-8?b?////?= =?x-nothing?q?=ff?= =?utf-8?q?=0d=0aBcc:_x?=\nFrom: <<<@,;"\nTo: :;,<>\n\nx',
    b"From: =?utf-8?q?=ed=a0=80?= <a@[\nTo: (((\nDate: x\nMessage-ID: <\nContent-Type: \n\nx",
    b"Content-Type: text/html; charset=x-nothing\n\n<p>\xff",
    b'Content-Type: text/html; charset="\xff\0"\nContent-Transfer-Encoding: base64\n\n=\xff=A',
    b"Content-Type: text/plain; charset*=%ff'%ff'%ff\nContent-Transfer-Encoding: quoted-printable\n\n=ZZ=",
    b"Content-Type: text/html; charset=utf-16\n\n\x00\xd8",
    b"Content-Type: multipart/mixed\n\nx",
    b"Content-Type: multipart/alternative; boundary=x\n\n--x\nContent-Type: text/html\n\n--x--",
    (
        b"Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: multipart/related\n\n--x\n"
        b"Content-Disposition: attachment; filename*0*=utf-16''%ff; filename*2=\xff\n\n--x\n"
        b"Content-Type: message/rfc822\n\n\xff"
    ),
    b"Content-Type: message/rfc822\n\nSubject: x\n\ny",
    b"Content-Type: message/external-body; x=\nContent-Disposition: ; ;;\n\ny",
    b"X" * 100_000 + b": y\n\n",
    b": no name\nno colon\n\ty\n\n",
]


@pytest.mark.parametrize("content", MALFORMED, ids=range(len(MALFORMED)))
async def test_malformed_mail_is_shown(tmp_path: Path, pages: httpx.AsyncClient, content: bytes) -> None:
    _deliver(tmp_path, content)
    index = await pages.get("/inbox")
    (link,) = _links(index.text)
    assert (index.status_code, (await pages.get(link)).status_code) == (200, 200)
    assert (await pages.get(f"{link}/source")).status_code == 200


@given(st.lists(st.sampled_from(MALFORMED) | st.binary(max_size=60), max_size=6).map(b"\n".join))
def test_random_mail_is_shown(content: bytes) -> None:
    async def statuses(folder: Path) -> list[int]:
        app = mailbox.create_app(mailbox.Sink(folder / "maildir"), 0)
        _deliver(folder, content)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
            index = await client.get("/inbox")
            (link,) = _links(index.text)
            return [index.status_code, (await client.get(link)).status_code]

    with TemporaryDirectory() as name:
        assert asyncio.run(statuses(Path(name))) == [200, 200]


@pytest.mark.parametrize("path", ["/inbox", "/inbox/1.M1P1Q1.host", "/inbox/1.M1P1Q1.host/source"])
async def test_mails_are_not_shown_under_the_name_of_another_host(pages: httpx.AsyncClient, path: str) -> None:
    response = await pages.get(path, headers={"host": "evil.example:8000"})
    assert (response.status_code, response.text) == (400, "Invalid host header")
