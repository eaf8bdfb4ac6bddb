"""Send the mails of saved reports, with the files that web makes (SPEC 7).

A mail names the moment of its figures, so every attempt asks web for the same report, whenever it is made. As in
``deliverer.py``, a mail is leased, and sent again with the same ``Message-ID`` if the process dies before the result is
recorded. It has its own loops: a report that takes long delays no alert. Four mails are sent at once, of each domain
one, and mails that have failed come last: so receivers that hang delay the others little.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn
from urllib.parse import urlsplit
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx

from tidemark_notifier.database.query_types import LeaseReportMailRow, NotifierQueries
from tidemark_notifier.delivery.errors import DeliveryError
from tidemark_notifier.delivery.mail import Attachment, Envelope, build_message, issue_mail_link
from tidemark_notifier.delivery.report_content import (
    build_query,
    build_report_view,
    format_report_subject,
)
from tidemark_notifier.delivery.retries import RetryPolicy
from tidemark_notifier.delivery.smtp import SmtpClient, SmtpServer
from tidemark_notifier.delivery.snapshot_text import make_safe
from tidemark_notifier.engine.saved_reports import ReportSnapshot
from tidemark_notifier.evaluation.addressees import Addressee
from tidemark_notifier.language import get_language
from tidemark_shared.database import Pool, queries
from tidemark_shared.http.tokens import issue_token
from tidemark_shared.log import get_logger
from tidemark_shared.settings import Settings, require_setting
from tidemark_shared.tasks import run_together

_log = get_logger()
_sql: NotifierQueries = queries("tidemark_notifier")

_POLL_SECONDS = 1.0
_MAX_CONCURRENT = 4
_REQUEST_TIMEOUT_SECONDS = 30
# Longer than an attempt: three requests and the mail.
_LEASE_SECONDS = 150
_TOKEN_LIFETIME = timedelta(minutes=5)
_MEDIA_TYPES = {
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_POLICY = RetryPolicy(attempt_timeout_seconds=120, lease_seconds=_LEASE_SECONDS)


class ReportMailer:
    """Leases the mails of saved reports one after another, and sends them."""

    def __init__(
        self,
        pool: Pool,
        settings: Settings,
        transport: httpx.AsyncBaseTransport | None = None,
        policy: RetryPolicy = _POLICY,
    ) -> None:
        self._pool, self._settings, self._policy = pool, settings, policy
        self._secret = require_setting(settings.secret, "secret")
        self._busy_domains: set[str] = set()
        # The domain of a mail is busy before the next mail is chosen.
        self._choosing = asyncio.Lock()
        self._smtp = SmtpClient(SmtpServer.parse(require_setting(settings.smtp_url, "smtp_url")))
        self._web = httpx.AsyncClient(
            base_url=settings.web_url or settings.public_url,
            # Web answers to its public name, at whatever address it is reached.
            headers={"host": urlsplit(settings.public_url).netloc},
            timeout=_REQUEST_TIMEOUT_SECONDS,
            # Proxies of the environment are for external hosts.
            trust_env=False,
            transport=transport,
        )

    async def run(self) -> None:
        """Send until cancelled. The service runtime restarts it after a database error."""
        try:
            await run_together(self._send_due() for _ in range(_MAX_CONCURRENT))
        finally:
            await self._smtp.aclose()

    async def _send_due(self) -> NoReturn:
        while True:
            if not await self.send_next():
                await asyncio.sleep(_POLL_SECONDS)

    async def send_next(self) -> bool:
        """Send the mail that is due first, and record the result. Returns whether there was one."""
        async with self._choosing, self._pool.acquire() as connection:
            row = await _sql.lease_report_mail(
                connection, lease_seconds=self._policy.lease_seconds, busy_domains=list(self._busy_domains)
            )
            if row is None:
                return False
            self._busy_domains.add(row["domain"])
        try:
            error = await self._attempt(row)
        finally:
            self._busy_domains.discard(row["domain"])
        status, delay_seconds = "delivered", 0.0
        if error is not None:
            next_delay_seconds = self._policy.next_delay_seconds(row["attempts"], error, random.random())  # noqa: S311
            status, delay_seconds = ("failed", 0.0) if next_delay_seconds is None else ("pending", next_delay_seconds)
            _log.warning("report_mail_attempt_failed", mail=str(row["id"]), reason=str(error), status=status)
        async with self._pool.acquire() as connection:
            await _sql.finish_report_mail(
                connection,
                id=row["id"],
                attempts=row["attempts"],
                status=status,
                error=None if error is None else str(error),
                delay_seconds=delay_seconds,
            )
        return True

    async def _attempt(self, row: LeaseReportMailRow) -> DeliveryError | None:
        """Send, and return why that failed; None if the mail server has accepted the mail."""
        if not self._policy.may_attempt(row["attempts"]):
            return DeliveryError("The results of the last attempts could not be recorded.", permanent=True)
        try:
            async with asyncio.timeout(self._policy.attempt_timeout_seconds):
                await self._send(row)
        except DeliveryError as error:
            return error
        except TimeoutError:
            return DeliveryError("The attempt timed out.")
        except Exception as error:  # noqa: BLE001 - any error of one mail concerns this mail alone
            return DeliveryError(f"{type(error).__name__}: {error}")
        return None

    async def _send(self, row: LeaseReportMailRow) -> None:
        snapshot = ReportSnapshot.model_validate_json(row["snapshot"])
        addressee = Addressee.model_validate_json(row["addressee"])
        query = build_query(snapshot, addressee)
        figures = [(name, value) for name, value in query if name not in ("hours", "people", "internal")]
        report = (await self._get("/v1/reports/delivery", figures)).json()
        kinds = ["pdf", "xlsx"] if snapshot.xlsx else ["pdf"]
        name = f"{snapshot.organization_name} {snapshot.first_day} {snapshot.last_day}"
        files = [
            Attachment(
                f"{name}.{kind}", _MEDIA_TYPES[kind], (await self._get(f"/reports/delivery.{kind}", query)).content
            )
            for kind in kinds
        ]
        await self._smtp.send_mail(self._build(row["id"], snapshot, addressee, report, files))

    def _build(
        self,
        id_: UUID,
        snapshot: ReportSnapshot,
        addressee: Addressee,
        report: Mapping[str, Any],
        files: Sequence[Attachment],
    ) -> Any:
        settings, zone = self._settings, snapshot.timezone
        language = get_language(snapshot.locale if addressee.kind == "contacts" else settings.locale)
        local_time = snapshot.raised_at.astimezone(ZoneInfo(zone))
        view = build_report_view(snapshot, addressee, report, settings.public_url, language)
        if addressee.kind == "contacts":
            link = issue_mail_link(self._secret, snapshot.organization_id, id_, snapshot.raised_at)
            view["link"] = f"{settings.public_url.rstrip('/')}/customer#{link}"
        as_of = language.format_moment(local_time, zone)
        view = make_safe({**view, "as_of": as_of, "language": language.tag, "notification_id": str(id_)})
        subject = format_report_subject(snapshot, language)
        envelope = Envelope(id_, settings.mail_from, addressee.name or "", addressee.email or "", subject)
        return build_message(view, language, envelope, local_time, files)

    async def _get(self, path: str, query: Sequence[tuple[str, str]]) -> httpx.Response:
        """An answer of web. Raises ``DeliveryError``, permanent if what the report is about is gone."""
        now = datetime.now(UTC)
        token = issue_token(self._secret, "saved reports", "viewer", now=now, expires=now + _TOKEN_LIFETIME)
        try:
            response = await self._web.get(path, params=list(query), headers={"authorization": f"Bearer {token}"})
        except httpx.HTTPError as error:
            raise DeliveryError(f"Web cannot be reached at {self._web.base_url}: {type(error).__name__}.") from error
        if response.status_code == httpx.codes.OK:
            return response
        is_gone = response.status_code == httpx.codes.NOT_FOUND
        reason = f"Web answered {response.status_code} to {path}."
        if is_gone:
            reason = (
                f"{reason} A customer, contract or account of the report does not exist any more. Change the report."
            )
        raise DeliveryError(reason, permanent=is_gone)
