"""Takeover: a worker whose run another worker has taken over writes nothing more."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

from ...errors import Overtaken
from ...store import holds
from ..nonconformity import require_none
from ..workbench import Workbench
from .fixtures import ConformanceFixtures


class OvertakenChecks(ConformanceFixtures):
    """Checks at the plugin's own steps, which a first run reveals."""

    def test_a_worker_that_was_overtaken_writes_nothing_to_the_service(
        self,
        works_quotes: None,
        stand_in: Any,
        enabled: Workbench,
        quote: dict[str, Any],
        counted: Callable[[str], int],
        monkeypatch: Any,
    ) -> None:
        self.worked(enabled, quote, "conformance-first")  # creates what is created once, such as an endpoint
        whole = self.worked(enabled, quote, "conformance-whole")
        problems, before = [], ""
        for number, step in enumerate(whole["steps"], start=1):
            quote_id = f"conformance-overtaken-{number}"
            enabled.host.runs.acceptance.accept("ws-1", {**quote, "id": quote_id})
            if before:
                enabled.engine.die_at(before, recorded=True)
                enabled.work_until_it_dies()
            made = counted(quote_id)
            with monkeypatch.context() as asleep, suppress(Overtaken):
                asleep.setattr(enabled.host.store, "confirm", _refuse)
                enabled.restart()
            if counted(quote_id) != made:
                problems.append(
                    f"Overtaken in step {step['name']!r}, it went from {made} effects to {counted(quote_id)}."
                )
            enabled.restart()
            before = step["name"]

        require_none(
            problems,
            why="A process can be frozen, or cut off, for so long that another one does its run. Awake again, it would "
            "write a second time.",
            mend="Call `attempt.confirm()` right before each write to the service.",
        )


def _refuse() -> NoReturn:
    hold = holds.held()
    job = hold.job_id if hold else ""
    raise Overtaken(job, by=job)
