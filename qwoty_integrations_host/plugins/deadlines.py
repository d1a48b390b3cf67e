"""Calls a plugin under a deadline, so that a plugin that hangs does not stop the host (ADR 0047).

Python cannot stop a thread from outside. So each hook is called in a thread other than the caller's. When the deadline
passes, the host raises PluginHangs and goes on; the thread is abandoned until it returns or the process ends.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Hashable
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Literal

from ..clock import Clock
from ..errors import Interruption, PluginHangs
from .kept_threads import KeptThreads

log = logging.getLogger(__name__)

#: Seconds between two calls of ``meanwhile``.
_BETWEEN = 0.05
#: A plugin with this many abandoned calls is not called any more.
MOST_ABANDONED = 4


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How many seconds the host waits for a plugin."""

    #: For a hook that needs no network.
    local: float = 10.0
    #: For a hook that asks a service, perhaps about many keys.
    service: float = 120.0
    #: For the import of a plugin.
    load: float = 30.0
    #: For the next sign of life of a run's hook: the beginning or the end of a step.
    run: float = 600.0

    def of(self, kind: Literal["local", "service", "run"]) -> float:
        """Return the seconds of the deadline that a hook declares."""
        return {"local": self.local, "service": self.service, "run": self.run}[kind]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a plugin's hook. ``origin`` is "distribution version"."""

    plugin: str
    hook: str
    origin: str
    since: datetime

    def __str__(self) -> str:
        return f"{self.origin}: {self.hook} has not come back since {self.since:%Y-%m-%d %H:%M:%S} UTC"


class ProgramExit(Exception):
    """A plugin raised an error that would end the program (SystemExit, KeyboardInterrupt, …); its cause is that error.

    An operator's Ctrl-C is raised in the thread where the host waits, never in a plugin's thread.
    """


class Calls:
    """Makes the calls of one host, and knows those that were abandoned."""

    def __init__(self, clock: Clock, deadlines: Deadlines) -> None:
        self.deadlines = deadlines
        self._clock, self._lock = clock, threading.Lock()
        self._abandoned: dict[int, Call] = {}
        self._threads = KeptThreads()

    def abandoned(self, plugin: str | None = None) -> list[Call]:
        """Return the abandoned calls that still run, of one plugin or of all, oldest first."""
        with self._lock:
            return [call for call in self._abandoned.values() if plugin in {None, call.plugin}]

    def make(
        self,
        plugin: str,
        hook: str,
        origin: str,
        work: Callable[[], Any],
        *,
        seconds: float,
        last_heartbeat: Callable[[], float] | None = None,
        meanwhile: Callable[[], None] | None = None,
        kept_for: Hashable = None,
    ) -> Any:
        """Do ``work`` in another thread, and return its value or raise its error.

        It is a new thread, or with ``kept_for`` one that is kept for calls of the same kind.
        The deadline is ``seconds`` after the beginning, or after ``last_heartbeat()`` (a moment of ``time.monotonic``).
        ``meanwhile`` is called again and again until the work ends.
        Raises: ProgramExit; PluginHangs after the deadline, or when too many earlier calls were abandoned.
        """
        if len(before := self.abandoned(plugin)) >= MOST_ABANDONED:
            raise PluginHangs(
                f"The integration {origin} is not called any more: {len(before)} calls did not come back.",
                hint="Restart the host; the log says which hooks hang. Tell the integration's author.",
            )
        call, began = Call(plugin, hook, origin, self._clock.now()), time.monotonic()
        ended, returned = threading.Event(), _Returned(work)
        in_context = partial(copy_context().run, self._work, returned, ended)
        if kept_for is None:
            threading.Thread(target=in_context, name=f"{plugin}.{hook}", daemon=True).start()
        else:
            self._threads.run(kept_for, f"{plugin}.{hook}", in_context)
        counts_from = last_heartbeat or (lambda: began)
        longest = _BETWEEN if meanwhile else math.inf
        while not ended.wait(max(0.0, min(longest, counts_from() + seconds - time.monotonic()))):
            if meanwhile:
                meanwhile()
            if time.monotonic() - counts_from() >= seconds and self._abandon(call, ended):
                log.warning("plugin.hangs", extra={"plugin": plugin, "hook": hook, "title": str(call)})
                raise PluginHangs(
                    f"The integration {call}.",
                    hint="Only a restart of the host ends that call. Tell the integration's author.",
                )
        return returned.get()

    def _work(self, returned: _Returned, ended: threading.Event) -> bool:
        """Make the call; return whether the host has waited for it."""
        returned.run()
        with self._lock:
            ended.set()
            late = self._abandoned.pop(id(ended), None)
        if late is not None:
            log.warning("plugin.came_back", extra={"plugin": late.plugin, "hook": late.hook, "title": late.origin})
        return late is None

    def _abandon(self, call: Call, ended: threading.Event) -> bool:
        """Return whether the call is abandoned; False when it has just returned."""
        with self._lock:
            if not ended.is_set():
                self._abandoned[id(ended)] = call
            return not ended.is_set()


class _Returned:
    """What a call returned or raised, whatever the error's class."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._work = work
        self._value: Any = None
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._value = self._work()
        except BaseException as error:  # noqa: BLE001 - it is raised again where the host waits
            self._error = error

    def get(self) -> Any:
        if self._error is None:
            return self._value
        if isinstance(self._error, Exception | Interruption):
            raise self._error
        raise ProgramExit from self._error
