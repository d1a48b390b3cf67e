"""Fetching a quote's PDF by its signed address, with nothing that could leak, loop, or look into our own network.

The address opens the quote to whoever has it, and expires: it is fetched at once, and never logged or put into a
message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urljoin

from ..addresses import is_public, split
from ..errors import NeedsAttention, RetryableError
from ..outgoing import why_unsent

if TYPE_CHECKING:
    import requests

_MOST_BYTES = 20 * 1024 * 1024
_MOST_REDIRECTS = 3
_TIMEOUT = (10, 30)
_PORTS = {"https": 443, "http": 80}


def fetch(url: str, *, allow_private: bool) -> bytes:
    """Fetch a PDF of at most 20 MB over https, without credentials, following at most three redirects.

    ``allow_private``: also from private addresses, and over http. Raises: RetryableError while it cannot be had,
    NeedsAttention when it never will.
    """
    import requests  # noqa: PLC0415 - lazy: every command would pay for it
    from urllib3.exceptions import HTTPError  # noqa: PLC0415 - comes with requests

    try:
        with requests.Session() as session:
            session.trust_env = False  # no credentials from a .netrc
            for _ in range(_MOST_REDIRECTS + 1):
                _refuse_unless_allowed(url, allow_private=allow_private)
                with session.get(url, stream=True, allow_redirects=False, timeout=_TIMEOUT) as answer:
                    if not answer.is_redirect:
                        return _content(answer)
                    url = urljoin(url, answer.headers["location"])
    except (requests.RequestException, HTTPError) as error:
        # Without `from`: the cause's text holds the address.
        if why_unsent(error):
            raise _refused("is none") from None
        raise _unreachable("cannot be fetched") from None
    except ValueError:  # requests reads the address of a redirect, though it does not follow it
        raise _refused("leads to no address") from None
    raise _refused("leads on and on")


def _content(answer: requests.Response) -> bytes:
    if answer.status_code == 429 or answer.status_code >= 500:
        raise _unreachable(f"is not to be had now (HTTP {answer.status_code})")
    if answer.status_code != 200:
        raise _refused(f"opens nothing (HTTP {answer.status_code}); has it expired?")
    content = bytearray()
    for chunk in answer.iter_content(65536):
        content += chunk
        if len(content) > _MOST_BYTES:
            raise _refused("leads to more than 20 MB")
    if not content.startswith(b"%PDF-"):
        raise _refused("leads to something that is no PDF")
    return bytes(content)


def _refuse_unless_allowed(url: str, *, allow_private: bool) -> None:
    parts = split(url)
    if parts is None:
        raise _refused("is none")
    host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme, 0)
    if not host or parts.username or parts.scheme not in (_PORTS if allow_private else {"https"}):
        raise _refused("is not an https address")
    if allow_private:
        return
    try:
        host.encode("idna")
    except UnicodeError:
        raise _refused("is none") from None
    try:
        public = is_public(host, port)
    except OSError:
        raise _unreachable("has a host name that is not known") from None
    if not public:
        raise _refused("leads to a private address, which QWOTY_HOST_PDF_ALLOW_PRIVATE does not allow")


def _unreachable(why: str) -> RetryableError:
    return RetryableError(f"The address of the quote's PDF {why}.", code="quote_pdf_unreachable")


def _refused(why: str) -> NeedsAttention:
    return NeedsAttention(
        f"The address of the quote's PDF {why}.",
        hint="Take the PDF from the platform.",
        code="quote_pdf_refused",
    )
