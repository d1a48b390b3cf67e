"""Post the message of a quote once, whatever crashes, and update it when the quote changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from qwoty_integrations_host import Attempt, CredentialsError, HookContext, IntegrationError, NeedsAttention, Quote

from . import once
from .gateway import Gateway, SlackRefused, SlackUnsure
from .message import is_about, message
from .once import Mark
from .settings import SlackSettings

#: Slack allows an app about one post a second in a channel.
_POSTS_PER_SECOND = 1
#: How far Slack's clock may be behind ours when we look for a message.
_CLOCKS_DIFFER = timedelta(minutes=5)
_PAGE, _MOST_PAGES = 200, 20
_QUIETLY = {"unfurl_links": "false", "unfurl_media": "false", "parse": "none", "link_names": "false"}

#: A message: ``{"channel", "ts", "version"}``.
Posted = dict[str, Any]


class _NotToBeKnown(Exception):
    """The channel's messages cannot be read."""


def post_once(ctx: HookContext, slack: Gateway, settings: SlackSettings, quote: Quote) -> Posted:
    """Post the message of a quote unless it is there. Raises: NeedsAttention if nobody can know whether it is."""
    posted: Posted = ctx.step("message", lambda attempt: _post(ctx, slack, settings, quote, attempt))
    if "ts" not in posted:
        # A step of its own: after a crash, the retry must not count as the person's answer before this is saved.
        ctx.step("message_ask", lambda _: _note_that_asked(ctx, quote))
        raise NeedsAttention(
            "It cannot be known whether the message was posted.",
            hint="Look into the channel. If it is there, dismiss the run; if not, retry the run: that posts it. With "
            "the scope channels:history (groups:history for a private channel) the integration looks by itself.",
            code="message_unsure",
        )
    return posted


def correct(ctx: HookContext, slack: Gateway, quote: Quote, posted: Posted) -> str:
    """Update the message if the quote has changed since; return a note, empty if nothing had to be done."""
    if posted["version"] == quote.version:
        return ""
    note: str = ctx.step("message_correction", lambda attempt: _correct(ctx, slack, quote, posted, attempt))
    return note


def _name(quote: Quote) -> str:
    return f"message/{quote.id}"


def _post(ctx: HookContext, slack: Gateway, settings: SlackSettings, quote: Quote, attempt: Attempt) -> Posted:
    name, mark = _name(quote), once.read(ctx, _name(quote))
    if mark is not None and mark.status == "sent":
        return _posted(mark)
    if once.may_be_there(mark, quote.version, attempt):
        try:
            found = _look(ctx, slack, settings.channel_id, quote, mark, attempt)
        except _NotToBeKnown:
            return {}
        if found is not None:
            once.write(ctx, name, found)
            return _posted(found)
    ctx.pace(f"post/{settings.message_channel}", per_second=_POSTS_PER_SECOND)
    mark = Mark(status="sending", version=quote.version, since=ctx.clock.now().isoformat())
    once.write(ctx, name, mark)
    try:
        answer = slack.call(attempt, "chat.postMessage", channel=settings.message_channel, **message(quote), **_QUIETLY)
    except SlackUnsure:
        raise
    except IntegrationError:
        once.write(ctx, name, replace(mark, status="refused"))
        raise
    mark = replace(mark, status="sent", channel=answer["channel"], ts=answer["ts"])
    once.write(ctx, name, mark)
    return _posted(mark)


def _posted(mark: Mark) -> Posted:
    return {"channel": mark.channel, "ts": mark.ts, "version": mark.version}


def _note_that_asked(ctx: HookContext, quote: Quote) -> None:
    mark = once.read(ctx, _name(quote))
    since = mark.since if mark else ctx.clock.now().isoformat()
    once.write(ctx, _name(quote), Mark(status="asked", version=quote.version, since=since))


def _look(
    ctx: HookContext, slack: Gateway, channel: str | None, quote: Quote, mark: Mark | None, attempt: Attempt
) -> Mark | None:
    """Find the message of a quote by its metadata; None if it is not there. Raises: _NotToBeKnown."""
    if channel is None:
        raise _NotToBeKnown
    once.let_it_settle(ctx, datetime.fromisoformat(mark.since) if mark else attempt.first_started_at)
    since = datetime.fromisoformat(mark.since) if mark else min(quote.accepted_at, attempt.first_started_at)
    oldest = f"{(since - _CLOCKS_DIFFER).timestamp():.6f}"
    pages = slack.pages(
        attempt, "conversations.history", channel=channel, oldest=oldest, limit=_PAGE, include_all_metadata=True
    )
    try:
        for number, page in enumerate(pages, start=1):
            for one in page["messages"]:
                if is_about(one.get("metadata") or {}, ctx.workspace, quote.id):
                    version = str(one["metadata"]["event_payload"].get("version", ""))
                    now = ctx.clock.now().isoformat()
                    return Mark(status="sent", version=version, since=now, channel=channel, ts=one["ts"])
            if number == _MOST_PAGES:
                raise _NotToBeKnown
    except (CredentialsError, SlackRefused) as error:
        if error.code == "key_refused":
            raise
        raise _NotToBeKnown from error
    return None


def _correct(ctx: HookContext, slack: Gateway, quote: Quote, posted: Posted, attempt: Attempt) -> str:
    # An update can be repeated without harm, so there is no look before it.
    place = {"channel": posted["channel"], "ts": posted["ts"]}
    note = "The message in Slack was corrected in its place."
    try:
        slack.call(attempt, "chat.update", **place, **message(quote, corrected=True), parse="none", link_names="false")
    except SlackRefused as error:
        if error.slack_code != "message_not_found":
            raise NeedsAttention(
                f"The message in Slack still says what the quote said before it was changed ({error.slack_code}).",
                hint="Tell the channel by hand, then dismiss the run.",
                code="message_not_corrected",
            ) from error
        note = "Somebody deleted the message in Slack, so it was not corrected, and not posted again."
    now = ctx.clock.now().isoformat()
    once.write(ctx, _name(quote), Mark(status="sent", version=quote.version, since=now, **place))
    return note
