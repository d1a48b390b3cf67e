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
def written_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """Set the host's logging up, and give what it has written so far; then all is as it was."""
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    set_up_logging("DEBUG")
    try:
        yield written.getvalue
    finally:
        root.handlers[:], root.level = before
        structlog.reset_defaults()
