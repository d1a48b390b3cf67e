"""Find out what the settings' token may do in Slack, without any effect."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from qwoty_integrations_host import (
    ConnectionReport,
    CredentialsError,
    HookContext,
    KeyReport,
    RetryableError,
    RightReport,
    ServiceStatus,
)

from .gateway import Gateway, SlackRefused, reachable
from .settings import SlackSettings

_LOOKING = ("channels:history", "groups:history")
_NO_LOOKING = (
    "Without the scope channels:history (groups:history for a private channel) a run that was cut short while it "
    "posted has to ask a person whether the message is there."
)
_NEW_TOKEN = "Copy the Bot User OAuth Token of the Slack app into the settings, then test again."
_SCOPES_UNSAID = "Slack did not say which scopes the token has. The first message will tell."
_CHANNEL_UNSEEN = "The token may not look at the channel (channels:read, groups:read). The first message will tell."
_BY_NAME = "The channel is given by its name: with its id it can be checked, and looked through after a crash."

_Status = Literal["ok", "missing", "unclear"]


def check_connection(ctx: HookContext) -> ConnectionReport:
    """Check the token, its scopes, and the channel if the token may read it."""
    settings = SlackSettings.of(ctx.settings)
    slack = Gateway(settings.token, quick=True)
    report = partial(KeyReport, label="Bot token", last4=settings.token[-4:], mode="bot")
    try:
        who, scopes = slack.probe("auth.test")
        rights = [*_scopes(settings, scopes), _channel(slack, settings.channel_id, scopes)]
    except CredentialsError as error:
        hint = error.hint if error.code == "api_base_refused" else _NEW_TOKEN
        found = report(account="", status="refused", code=error.code, title=error.title, hint=hint)
        return ConnectionReport((found,))
    except (RetryableError, SlackRefused) as error:
        hint = "This says nothing about the token: test again later."
        found = report(account="", status="unreachable", code=error.code, title=error.title, hint=hint)
        return ConnectionReport((found,))
    notes = [_SCOPES_UNSAID] if scopes is None else []
    if rights[-1].status == "unclear":
        notes.append(_BY_NAME if settings.channel_id is None else _CHANNEL_UNSEEN)
    if scopes is not None and not scopes.intersection(_LOOKING):
        notes.append(_NO_LOOKING)
    return ConnectionReport((_judged(report, str(who.get("team_id", "")), rights),), tuple(notes))


def service_status(ctx: HookContext) -> ServiceStatus:
    """Return whether Slack answers, and how fast."""
    began = time.monotonic()
    try:
        reachable()
    except (RetryableError, SlackRefused) as error:
        return ServiceStatus(False, _since(began), error.title)
    return ServiceStatus(True, _since(began))


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)


def _judged(report: Callable[..., KeyReport], account: str, rights: list[RightReport]) -> KeyReport:
    *scopes, channel = rights
    known = partial(report, account=account, rights=tuple(rights))
    if missing := [right.resource for right in scopes if right.status == "missing"]:
        return known(
            status="missing",
            code="permission_missing",
            title="The Slack token lacks scopes that the settings need.",
            hint=f"Add the bot scopes {', '.join(missing)} to the Slack app (OAuth & Permissions), install it anew, "
            "then test again.",
        )
    if channel.status == "missing":
        return known(
            status="missing",
            code="channel_unavailable",
            title="The bot does not reach the channel.",
            hint="Check the channel in the settings, and invite the bot to it in Slack (/invite @the app); then test "
            "again.",
        )
    return known(status="ok")


def _scopes(settings: SlackSettings, scopes: frozenset[str] | None) -> list[RightReport]:
    wanted = {"chat:write": "post messages", **({"files:write": "attach PDFs"} if settings.document_send else {})}
    return [RightReport(scope, what, _has(scope, scopes)) for scope, what in wanted.items()]


def _has(scope: str, scopes: frozenset[str] | None) -> _Status:
    if scopes is None:
        return "unclear"  # Slack did not name the scopes
    return "ok" if scope in scopes else "missing"


def _channel(slack: Gateway, channel: str | None, scopes: frozenset[str] | None) -> RightReport:
    return RightReport("channel", "post there", "unclear" if channel is None else _reach(slack, channel, scopes))


def _reach(slack: Gateway, channel: str, scopes: frozenset[str] | None) -> _Status:
    """Return whether the bot may post in a channel; "unclear" if its scopes do not allow to look."""
    try:
        found: dict[str, Any] = slack.probe("conversations.info", channel=channel)[0]["channel"]
    except CredentialsError as error:
        if error.code == "key_refused":
            raise
        return "unclear"  # channels:read is not needed for posting
    except SlackRefused:
        return "missing"
    if found.get("is_archived"):
        return "missing"
    may_post = found.get("is_member") or "chat:write.public" in (scopes or ())
    return "ok" if may_post else "missing"
