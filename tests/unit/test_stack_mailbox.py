import asyncio
import smtplib
from collections.abc import AsyncIterator, Iterator
from email.header import decode_header, make_header
from email.message import EmailMessage
from mailbox import Maildir
from pathlib import Path

import httpx
import pytest

from tidemark.stack import mailbox, ports


@pytest.fixture
def port() -> int:
    return ports.find_free()


@pytest.fixture
async def pages(tmp_path: Path, port: int) -> AsyncIterator[httpx.AsyncClient]:
    """The pages, with the SMTP server listening on ``port``."""
    app = mailbox.create_app(mailbox.Sink(tmp_path / "maildir"), port)
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://it") as client:
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
