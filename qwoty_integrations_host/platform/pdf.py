"""Fetches a quote's PDF by its signed address, without leaks, redirect loops, or access to the host's own network.

The address expires and gives access to the quote: it is fetched at once, and never logged or put into a message.
"""

from __future__ import annotations

from ..errors import NeedsAttention, RetryableError
from ..network.downloads import NotFetched, download

_MOST_BYTES = 20 * 2**20


def fetch(url: str, *, allow_private: bool) -> bytes:
    """Fetch a PDF of at most 20 MB over https, without credentials, following at most three redirects.

    ``allow_private`` also allows private addresses and http. Raises: RetryableError while the PDF cannot be fetched,
    NeedsAttention when it never can.
    """
    try:
        content = download(url, most_bytes=_MOST_BYTES, may_be_asked=lambda _: allow_private)
    except NotFetched as error:
        raise _explained(error) from None
    if not content.startswith(b"%PDF-"):
        raise _refused("leads to something that is no PDF")
    return content


def _explained(error: NotFetched) -> NeedsAttention | RetryableError:
    if error.status is not None and (error.status == 429 or error.status >= 500):
        return _unreachable(f"is not to be had now (HTTP {error.status})")
    if error.status is not None:
        return _refused(f"opens nothing (HTTP {error.status}); has it expired?")
    if error.why == "leads to a private address":
        return _refused("leads to a private address, which QWOTY_HOST_PDF_ALLOW_PRIVATE does not allow")
    return _refused(error.why) if error.is_final else _unreachable(error.why)


def _unreachable(why: str) -> RetryableError:
    return RetryableError(f"The address of the quote's PDF {why}.", code="quote_pdf_unreachable")


def _refused(why: str) -> NeedsAttention:
    return NeedsAttention(
        f"The address of the quote's PDF {why}.",
        hint="Take the PDF from the platform.",
        code="quote_pdf_refused",
    )
