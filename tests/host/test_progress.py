"""A person who waits at a terminal sees the current step."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest

from builders import a_quote
from qwoty_integrations_host import Outcome
from qwoty_integrations_host.cli.progress import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_current_step_is_shown_at_a_terminal_and_erased_afterwards(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()

    def greet(ctx: Any, quote: Any) -> Outcome:
        ctx.step("greet the customer", lambda attempt: show())
        return Outcome.done()

    desk.recorder.answers["on_quote_accepted"] = greet
    desk.enable()
    (run_id,) = desk.host.runs.acceptance.accept("ws-1", a_quote()).run_ids

    monkeypatch.setattr(sys, "stderr", terminal)
    with progress(desk.host, [run_id]) as show:
        desk.work()

    assert "Working: greet the customer · 0 s" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[2K")


def test_no_progress_is_shown_without_a_terminal(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)

    with progress(desk.host, []) as show:
        show()

    assert log.getvalue() == ""
