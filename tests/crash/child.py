"""A host in a process of its own, which may die at a boundary. It is forked from one that has imported everything."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import stripe
import waitress.server

# These imports take a second, so the process that all hosts are forked from does them once.
import qwoty_stripe_invoice.installments
import qwoty_stripe_invoice.invoicing
import qwoty_stripe_invoice.undo
import qwoty_stripe_invoice.upkeep
import qwoty_stripe_invoice.webhooks
from crash.boundaries import Boundaries
from qwoty_integrations_host.cli import entry
from qwoty_integrations_host.engine import durable
from qwoty_integrations_host.maintenance.scheduler import Schedule
from qwoty_integrations_host.store import deferred_writes
from qwoty_integrations_host.web import app

IMPORTED = (stripe, waitress.server, durable, app, qwoty_stripe_invoice)

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([__name__])


@dataclass(frozen=True)
class Death:
    """Where a process dies: at the boundary of this name, or the n-th that it passes; by SIGKILL or ``os._exit``."""

    at: str | int
    kill: bool = False

    @property
    def signal(self) -> int | None:
        return signal.SIGKILL if self.kill else None


@dataclass(frozen=True)
class Sleep:
    """Where a process is suspended, until somebody wakes it."""

    at: str
    signal: int = signal.SIGSTOP


def start(
    words: Sequence[str], env: Mapping[str, str], *, journal: Path, log: Path, stop: Death | Sleep | None
) -> BaseProcess:
    """Start ``qwoty-host`` with these arguments, and return its process."""
    process = _context.Process(target=_run, args=(list(words), dict(env), journal, log, stop), daemon=True)
    process.start()
    return process


def _run(words: list[str], env: dict[str, str], journal: Path, log: Path, stop: Death | Sleep | None) -> None:
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(out, stream)
    os.environ.update(env)
    boundaries = Boundaries(journal, stop_at=stop and stop.at, by=stop and stop.signal)
    boundaries.watch()
    if isinstance(stop, Sleep):
        boundaries.watch_jobs()
    # The flows begin what the schedule would begin, so that each flow is the same every time.
    Schedule.start = lambda _: None  # type: ignore[method-assign]
    deferred_writes.LONGEST_WAIT = math.inf  # a slow process would commit more often
    sys.argv = ["qwoty-host", *words]
    entry()
