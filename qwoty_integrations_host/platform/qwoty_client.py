"""Qwoty's REST API: three calls, whose failures become errors that say what happens next."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote as escaped

import requests

from ..contract.exact_json import parse_json
from ..errors import CredentialsError, IntegrationError, MalformedInput, NeedsAttention, PermanentError, RetryableError
from ..network.addresses import NotPublic, UnknownHost, is_loopback, split
from ..network.downloads import pieces, plain_session, public_session
from ..network.request_errors import why_unsent

log = logging.getLogger(__name__)

#: Qwoty documents no limit, and bills calls above a plan's quota.
REQUESTS_PER_SECOND = 2
_CONNECT_SECONDS, _READ_SECONDS = 10, 30
_MOST_BYTES = 5_000_000
#: 407 comes from a proxy, not from Qwoty.
_AGAIN = {407, 408, 425, 429}
_BASE_URL = "Is base_url right? Have the host's operator correct it in the platform's settings, then retry the run."


class Missing(NeedsAttention):
    """Qwoty has no object with this id."""

    default_code = "platform_not_found"


class QwotyClient:
    """Qwoty for one workspace. ``acquire`` waits until the next request may go out.

    ``allow_private`` allows any address, not only public ones and loopback.
    """

    def __init__(self, base_url: str, token: str, acquire: Callable[[], None], *, allow_private: bool = False) -> None:
        self._base, self._token, self._acquire = base_url.rstrip("/"), token, acquire
        parts = split(base_url)
        self._may_be_private = allow_private or (parts is not None and is_loopback(parts.hostname or ""))

    def quote(self, quote_id: str) -> dict[str, Any]:
        """Return a quote in Qwoty's form. Raises: CredentialsError, Missing, NeedsAttention, RetryableError."""
        found = self._ask("GET", "quote", quote_id)
        return _inside(found, "quote")

    def contact(self, contact_id: str) -> dict[str, Any]:
        """Return a contact in Qwoty's form. Raises: as ``quote``."""
        return _inside(self._ask("GET", "contacts", contact_id), "contact")

    def change_contact(self, contact_id: str, changes: Mapping[str, Any]) -> None:
        """Change the given fields of a contact; idempotent. Raises: as ``quote``."""
        self._ask("PATCH", "contacts", contact_id, changes)

    def _ask(self, method: str, kind: str, entity_id: str, body: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        if not entity_id.strip("."):  # dots alone would address a parent path
            raise Missing(f"Qwoty has no such {kind} id.", hint="Look at what the event names.")
        address = f"{self._base}/{kind}/{escaped(entity_id, safe='')}"
        self._acquire()
        try:
            with self._session().request(
                method,
                address,
                json=body,
                auth=self._authorize,
                headers={"Accept": "application/json"},
                timeout=(_CONNECT_SECONDS, _READ_SECONDS),
                stream=True,
            ) as answer:
                return _read(answer, kind)
        except UnknownHost as error:
            raise RetryableError("Qwoty does not answer.", code="platform_unreachable") from error
        except NotPublic:
            raise NeedsAttention(
                "The platform's address is a private one, which QWOTY_HOST_PLATFORM_ALLOW_PRIVATE does not allow.",
                hint=_BASE_URL,
                code="platform_refused",
            ) from None
        except (requests.RequestException, ValueError) as error:
            if unsent := why_unsent(error):
                log.error("qwoty.request_unsent", exc_info=unsent)  # noqa: TRY400 - its own text may hold the token
                raise PermanentError(
                    "The request to Qwoty could not be written.",
                    hint="Are base_url and token right? Have the host's operator correct them in the platform's "
                    "settings, then retry the run.",
                    code="request_unsent",
                ) from None
            raise RetryableError("Qwoty does not answer.", code="platform_unreachable") from error

    def _session(self) -> requests.Session:
        # A proxy may be the only way to the internet.
        return plain_session(proxies=True) if self._may_be_private else public_session(proxies=True)

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # As ``auth``, because a netrc file of this machine would replace a header.
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _read(answer: requests.Response, kind: str) -> Mapping[str, Any]:
    if not 200 <= answer.status_code < 300:
        raise _refusal(answer, kind)
    raw = bytearray()
    for piece in pieces(answer):
        raw += piece
        if len(raw) > _MOST_BYTES:
            raise _not_understood("It is larger than five megabytes.")
    if not raw.strip():
        return {}  # a write needs no more of its response
    try:
        found = parse_json(bytes(raw))
    except MalformedInput as error:
        raise _not_understood(error.title) from None
    if not isinstance(found, dict):
        raise _not_understood("It is no JSON object.")
    if found.get("success") is False:
        raise NeedsAttention("Qwoty refused the request.", hint=_LOOK, code="platform_refused")
    return found


_LOOK = "Look at the quote in Qwoty, then retry the run."


def _refusal(answer: requests.Response, kind: str) -> IntegrationError:
    status = answer.status_code
    if status == 401:
        return CredentialsError(
            "Qwoty does not accept the token.",
            hint="Make one in Qwoty (Settings > Developers) and have the host's operator save it in the platform's "
            "settings: then this is tried again.",
            code="platform_token_refused",
        )
    if status == 403:
        return CredentialsError(
            f"Qwoty's token may not do this with {'quotes' if kind == 'quote' else kind}.",
            hint="Give it the permission in Qwoty (Settings > Developers), then retry the run.",
            code="platform_permission_missing",
        )
    if status == 404:
        return Missing(f"Qwoty has nothing under this id ({kind}).", hint=_LOOK)
    if status in _AGAIN or status >= 500:
        return RetryableError(
            f"Qwoty asks to come again later (HTTP {status}).",
            code="platform_busy",
            retry_after=_seconds(answer.headers.get("Retry-After", "")),
        )
    return NeedsAttention(
        f"Qwoty refused the request (HTTP {status}).",
        hint=_BASE_URL,
        code="platform_refused",
    )


def _not_understood(why: str) -> NeedsAttention:
    return NeedsAttention(
        f"Qwoty's answer is not understood. {why}",
        hint=_BASE_URL,
        code="platform_answer",
    )


def _seconds(text: str) -> float | None:
    """Return the seconds of a Retry-After header; None for its other form, a date."""
    return float(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _inside(found: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the object inside the envelopes that Qwoty documents: ``data``, and the object's own name."""
    for layer in ("data", name):
        inner = found.get(layer)
        if isinstance(inner, Mapping):
            found = inner
    if "id" not in found:
        raise _not_understood(f"It holds no {name}.")
    return dict(found)
