"""The states of a run: below the errors, which say how a run ends; ``quotes.run`` says what each state means."""

from __future__ import annotations

from enum import StrEnum


class RunStatus(StrEnum):
    """The states of a run, in the order of its life."""

    QUEUED = "queued"
    RUNNING = "running"
    #: The run waits for the end of an outage, and then goes on by itself.
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    SKIPPED = "skipped"
    NEEDS_ATTENTION = "needs_attention"
    FAILED = "failed"
    #: A person has dealt with a run that needed attention, failed or waited.
    DISMISSED = "dismissed"
