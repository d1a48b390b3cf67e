"""Logging: one line per event on stderr, JSON when nobody watches.

Every line inside ``about(run_id=…)`` carries these facts. Secrets are redacted three times: by the name of the fact
(``token``, ``password``, …) and, in the finished line, by their shape, and those that the hook at work knows.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any

import structlog

from ..redaction import redact
from .leaks import without_secrets_at_work
from .log_rate_limit import FloodGate

#: Facts that our own lines may carry; what another library attaches is left out.
_FACTS = (
    *("workspace", "plugin", "run_id", "quote_id", "request_id", "hook", "job", "kind", "status"),
    *("code", "title", "until", "method", "route", "ms", "lines"),
)
#: Characters of one fact, of a traceback; facts of one line.
_LONGEST, _LONGEST_TRACE, _MOST_FACTS = 2_000, 20_000, 50
_OWN_FACTS = {"event", "level", "logger", "timestamp", "exception"}
_SECRET_NAME = re.compile(r"token|secret|passw|authorization|api_?key|signature|cookie|credential", re.IGNORECASE)


def about(**facts: str) -> AbstractContextManager[None]:
    """Let every line that is logged inside the block carry these facts."""
    return structlog.contextvars.bound_contextvars(**facts)


def set_up_logging(level: str) -> None:
    """Send the standard library's and structlog's events through one redacting renderer to stderr."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
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
    handler.addFilter(FloodGate())
    # Other libraries only when something is wrong: their chatter holds addresses and e-mails.
    logging.basicConfig(level="WARNING", handlers=[handler], force=True)
    # It warns of each request that waits a moment for a thread; that they wait long is seen in their times.
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


def _shorten(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Keep a line readable: each fact has its longest, a traceback more, and there are not too many of them."""
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
    # The finished line, not the single facts: a secret may sit in a list, in a mapping, in a traceback.
    return redact(without_secrets_at_work(str(line)))
