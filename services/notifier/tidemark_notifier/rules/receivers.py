"""Receivers: who is notified, by which channel; the secrets of webhooks."""

import base64
import binascii
from typing import Annotated, Literal
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
    model_validator,
)
from pydantic_core import PydanticCustomError

from tidemark_notifier.rules.body import TaggedBody
from tidemark_shared.domain.bodies import Name

SECRET_PREFIX = "whsec_"  # noqa: S105 - not a secret
MASKED_SECRET = SECRET_PREFIX + "********"
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


SigningSecret = Annotated[str, AfterValidator(_check_secret), PlainSerializer(_mask_secret)]
"""A key that signs webhooks. Serialized as :data:`MASKED_SECRET` unless the context is :data:`WITH_SECRETS`."""

WebhookUrl = Annotated[str, Field(max_length=2048), AfterValidator(_check_url)]

Channel = Literal["email", "webhook"]


class Receiver(TaggedBody):
    """Who is notified: people by mail, a program by a signed webhook."""

    kind: Literal["owner", "contacts", "team", "address", "webhook"]
    role: Name | None = None
    id: UUID | None = None
    email: EmailStr | None = None
    url: WebhookUrl | None = None
    secret: Annotated[SigningSecret | None, Field(repr=False)] = None

    @property
    def channel(self) -> Channel:
        """The channel that reaches this receiver."""
        return "webhook" if self.kind == "webhook" else "email"

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
        if self.secret is not None and self.kind != "webhook":
            raise PydanticCustomError("invalid", "Only a receiver of kind webhook has a secret.")
        return self
