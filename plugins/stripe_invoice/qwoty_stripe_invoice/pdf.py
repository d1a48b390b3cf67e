"""Download the invoice's PDF from Stripe or the configured API base, with the host's safe downloader.

The address opens the invoice without a key: it is never logged, stored or put into a message
(docs/notes/stripe.md#invoice-pdf).
"""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from qwoty_integrations_host import NeedsAttention, NotFetched, RetryableError, download

from .gateway import api_base

_MOST_BYTES = 10 * 2**20


def fetch_pdf(url: str) -> bytes:
    """Download a PDF of at most 10 MB, with at most three redirects and without credentials.

    Raises: RetryableError while Stripe cannot deliver it, NeedsAttention for an address that is not allowed.
    """
    if not _is_first_allowed(url):
        raise _refused("is not at Stripe")
    try:
        content = download(url, most_bytes=_MOST_BYTES, may_be_asked=_is_base)
    except NotFetched as error:
        raise _explained(error) from None
    if not content.startswith(b"%PDF-"):
        raise RetryableError("What came instead of the invoice's PDF is none.", code="pdf_unreachable")
    return content


def _is_first_allowed(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, is_base = parts.hostname or "", _is_base(parts)
    except ValueError:
        return False
    return is_base or (parts.scheme == "https" and (host == "stripe.com" or host.endswith(".stripe.com")))


def _is_base(parts: SplitResult) -> bool:
    base = urlsplit(api_base())
    return (parts.scheme, parts.hostname, parts.port) == (base.scheme, base.hostname, base.port)


def _explained(error: NotFetched) -> NeedsAttention | RetryableError:
    if error.status is not None:
        title = f"The invoice's PDF is not there yet (HTTP {error.status})."
        return RetryableError(title, code="pdf_unreachable")
    if error.is_final:
        return _refused(error.why)
    return RetryableError("The invoice's PDF cannot be fetched.", code="pdf_unreachable")


def _refused(why: str) -> NeedsAttention:
    return NeedsAttention(
        f"The invoice's PDF was not fetched: its address {why}.",
        hint="Send the invoice from the Stripe Dashboard, and tell the people who run this host.",
        code="pdf_refused",
    )
