"""Verifies signed messages of a platform, by the scheme of Standard Webhooks."""

from __future__ import annotations

import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from standardwebhooks import Webhook

from ..errors import FieldProblem, InvalidInput, WebhookRejected

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
#: The largest difference between a message's time and the host's, in either direction.
TOLERANCE = timedelta(minutes=5)
_PREFIX = "whsec_"
_FEWEST_BYTES, _MOST_BYTES = 24, 64


def new_secret() -> str:
    """Return a new signing secret: ``whsec_`` and 32 random bytes in base64."""
    return _PREFIX + b64encode(secrets.token_bytes(32)).decode()


def require_secret(text: str) -> str:
    """Return a secret that somebody else made. Raises: InvalidInput when it is not valid."""
    try:
        size = len(b64decode(text.removeprefix(_PREFIX), validate=True)) if text.startswith(_PREFIX) else 0
    except ValueError:
        size = 0
    if not _FEWEST_BYTES <= size <= _MOST_BYTES:
        words = f"whsec_ and {_FEWEST_BYTES} to {_MOST_BYTES} bytes in base64."
        raise InvalidInput("This is not a signing secret.", [FieldProblem(("secret",), words)])
    return text


def verify(headers: Mapping[str, str], body: bytes, known: Iterable[str], now: datetime) -> str:
    """Return the id of a message after verifying its signature over the raw bytes with one of the secrets.

    Raises: WebhookRejected, with 401 for a wrong signature, and with 400 for a correctly signed message that is more
    than five minutes old or early.
    """
    given = {name.lower(): value for name, value in headers.items()}
    message, timestamp, signatures = (given.get(name, "") for name in (ID, TIMESTAMP, SIGNATURE))
    # Without secrets a random one is tried, so that an unknown workspace takes as long as a wrong signature.
    expected = [_sign(secret, message, timestamp, body) for secret in (*known, new_secret())]
    presented = [one.encode() for one in signatures.split()]
    if not any(hmac.compare_digest(ours, theirs) for ours in expected for theirs in presented if ours):
        raise WebhookRejected(
            f"The message is not signed with a secret of this workspace ({ID}, {TIMESTAMP}, {SIGNATURE}).", status=401
        )
    if abs(now - _moment(timestamp)) > TOLERANCE:
        raise WebhookRejected("The message's webhook-timestamp is more than five minutes from now: sign it anew.")
    return message


def _sign(secret: str, message: str, timestamp: str, body: bytes) -> bytes:
    """Return the signature as bytes; empty when the secret is not valid."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return b""
    if not message or not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 11:
        return b""
    return Webhook(secret).sign(message, _moment(timestamp), text).encode()


def _moment(timestamp: str) -> datetime:
    return datetime.fromtimestamp(int(timestamp), UTC)
