"""Limits the log lines of each plugin and library; one line then says how many were left out.

The host's own lines are never left out, because there are few of them.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass

import structlog

#: Lines of one plugin or library, and the seconds in which it may write them.
MOST_LINES, WINDOW = 200, 10.0
#: The logger of the host, and the logger behind ``ctx.log``.
OURS, PLUGINS = "qwoty_integrations_host", "qwoty"


@dataclass(slots=True)
class _Count:
    """The lines of one source since ``began``, and how many of them were dropped."""

    began: float
    lines: int = 0
    left_out: int = 0


class LogRateLimit(logging.Filter):
    """Drops the lines of a source above its limit, and logs how many it dropped when the time is over."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._counts: dict[str, _Count] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        with self._lock:
            over = {name: c for name, c in self._counts.items() if now - c.began >= WINDOW}
            for name in over:
                del self._counts[name]
            passes = record.name.split(".")[0] == OURS or self._passes(_source(record), now)
        for name, count in over.items():
            if count.left_out:
                facts = {"plugin": name, "lines": count.left_out}
                logging.getLogger(f"{OURS}.floods").warning("log.suppressed", extra=facts)
        return passes

    def _passes(self, source: str, now: float) -> bool:
        count = self._counts.setdefault(source, _Count(now))
        count.lines += 1
        count.left_out += count.lines > MOST_LINES
        return count.lines <= MOST_LINES


def _source(record: logging.LogRecord) -> str:
    """Return the source of a line: the distribution whose hook runs, or else the logger."""
    facts = structlog.contextvars.get_contextvars()
    if "distribution" in facts:
        return str(facts["distribution"])
    plugin = record.msg.get("plugin") if isinstance(record.msg, dict) else None
    return str(plugin or record.name)
