"""The alert webhook, signed according to Standard Webhooks."""

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
#: The characters that every URL parser reads in the same way: no backslash, no blank.
_UNAMBIGUOUS = re.compile(r"[!-\[\]-~]+")
_PORTS = {"https": 443, "http": 80}


def new_secret() -> str:
    """Return a new secret of 24 random bytes, in the form of Standard Webhooks."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()


def is_valid_url(url: str, *, allow_private: bool) -> bool:
    """Return whether alerts may be sent to a URL: https without a user, and no private address unless allowed."""
    parts = split(url) if _UNAMBIGUOUS.fullmatch(url) else None
    if parts is None or not parts.hostname or parts.username or parts.fragment:
        return False
    if allow_private:
        return parts.scheme in _PORTS
    return parts.scheme == "https" and not is_literally_private(parts.hostname)


def post(
    url: str, secret: str, message_id: str, document: Mapping[str, Any], now: datetime, *, allow_private: bool
) -> None:
    """Send an alert; redirects are not followed, and the response's body is not read.

    Raises: RetryableError unless the response is a 2xx; PermanentError when the request cannot be written.
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
    session = plain_session() if allow_private else public_session()
    try:
        response = session.post(url, data=body.encode(), headers=headers, timeout=_TIMEOUT, stream=True)
        response.close()
    except UnknownHost:
        raise _not_delivered("has a host name that is not known") from None
    except NotPublic:
        why = "leads to a private address, which QWOTY_HOST_ALERTS_ALLOW_PRIVATE does not allow"
        raise _not_delivered(why) from None
    except (requests.RequestException, HTTPError, ValueError) as error:
        # Without `from`: the cause's text contains the URL, which may itself be a secret.
        if unsent := why_unsent(error):
            log.error("alert.request_unsent", exc_info=unsent)  # noqa: TRY400 - not the error itself
            title = "The request to the alert webhook could not be written."
            raise PermanentError(title, hint="Enter its address again.", code="alert_webhook") from None
        raise _not_delivered(f"cannot be reached ({type(error).__name__})") from None
    if not 200 <= response.status_code < 300:
        raise _not_delivered(f"answered with HTTP {response.status_code}")


def _not_delivered(why: str) -> RetryableError:
    return RetryableError(f"The alert webhook {why}.", code="alert_webhook")
