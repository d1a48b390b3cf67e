"""Logging: one line per event on stderr, JSON when nobody watches; secrets are redacted by shape."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from .redaction import redact

_FACTS = ("workspace", "plugin", "run_id", "hook", "status")


def set_up_logging(level: str) -> None:
    """Send the standard library's and structlog's events through one redacting renderer to stderr."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(allow=_FACTS),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
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
    # Other libraries only when something is wrong: their chatter holds addresses and e-mails.
    logging.basicConfig(level="WARNING", handlers=[handler], force=True)
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


def _redact_line(_logger: Any, _method: str, line: Any) -> str:
    # The finished line, not the single facts: a secret may sit in a list, in a mapping, in a traceback.
    return redact(str(line))
