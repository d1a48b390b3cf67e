"""Logging: one line per event on stderr; JSON unless stderr is a terminal.

Every line inside ``log_context(run_id=…)`` has these facts. Secrets are redacted three times: by the name of the fact
(``token``, ``password``, …) and, in the finished line, by their shape and by the secrets that the running hook knows.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any

import structlog

from ..redaction import redact
from .leaks import without_secrets_at_work
from .log_rate_limit import LogRateLimit

#: The facts that the host's lines may have; what other libraries attach is left out.
_FACTS = (
    *("workspace", "plugin", "run_id", "quote_id", "request_id", "hook", "job", "kind", "status"),
    *("code", "title", "until", "method", "route", "ms", "lines"),
    "worker",
)
#: Characters of one fact and of a traceback, and facts of one line, at most.
_LONGEST, _LONGEST_TRACE, _MOST_FACTS = 2_000, 20_000, 50
_OWN_FACTS = {"event", "level", "logger", "timestamp", "exception", "pid"}
_SECRET_NAME = re.compile(r"token|secret|passw|authorization|api_?key|signature|cookie|credential", re.IGNORECASE)


def log_context(**facts: str) -> AbstractContextManager[None]:
    """Add these facts to every line that is logged inside the block."""
    return structlog.contextvars.bound_contextvars(**facts)


def set_up_logging(level: str) -> None:
    """Send the standard library's and structlog's events through one redacting renderer to stderr."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        _add_process_id,
        structlog.stdlib.ExtraAdder(allow=_FACTS),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redact_by_name,
        _shorten,
    ]
    renderer: Any = structlog.processors.JSONRenderer()
    if sys.stderr.isatty():
        renderer = structlog.dev.ConsoleRenderer(colors=True)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer, _redact_line],
        )
    )
    handler.addFilter(LogRateLimit())
    # Other libraries log warnings only: their other lines contain addresses and e-mails.
    logging.basicConfig(level="WARNING", handlers=[handler], force=True)
    # It warns of each request that waits briefly for a thread; long waits show in the request times.
    logging.getLogger("waitress.queue").setLevel("ERROR")
    for ours in ("qwoty", "qwoty_integrations_host"):
        logging.getLogger(ours).setLevel(level)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _add_process_id(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    event["pid"] = os.getpid()
    return event


def _shorten(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Shorten long facts and tracebacks, and drop facts above the maximum."""
    own = {name: event.pop(name) for name in [*event] if name in _OWN_FACTS or name.startswith("_")}
    shown = {name: _short(value, _LONGEST) for name, value in islice(event.items(), _MOST_FACTS)}
    own["event"] = _short(own["event"], _LONGEST)
    if "exception" in own:
        own["exception"] = _short(own["exception"], _LONGEST_TRACE)
    return {**shown, **own}


def _short(value: Any, most: int) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else repr(value)
    return value if len(text) <= most else f"{text[:most]} … ({len(text)} characters)"


def _redact_by_name(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    return {name: _without_secrets(name, value) for name, value in event.items()}


def _without_secrets(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return {inner: _without_secrets(str(inner), one) for inner, one in value.items()}
    return "…" if value and _SECRET_NAME.search(name) else value


def _redact_line(_logger: Any, _method: str, line: Any) -> str:
    # The finished line, not each fact: a secret may be in a list, a mapping or a traceback.
    return redact(without_secrets_at_work(str(line)))
