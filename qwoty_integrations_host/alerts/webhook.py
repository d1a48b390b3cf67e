"""The webhook that tells machines what needs people, signed as Standard Webhooks says."""

from __future__ import annotations

import base64
import json
import logging
import re
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..errors import PermanentError, RetryableError
from ..network.addresses import NotPublic, UnknownHost, is_literally_private, split
from ..network.downloads import plain_session, public_session
from ..network.request_errors import why_unsent

log = logging.getLogger(__name__)

_TIMEOUT = (5, 10)
#: What is read in the same way by whoever checks an address and whoever goes there: no backslash, no blank.
_LETTERS = re.compile(r"[!-\[\]-~]+")
_PORTS = {"https": 443, "http": 80}


def new_secret() -> str:
    """A secret in the form of Standard Webhooks: 24 random bytes."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()


def is_address(url: str, *, allow_private: bool) -> bool:
    """Whether an address may be told of: https, without a user, and no private place unless these are allowed."""
    parts = split(url) if _LETTERS.fullmatch(url) else None
    if parts is None or not parts.hostname or parts.username or parts.fragment:
        return False
    if allow_private:
        return parts.scheme in _PORTS
    return parts.scheme == "https" and not is_literally_private(parts.hostname)


def post(
    url: str, secret: str, message_id: str, document: Mapping[str, Any], now: datetime, *, allow_private: bool
) -> None:
    """Tell it, following no redirect and reading no answer. Raises: RetryableError unless it was answered with 2xx.

    PermanentError where the request could not even be written.
    """
    import requests  # noqa: PLC0415 - lazy: every command would pay for it
    from standardwebhooks.webhooks import Webhook  # noqa: PLC0415 - lazy as well
    from urllib3.exceptions import HTTPError  # noqa: PLC0415 - comes with requests

    body = json.dumps(document)
    headers = {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, now, body),
    }
    try:
        with plain_session() if allow_private else public_session() as session:
            answer = session.post(
                url, data=body.encode(), headers=headers, timeout=_TIMEOUT, allow_redirects=False, stream=True
            )
            answer.close()
    except UnknownHost:
        raise _not_delivered("has a host name that is not known") from None
    except NotPublic:
        why = "leads to a private address, which QWOTY_HOST_ALERTS_ALLOW_PRIVATE does not allow"
        raise _not_delivered(why) from None
    except (requests.RequestException, HTTPError, ValueError) as error:
        # Without `from`: the cause's text holds the address, which may itself be a secret.
        if unsent := why_unsent(error):
            log.error("alert.request_unsent", exc_info=unsent)  # noqa: TRY400 - not the error itself
            title = "The request to the alert webhook could not be written."
            raise PermanentError(title, hint="Enter its address again.", code="alert_webhook") from None
        raise _not_delivered(f"cannot be reached ({type(error).__name__})") from None
    if not 200 <= answer.status_code < 300:
        raise _not_delivered(f"answered with HTTP {answer.status_code}")


def _not_delivered(why: str) -> RetryableError:
    return RetryableError(f"The alert webhook {why}.", code="alert_webhook")
