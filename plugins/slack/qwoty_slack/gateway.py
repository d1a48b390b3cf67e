"""The only module that sends requests to Slack: methods, uploads, and Slack's errors as the host's.

Slack refuses with HTTP 200 and ``{"ok": false, "error": "…"}``. It has no idempotency keys, so each error says whether
the work may have been done nevertheless: then it is ``SlackUnsure``. Why not slack_sdk: ADR 0043.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from qwoty_integrations_host import (
    Attempt,
    CredentialsError,
    IntegrationError,
    NeedsAttention,
    PermanentError,
    PermissionMissing,
    RetryableError,
    kept_session,
    why_unsent,
)

if TYPE_CHECKING:
    import requests

log = logging.getLogger(__name__)

DEFAULT_API_BASE = "https://slack.com/api"
#: Seconds to connect and to read: in a run, and while a person waits for the answer.
_PATIENT, _QUICK = (10, 30), (5, 10)
#: The header with Slack's request id.
_REQUEST_ID = "x-slack-req-id"
_KEY_ERRORS = {"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired"}
_BUSY_ERRORS = {"ratelimited", "rate_limited", "message_limit_exceeded"}
#: Errors of Slack itself, after which the work may have been done in part, as its documentation says.
_UNSURE_ERRORS = {"fatal_error", "internal_error", "service_unavailable", "request_timeout"}
_CHANNEL_HINTS = {
    "channel_not_found": "Check the channel in the settings, and invite the bot to it in Slack (/invite @the app).",
    "not_in_channel": "Invite the bot to the channel in Slack (/invite @the app), then retry the run.",
    "is_archived": "The channel is archived: choose another one in the settings, then retry the run.",
    "restricted_action": "A rule of the Slack workspace keeps the bot from posting there: ask a Slack admin.",
    "restricted_action_read_only_channel": "The channel is read-only: let the bot post there, or choose another one.",
}


class SlackUnsure(RetryableError):
    """There is no certain answer: the request may have been carried out or not."""

    default_code = "slack_unreachable"


class SlackRefused(NeedsAttention):
    """Slack refused the request, and nothing was done. ``slack_code`` is Slack's error code."""

    default_code = "slack_refused"

    def __init__(self, slack_code: str) -> None:
        hint = _CHANNEL_HINTS.get(slack_code)
        super().__init__(
            f"Slack refused the request ({slack_code}).",
            hint=hint or "Slack's documentation tells what this word means; then retry the run.",
            code="channel_unavailable" if hint else "slack_refused",
        )
        self.slack_code = slack_code


def api_base() -> str:
    """The base URL of Slack's API: a matter of the deployment, never of a workspace (QWOTY_SLACK_API_BASE)."""
    return os.environ.get("QWOTY_SLACK_API_BASE", "").rstrip("/") or DEFAULT_API_BASE


class Gateway:
    """Slack for one token."""

    def __init__(self, token: str, *, quick: bool = False) -> None:
        self._token, self._timeout = token, _QUICK if quick else _PATIENT

    def call(self, attempt: Attempt, method: str, **arguments: Any) -> dict[str, Any]:
        """Call a method of the Web API and return its answer.

        Raises: CredentialsError, SlackRefused, RetryableError when nothing was done, SlackUnsure when that is not
        known.
        """
        attempt.confirm()
        answer, found = self._ask(method, arguments, attempt.request_ids)
        return _judged(answer, found)

    def pages(self, attempt: Attempt, method: str, **arguments: Any) -> Iterator[dict[str, Any]]:
        """Yield the pages of a method with a cursor. Raises: as ``call``."""
        cursor = ""
        while True:
            page = self.call(attempt, method, **arguments, **({"cursor": cursor} if cursor else {}))
            yield page
            cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                return

    def probe(self, method: str, **arguments: Any) -> tuple[dict[str, Any], frozenset[str] | None]:
        """Call a method without effect, outside a run; return its answer, and the token's scopes if Slack names them.

        Raises: as ``call``.
        """
        answer, found = self._ask(method, arguments, [])
        scopes = answer.headers.get("x-oauth-scopes")
        names = None if scopes is None else frozenset(scope.strip() for scope in scopes.split(",") if scope.strip())
        return _judged(answer, found), names

    def upload(self, attempt: Attempt, filename: str, content: bytes) -> str:
        """Upload a file, which nobody sees before it is shared, and return its id. Raises: as ``call``."""
        place = self.call(attempt, "files.getUploadURLExternal", filename=filename, length=len(content))
        if not _may_have_content(place["upload_url"]):
            raise SlackRefused("upload_url")
        attempt.confirm()
        answer = _post(place["upload_url"], self._timeout, data=content)
        if answer.status_code >= 500 or 300 <= answer.status_code < 400 or answer.status_code in {407, 408, 429}:
            raise RetryableError("Slack does not take the file at present.", code="slack_error")
        if answer.status_code != 200:
            raise SlackRefused(f"upload_{answer.status_code}")
        return str(place["file_id"])

    def _ask(
        self, method: str, arguments: Mapping[str, Any], request_ids: list[str]
    ) -> tuple[requests.Response, dict[str, Any] | None]:
        base = api_base()
        if not _may_have_token(base):
            raise CredentialsError(
                "A Slack token is only sent to Slack itself.",
                hint="Unset QWOTY_SLACK_API_BASE.",
                code="api_base_refused",
            )
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        # As a form, which every method takes; structured arguments are JSON inside it.
        form = {name: _argument(value) for name, value in arguments.items()}
        answer = _post(f"{base}/{method}", self._timeout, data=form, headers=headers)
        if name := answer.headers.get(_REQUEST_ID):
            request_ids.append(name)
        return answer, _object(answer)


