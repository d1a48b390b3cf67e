"""Calling a plugin so that the host goes on whatever comes back, or does not (ADR 0047).

Nobody can stop a thread from outside. So each hook is called in a thread of its own, and the host waits for it only so
long: then it says who is to blame and goes on, and the thread is left behind until it comes back or the process ends.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..clock import Clock
from ..errors import Interruption, PluginHangs

log = logging.getLogger(__name__)

#: So many calls of one plugin may be left behind: then it is not called any more.
MOST_LEFT = 4


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds the host waits for what."""

    #: For an answer that needs no network.
    answer: float = 10.0
    #: For one that asks a service, perhaps about many keys.
    service: float = 120.0
    #: For the import of a plugin.
    load: float = 30.0
    #: For the next sign of life of a run's hook: each beginning and each end of a step is one.
    run: float = 600.0


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a plugin's hook. ``origin`` is "distribution version"."""

    plugin: str
    hook: str
    origin: str
    since: datetime

    def __str__(self) -> str:
        return f"{self.origin}: {self.hook} has not come back since {self.since:%Y-%m-%d %H:%M:%S} UTC"


class Escaped(Exception):
    """A plugin raised what ends a program (SystemExit, KeyboardInterrupt, …): here it ends nothing. Its cause is that.

    What an operator's Ctrl-C raises is met where the host waits, never in a plugin's thread.
    """


class Calls:
    """The calls of one host, and those it has left behind."""

    def __init__(self, clock: Clock, patience: Patience) -> None:
        self.patience = patience
        self._clock, self._lock = clock, threading.Lock()
        self._left: dict[int, Call] = {}

    def left(self, plugin: str | None = None) -> list[Call]:
        """The calls that have not come back, of one plugin or of all, oldest first."""
        with self._lock:
            return [call for call in self._left.values() if plugin in {None, call.plugin}]

    def make(
        self,
        plugin: str,
        hook: str,
        origin: str,
        work: Callable[[], Any],
        *,
        patience: float,
        heard: Callable[[], float] | None = None,
    ) -> Any:
        """Do ``work`` in a thread of its own, and give what it gives or raise what it raises.

        ``patience``: seconds since the beginning, or since ``heard()`` (a moment of ``time.monotonic``).
        Raises: Escaped; PluginHangs when it does not come back in time, or when too many calls before it did not.
        """
        if len(before := self.left(plugin)) >= MOST_LEFT:
            raise PluginHangs(
                f"The integration {origin} is not called any more: {len(before)} calls did not come back.",
                hint="Restart the host; the log says which hooks hang. Tell the integration's author.",
            )
        call, began = Call(plugin, hook, origin, self._clock.now()), time.monotonic()
        ended, answer = threading.Event(), _Answer(work)
        thread = threading.Thread(
            target=copy_context().run, args=(self._work, answer, ended), name=f"{plugin}.{hook}", daemon=True
        )
        thread.start()
        while not ended.wait(max(0.0, (heard() if heard else began) + patience - time.monotonic())):
            if time.monotonic() - (heard() if heard else began) >= patience and self._leave(call, ended):
                log.warning("plugin.hangs", extra={"plugin": plugin, "hook": hook, "title": str(call)})
                raise PluginHangs(
                    f"The integration {call}.",
                    hint="Only a restart of the host ends that call. Tell the integration's author.",
                )
        return answer.get()

    def _work(self, answer: _Answer, ended: threading.Event) -> None:
        answer.find()
        with self._lock:
            ended.set()
            late = self._left.pop(id(ended), None)
        if late is not None:
            log.warning("plugin.came_back", extra={"plugin": late.plugin, "hook": late.hook, "title": late.origin})

    def _leave(self, call: Call, ended: threading.Event) -> bool:
        """Whether it is left behind; not when it came back in the last moment."""
        with self._lock:
            if not ended.is_set():
                self._left[id(ended)] = call
            return not ended.is_set()


class _Answer:
    """What came back from a call: a value or an error, whatever its class."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._work = work
        self._value: Any = None
        self._error: BaseException | None = None

    def find(self) -> None:
        try:
            self._value = self._work()
        except BaseException as error:  # noqa: BLE001 - it is raised again where the host waits
            self._error = error

    def get(self) -> Any:
        if self._error is None:
            return self._value
        if isinstance(self._error, Exception | Interruption):
            raise self._error
        raise Escaped from self._error
