"""Marks that are saved around each write, since Slack has no idempotency keys (ADR 0042).

``sending`` is saved before a write and ``sent`` after it; ``refused`` if Slack certainly did nothing; ``asked`` if a
person was asked whether the message is there: retrying the run then means that it is not.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from qwoty_integrations_host import Attempt, HookContext, RetryableError

#: How long a write may take to become visible after its answer was lost: longer than we wait for an answer.
_SETTLES_IN = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The state of one write for a quote. ``since``: ISO time of the last attempt."""

    status: str
    #: The version of the quote that was written.
    version: str
    since: str
    channel: str = ""
    #: Slack's id of the message.
    ts: str = ""
    file: str = ""


def read(ctx: HookContext, name: str) -> Mark | None:
    """Return the mark of this name, if there is one."""
    found = ctx.state.get(name)
    return Mark(**found) if found else None


def write(ctx: HookContext, name: str, mark: Mark) -> None:
    """Save a mark. Call it inside a step."""
    ctx.state.set(name, asdict(mark))


def may_be_there(mark: Mark | None, version: str, attempt: Attempt) -> bool:
    """Whether an earlier attempt may have succeeded without our knowing, so that the message has to be looked for."""
    if mark is None:
        return attempt.repeated  # after a restored backup, perhaps
    # A person's answer holds for the version that was asked about.
    return mark.status == "sending" or (mark.status == "asked" and mark.version != version)


def let_it_settle(ctx: HookContext, since: datetime) -> None:
    """Raise RetryableError while an earlier attempt may still be under way at Slack."""
    left = since + _SETTLES_IN - ctx.clock.now()
    if left > timedelta(0):
        raise RetryableError(
            "Slack may still be working on the last try.", code="slack_settling", retry_after=left.total_seconds()
        )