def reachable(timeout: float = 10.0) -> None:
    """Check that Slack answers, without a token. Raises: RetryableError."""
    answer = _post(f"{api_base()}/api.test", (timeout, timeout), data={})
    _judged(answer, _object(answer))


# -- the wire -----------------------------------------------------------------------------------------


def _post(url: str, timeout: tuple[float, float], **what: Any) -> requests.Response:
    import requests  # lazy: loading a plugin must stay cheap

    try:
        # A connection for each request: one that rested may be closed while the request is on its way, and without
        # idempotency keys that would be one more request of which nobody knows whether it was carried out.
        with kept_session() as session:
            return session.post(url, timeout=timeout, **what)
    except (requests.RequestException, ValueError) as error:
        # `from None`: the cause's text may hold the token, or the address of an upload.
        if unsent := why_unsent(error):
            log.error("slack.request_unsent", exc_info=unsent)  # noqa: TRY400 - not the error itself
            raise PermanentError(
                "The request to Slack could not be written.",
                hint="Its cause is in the host's log; correct what it names, then retry the run.",
                code="request_unsent",
            ) from None
        kind = RetryableError if _was_never_sent(error) else SlackUnsure
        raise kind("Slack does not answer.", code="slack_unreachable") from None


def _was_never_sent(error: Exception) -> bool:
    """Whether no connection was made, so that the request cannot have arrived."""
    from requests.exceptions import ConnectTimeout, SSLError
    from urllib3.exceptions import NewConnectionError

    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(error, ConnectTimeout | SSLError) or isinstance(reason, NewConnectionError)


def _object(answer: requests.Response) -> dict[str, Any] | None:
    try:
        found = answer.json()
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _argument(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _parts(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # reading it checks that the port is in range
    except ValueError:
        return None
    return parts


def _is_slack(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    return parts.scheme == "https" and (host == "slack.com" or host.endswith(".slack.com"))


def _may_have_token(base: str) -> bool:
    parts = _parts(base)
    return parts is not None and (_is_slack(parts) or _is_loopback(parts.hostname or ""))


def _may_have_content(url: str) -> bool:
    """Whether a file may be sent there: to Slack, or to the configured API base."""
    parts, base = _parts(url), urlsplit(api_base())
    if parts is None:
        return False
    return _is_slack(parts) or (parts.scheme, parts.netloc) == (base.scheme, base.netloc)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


# -- errors -------------------------------------------------------------------------------------------


def _judged(answer: requests.Response, found: dict[str, Any] | None) -> dict[str, Any]:
    """Return the answer of a successful call. Raises: the host's error for any other answer."""
    if answer.status_code == 429:
        raise _busy(answer)
    if found is None or not isinstance(found.get("ok"), bool):
        # A proxy's page, a login page, or a truncated answer: Slack's own answers always have ``ok``.
        raise SlackUnsure(f"Something other than Slack answered (HTTP {answer.status_code}).", code="slack_answer")
    if answer.status_code >= 500:
        raise SlackUnsure("Slack had an internal error.", code="slack_error")
    if found["ok"]:
        return found
    raise _translated(_word(found.get("error")), answer, found)


def _translated(slack_code: str, answer: requests.Response, found: Mapping[str, Any]) -> IntegrationError:
    if slack_code in _BUSY_ERRORS:
        return _busy(answer)
    if slack_code in _UNSURE_ERRORS:
        return SlackUnsure("Slack had an internal error.", code="slack_error")
    if slack_code in _KEY_ERRORS:
        return CredentialsError(
            f"Slack refused the token ({slack_code}).",
            hint="Copy the Bot User OAuth Token of the Slack app into the settings, then retry the run.",
            code="key_refused",
        )
    if slack_code == "missing_scope":
        return PermissionMissing(
            "The Slack token lacks a scope.",
            hint=f"Add the bot scope {_word(found.get('needed'))} to the Slack app (OAuth & Permissions), install it "
            "anew, then retry the run.",
        )
    return SlackRefused(slack_code)


def _busy(answer: requests.Response) -> RetryableError:
    text = answer.headers.get("Retry-After", "")
    wish = float(text) if re.fullmatch(r"\d{1,4}", text) else None
    return RetryableError("Slack asks to slow down.", code="rate_limited", retry_after=wish)


def _word(found: Any) -> str:
    """Return Slack's code if it has the form of one, since it goes into messages; else ``unknown``."""
    return found if isinstance(found, str) and re.fullmatch(r"[a-z0-9_:,.]{1,80}", found) else "unknown"
