"""Runs over HTTP."""

from __future__ import annotations

from typing import Any


def test_a_run_is_shown_as_the_command_line_shows_it(caller: Any) -> None:
    run = caller.desk.accept()

    assert caller.get(f"/ws-1/runs/{run['id']}") == run
    assert caller.get("/ws-1/runs") == {"data": [run], "has_more": False}
