"""What was posted of a quote, remembered around each write, since Slack has no keys of idempotency (ADR 0042).

``sending`` is noted before a write and ``sent`` after it; ``refused`` when Slack certainly did nothing; ``asked`` when
a person has been asked whether it is there, so that the next attempt is that person's word that it is not.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from qwoty_integrations_host import Attempt, HookContext, RetryableError

#: How long a write whose answer was lost may take to show: longer than we wait for an answer.
_SETTLES_IN = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How one write for a quote stands. ``since``: ISO time of the last try."""

    status: str
    #: The version of the quote that it was made from.
    version: str
    since: str
    channel: str = ""
    #: Slack's name for the message.
    ts: str = ""
    file: str = ""


def read(ctx: HookContext, name: str) -> Mark | None:
    """The mark of this name, if there is one."""
    found = ctx.state.get(name)
    return Mark(**found) if found else None


def write(ctx: HookContext, name: str, mark: Mark) -> None:
    """Keep a mark; call it inside a step."""
    ctx.state.set(name, asdict(mark))


def may_be_there(mark: Mark | None, version: str, attempt: Attempt) -> bool:
    """Whether an earlier try may have done it without our knowing: then it is to be looked for."""
    if mark is None:
        return attempt.repeated  # after a restored backup, perhaps
    # That it is not there was said for the version of then.
    return mark.status == "sending" or (mark.status == "asked" and mark.version != version)


def let_it_settle(ctx: HookContext, since: datetime) -> None:
    """Wait until an earlier try can no longer be under way. Raises: RetryableError until then."""
    left = since + _SETTLES_IN - ctx.clock.now()
    if left > timedelta(0):
        raise RetryableError(
            "Slack may still be working on the last try.", code="slack_settling", retry_after=left.total_seconds()
        )
