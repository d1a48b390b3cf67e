"""What a host would write to stderr while a test runs."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import structlog

from qwoty_integrations_host.observability.logs import set_up_logging


@contextmanager
def logging_restored() -> Iterator[None]:
    """Restore the logging configuration afterwards: a command of the host sets up its own."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:], root.level = handlers, level
        structlog.reset_defaults()


@contextmanager
def written_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """Set the host's logging up; give a function that returns what the host has written so far."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    with logging_restored():
        set_up_logging("DEBUG")
        yield written.getvalue
