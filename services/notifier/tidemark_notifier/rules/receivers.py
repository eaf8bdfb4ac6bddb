"""Receivers: who is notified, by which channel; the secrets of webhooks, and the URLs of chats, which are secrets."""

import base64
import binascii
import hashlib
from typing import Annotated, Literal
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import (
    AfterValidator,
    EmailStr,
    Field,
    HttpUrl,
    PlainSerializer,
    SerializationInfo,
    TypeAdapter,
    ValidationError,
    field_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from tidemark_notifier.rules.body import TaggedBody
from tidemark_shared.domain.bodies import Name

SECRET_PREFIX = "whsec_"  # noqa: S105 - not a secret
_MASK = "********"
MASKED_SECRET = SECRET_PREFIX + _MASK
# The context of a serialization that includes secrets. Only what is stored is serialized with it.
WITH_SECRETS = "with_secrets"
_SECRET_BYTES = range(24, 65)  # Standard Webhooks
_url = TypeAdapter(HttpUrl)


def _check_secret(text: str) -> str:
    if text == MASKED_SECRET:
        return text
    try:
        size = len(base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True))
    except (binascii.Error, ValueError):
        size = 0
    if not text.startswith(SECRET_PREFIX) or size not in _SECRET_BYTES:
        raise PydanticCustomError("invalid", "A secret must be whsec_ followed by 24 to 64 random bytes in base64.")
    return text


def _hide(url: str | None, info: SerializationInfo) -> str | None:
    return url if info.context == WITH_SECRETS else None


def _mask_secret(secret: str | None, info: SerializationInfo) -> str | None:
    return secret if secret is None or info.context == WITH_SECRETS else MASKED_SECRET


def _check_url(text: str) -> str:
    if not text.isprintable() or " " in text:
        raise PydanticCustomError("invalid", "A URL must not contain spaces or control characters.")
    try:
        url = _url.validate_python(text)
    except ValidationError:
        raise PydanticCustomError(
            "invalid", "A webhook needs a URL such as https://hooks.example.com/tidemark."
        ) from None
    if url.username or url.password or url.fragment:
        raise PydanticCustomError("invalid", "The URL of a webhook must not contain a user, a password or a fragment.")
    return text


def mask_url(url: str) -> str:
    """What is shown of a URL that is a secret: its host, and a checksum that tells two channels of one host apart."""
    if is_masked(url):
        return url
    parts = urlsplit(str(_url.validate_python(url)))
    return f"{parts.scheme}://{parts.netloc}/{_MASK}{hashlib.sha256(url.encode()).hexdigest()[:8]}"


def is_masked(url: str) -> bool:
    """Whether a URL is what :func:`mask_url` shows of another."""
    return urlsplit(url).path.startswith(f"/{_MASK}")


SigningSecret = Annotated[str, AfterValidator(_check_secret), PlainSerializer(_mask_secret)]
"""A key that signs webhooks. Serialized as :data:`MASKED_SECRET` unless the context is :data:`WITH_SECRETS`."""

WebhookUrl = Annotated[str, Field(max_length=2048), AfterValidator(_check_url)]

SecretUrl = Annotated[str | None, Field(repr=False), PlainSerializer(_hide)]
"""The URL of a chat. Serialized as null unless the context is :data:`WITH_SECRETS`."""

Channel = Literal["email", "webhook"]

ChatFormat = Literal["slack", "teams", "google_chat", "mattermost", "discord"]


class Receiver(TaggedBody):
    """Who is notified: people by mail, a program by a signed webhook, or a channel of a chat.

    Without ``format``, a webhook is ``standard``. Whoever has the URL of a chat can post there, so answers show its
    host alone; it takes the place of a ``secret``.
    """

    kind: Literal["owner", "contacts", "team", "address", "webhook"]
    role: Name | None = None
    id: UUID | None = None
    email: EmailStr | None = None
    url: Annotated[WebhookUrl | None, Field(repr=False)] = None
    format: Literal["standard"] | ChatFormat | None = None
    secret: Annotated[SigningSecret | None, Field(repr=False)] = None

    @property
    def channel(self) -> Channel:
        """The channel that reaches this receiver."""
        return "webhook" if self.kind == "webhook" else "email"

    @property
    def chat_format(self) -> ChatFormat | None:
        """The chat that the URL belongs to; None for a standard webhook and for mails."""
        return None if self.format == "standard" else self.format

    @property
    def shown_url(self) -> str | None:
        """The URL as answers show it."""
        return mask_url(self.url) if self.url and self.chat_format else self.url

    @property
    def secret_key(self) -> tuple[bool, str | None]:
        """By what a secret that a client left out is found: never the URL of a chat for a standard webhook."""
        return self.chat_format is None, self.shown_url

    def restore_secrets(self, previous: "Receiver | None") -> "Receiver":
        """Fill in what was omitted or sent back masked, from the receiver that has the same :attr:`secret_key`.

        A secret that ``previous`` does not have becomes None; a masked URL stays.
        """
        if self.chat_format:
            is_restored = previous and self.url and is_masked(self.url)
            return self.model_copy(update={"url": previous.url}) if previous and is_restored else self
        if self.secret not in (None, MASKED_SECRET):
            return self
        return self.model_copy(update={"secret": previous and previous.secret})

    @field_serializer("url")
    def _mask_url(self, url: str | None, info: SerializationInfo) -> str | None:
        return url if info.context == WITH_SECRETS else self.shown_url

    @model_validator(mode="after")
    def _check_members(self) -> "Receiver":
        required = {"contacts": "role", "team": "id", "address": "email", "webhook": "url"}.get(self.kind)
        for name in ("role", "id", "email", "url"):
            if (name == required) == (getattr(self, name) is None):
                raise PydanticCustomError(
                    "invalid",
                    "A receiver of kind {kind} {verb} {name}.",
                    {"kind": self.kind, "verb": "needs" if name == required else "must not have", "name": name},
                )
        for name in ("secret", "format"):
            if getattr(self, name) is not None and self.kind != "webhook":
                raise PydanticCustomError("invalid", "Only a receiver of kind webhook has a {name}.", {"name": name})
        if self.secret is not None and self.chat_format:
            raise PydanticCustomError(
                "invalid",
                "A webhook with format {format} must not have a secret: its URL is the secret. Remove it.",
                {"format": self.format},
            )
        return self
