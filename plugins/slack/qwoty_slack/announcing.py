"""From an accepted quote to its message: the order of the steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qwoty_integrations_host import Attempt, HookContext, IntegrationError, Outcome, Quote

from .documents import attach_once
from .gateway import Gateway
from .posting import Posted, correct, post_once
from .settings import SlackSettings

#: The state key of the team's base URL, which Slack's permalinks show.
_ADDRESS = "address"


def announce_quote(ctx: HookContext, quote: Quote) -> Outcome:
    """Post the quote's message, or correct the posted one, and attach its PDF if the settings say so."""
    settings = SlackSettings.of(ctx.settings)
    slack = Gateway(settings.token)
    posted = post_once(ctx, slack, settings, quote)
    corrected = correct(ctx, slack, quote, posted)
    notes = [corrected or f"The message is in the channel {posted['channel']}."]
    if settings.document_send:
        notes += attach_once(ctx, slack, quote, posted)
    address = ctx.step("permalink", lambda attempt: _permalink(ctx, slack, posted, attempt))
    return Outcome.done(*notes, result={"ids": [f"{posted['channel']}/{posted['ts']}"], "message": address})


def links(ctx: HookContext, ids: Sequence[str]) -> Mapping[str, str]:
    """Return the URLs of posted messages. Makes no request."""
    address = ctx.state.get(_ADDRESS)
    messages = (name.partition("/") for name in ids)
    return {f"{channel}/{ts}": _address(address, channel, ts) for channel, _, ts in messages if ts and address}


def _permalink(ctx: HookContext, slack: Gateway, posted: Posted, attempt: Attempt) -> str | None:
    channel, ts = posted["channel"], posted["ts"]
    try:
        found = slack.call(attempt, "chat.getPermalink", channel=channel, message_ts=ts)["permalink"]
    except IntegrationError:
        return None  # a message without a link is still a message
    base, separator, _ = found.partition("/archives/")
    if separator and base.startswith("https://"):
        ctx.state.set(_ADDRESS, base)
    return str(found)


def _address(base: str, channel: str, ts: str) -> str:
    return f"{base}/archives/{channel}/p{ts.replace('.', '')}"
