"""Fetching the invoice's PDF: from Stripe or the configured API base, with nothing that could leak or loop.

The address opens the invoice without a key: it is never logged, stored or put into a message (Stripe page,
section 14).
"""

from __future__ import annotations

import socket
from ipaddress import ip_address
from urllib.parse import SplitResult, urljoin, urlsplit

import requests

from qwoty_integrations_host import NeedsAttention, RetryableError, why_unsent

from .gateway import api_base

_MOST_BYTES = 10 * 1024 * 1024
_MOST_REDIRECTS = 3
_TIMEOUT = (10, 30)


def fetch_pdf(url: str) -> bytes:
    """Fetch a PDF of at most 10 MB, following at most three redirects, without credentials.

    Raises: RetryableError while Stripe cannot deliver it, NeedsAttention for an address that is not allowed.
    """
    if not _is_first_allowed(_split(url)):
        raise _refused("is not at Stripe")
    with requests.Session() as session:
        session.trust_env = False  # no credentials from a .netrc
        for _ in range(_MOST_REDIRECTS + 1):
            with _get(session, url) as answer:
                if not answer.is_redirect:
                    return _content(answer)
                url = urljoin(url, answer.headers["location"])
            if not _is_allowed(_split(url)):
                raise _refused("leads to a place that is not allowed")
    raise _refused("leads on and on")


def _get(session: requests.Session, url: str) -> requests.Response:
    try:
        return session.get(url, stream=True, allow_redirects=False, timeout=_TIMEOUT)
    except requests.RequestException as error:
        # Without `from`: the cause's text holds the address.
        if why_unsent(error):
            raise _refused("is none") from None
        raise RetryableError("The invoice's PDF cannot be fetched.", code="pdf_unreachable") from None
    except ValueError:  # requests reads the address of a redirect, though it does not follow it
        raise _refused("leads to no address") from None


def _content(answer: requests.Response) -> bytes:
    if answer.status_code != 200:
        raise RetryableError(f"The invoice's PDF is not there yet (HTTP {answer.status_code}).", code="pdf_unreachable")
    content = bytearray()
    try:
        for chunk in answer.iter_content(65536):
            content += chunk
            if len(content) > _MOST_BYTES:
                raise _refused("is larger than 10 MB")
    except requests.RequestException:
        raise RetryableError("The invoice's PDF broke off.", code="pdf_unreachable") from None
    if not content.startswith(b"%PDF-"):
        raise RetryableError("What came instead of the invoice's PDF is none.", code="pdf_unreachable")
    return bytes(content)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        # Read here, because a port out of range or a label that is too long is only noticed then.
        _ = parts.port, (parts.hostname or "").encode("idna")
    except ValueError:
        raise _refused("is none") from None
    return parts


def _is_base(parts: SplitResult) -> bool:
    base = urlsplit(api_base())
    is_same = (parts.scheme, parts.hostname, parts.port) == (base.scheme, base.hostname, base.port)
    return is_same and not parts.username


def _is_first_allowed(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    at_stripe = parts.scheme == "https" and (host == "stripe.com" or host.endswith(".stripe.com"))
    return _is_base(parts) or (at_stripe and _is_allowed(parts))


def _is_allowed(parts: SplitResult) -> bool:
    if _is_base(parts):
        return True
    return parts.scheme == "https" and not parts.username and _is_public(parts.hostname or "")


def _is_public(host: str) -> bool:
    try:
        found = socket.getaddrinfo(host, 443, proto=socket.IPPROTO_TCP)
    except OSError:
        raise RetryableError("The invoice's PDF cannot be fetched.", code="pdf_unreachable") from None
    return bool(found) and all(ip_address(place[4][0]).is_global for place in found)


def _refused(why: str) -> NeedsAttention:
    return NeedsAttention(
        f"The invoice's PDF was not fetched: its address {why}.",
        hint="Send the invoice from the Stripe Dashboard, and tell the people who run this host.",
        code="pdf_refused",
    )
