"""A run, its kinds and its states. A run is one plugin's work on one event of one quote. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from sqlalchemy import RowMapping

from ..run_status import RunStatus

__all__ = [
    "DEALT_WITH",
    "ENDED_WELL",
    "FINISHED",
    "MAKING",
    "MAY_BE_RETRIED",
    "OPEN",
    "TAKING_BACK",
    "UNFINISHED",
    "Run",
    "RunKind",
    "RunStatus",
    "StepStatus",
    "lacks_something",
    "may_be_dismissed",
]

#: A worker still has work to do for these runs, now or later.
UNFINISHED = frozenset({RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.WAITING})
FINISHED = frozenset(RunStatus) - UNFINISHED
#: A person has to look at these runs.
OPEN = frozenset({RunStatus.NEEDS_ATTENTION, RunStatus.FAILED})
#: These runs did what they should, even if that was nothing.
ENDED_WELL = frozenset({RunStatus.SUCCEEDED, RunStatus.SKIPPED})
#: Neither a worker nor a person has anything to do for these runs.
DEALT_WITH = ENDED_WELL | {RunStatus.DISMISSED}
#: A person can have these runs tried again.
MAY_BE_RETRIED = frozenset(RunStatus) - {RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.SUCCEEDED}


class StepStatus(StrEnum):
    """The states of a step of a run."""

    RUNNING = "running"
    #: The step is tried again in a moment.
    RETRYING = "retrying"
    #: The step waits with its run.
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class RunKind(StrEnum):
    """The kind of event that a run works on. A newer release may store further kinds."""

    QUOTE_ACCEPTED = "quote_accepted"
    INSTALLMENT = "installment"
    WEBHOOK = "webhook"
    UNDO = "undo"
    CANCEL = "cancel"
    VOID = "void"
    #: Maintains a plugin's connection to its service; concerns no quote.
    UPKEEP = "upkeep"
    #: Fetches a quote that the platform has announced; the host does this without a plugin.
    PLATFORM_EVENT = "platform_event"

    @classmethod
    def _missing_(cls, value: object) -> Self:
        """Return a member for a kind that only a newer release knows. Iteration over the enum does not yield it."""
        unknown = str.__new__(cls, value)
        unknown._name_, unknown._value_ = str(value).upper(), str(value)
        return unknown

    @property
    def is_known(self) -> bool:
        """Whether this release knows how to execute such a run."""
        return self in set(RunKind)


#: The kinds of runs that create or send something for a quote. A cancellation or an undo ends them.
MAKING = (RunKind.QUOTE_ACCEPTED, RunKind.INSTALLMENT)
#: The kinds of runs that take back what was created. They end when the quote is accepted again.
TAKING_BACK = (RunKind.UNDO, RunKind.CANCEL, RunKind.VOID)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run as it is stored.

    ``subject`` makes it unique within its kind: the id of the quote, the webhook event, or the request.
    ``error`` is ``{"code", "title", "hint"}``, or None if the run did what it should.
    """

    id: str
    workspace: str
    plugin: str
    kind: RunKind
    quote_id: str
    subject: str
    facts: Mapping[str, Any]
    status: RunStatus
    attempt: int
    #: Digest of the settings that the present attempt began with; None until it begins.
    settings_digest: str | None
    #: Whether a retry resumes at the step where the last attempt ended.
    resumable: bool
    outcome: Mapping[str, Any] | None
    error: Mapping[str, Any] | None
    waits_until: datetime | None
    outage_since: datetime | None
    created_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, row: RowMapping) -> Run:
        """Return the run of a row."""
        values = {name: row[name] for name in cls.__slots__}
        return cls(**values | {"kind": RunKind(row["kind"]), "status": RunStatus(row["status"])})

    @property
    def is_finished(self) -> bool:
        """Whether no worker has work to do for it."""
        return self.status in FINISHED

    @property
    def is_open(self) -> bool:
        """Whether a person has to look at it."""
        return self.status in OPEN

    @property
    def is_dealt_with(self) -> bool:
        """Whether neither a worker nor a person has anything to do for it."""
        return self.status in DEALT_WITH

    @property
    def lacks_something(self) -> bool:
        """Whether it did nothing for an accepted quote because something is missing. Its error says what."""
        return lacks_something(self.kind, self.status, self.error)

    @property
    def may_be_dismissed(self) -> bool:
        """Whether a person can say that they have dealt with it."""
        return may_be_dismissed(self.kind, self.status, self.error)

    @property
    def error_code(self) -> str:
        """The code of its error; empty without one."""
        return str(self.error["code"]) if self.error else ""

    @property
    def error_title(self) -> str:
        """The title of its error; empty without one."""
        return str(self.error["title"]) if self.error else ""

    @property
    def error_hint(self) -> str:
        """The hint of its error; empty without one."""
        return str(self.error["hint"] or "") if self.error else ""

    @property
    def notes(self) -> list[str]:
        """The notes that are kept across attempts: on changes of the quote, and others that were added in between."""
        return [*self.facts.get("changes", []), *self.facts.get("said", {}).values()]


def lacks_something(kind: str, status: str, error: Mapping[str, Any] | None) -> bool:
    """Return whether such a run did nothing for an accepted quote because something is missing."""
    return (kind, status) == (RunKind.QUOTE_ACCEPTED, RunStatus.SKIPPED) and bool(error)


def may_be_dismissed(kind: str, status: str, error: Mapping[str, Any] | None) -> bool:
    """Return whether a person can say that they have dealt with such a run."""
    return status in OPEN or status == RunStatus.WAITING or lacks_something(kind, status, error)
