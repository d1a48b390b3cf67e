"""What the host does by itself when its time has come."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

#: Seconds between two looks at the calendar; what is sent on a day need not be sent to the minute.
EVERY = 300.0


class Schedule:
    """Does ``work`` at once and then every so often, in a thread of its own, until stopped."""

    def __init__(self, work: Callable[[], object], *, every: float = EVERY) -> None:
        self._work, self._every = work, every
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin; a second call changes nothing."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="schedule", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Let a look that has begun end, and begin no other."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._work()
            except Exception:
                log.exception("schedule.failed")  # a locked database, say: the next look makes it good
            self._stopped.wait(self._every)
