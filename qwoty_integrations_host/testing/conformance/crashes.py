"""Crashes: after a process dies at a step, the next one resumes, and no effect happens twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...quotes.run import ENDED_WELL
from ...reports.quotes import mails_of_quote
from ..network import no_network
from ..nonconformity import not_checked, require, require_none
from ..workbench import Workbench
from .fixtures import ConformanceFixtures, what_happened


class CrashChecks(ConformanceFixtures):
    """Checks at the plugin's own steps, which a first run reveals."""

    def test_a_crash_before_any_checkpoint_has_no_second_effect(
        self,
        works_quotes: None,
        stand_in: Any,
        enabled: Workbench,
        quote: dict[str, Any],
        counted: Callable[[str], int],
    ) -> None:
        self.worked(enabled, quote, "conformance-first")  # creates what is created once, such as an endpoint
        whole = self.worked(enabled, quote, "conformance-whole")
        made, mails = counted("conformance-whole"), self._mails_of(enabled, whole)
        problems = []
        for number, step in enumerate(whole["steps"], start=1):
            quote_id = f"conformance-crash-{number}"
            run = self._died(enabled, {**quote, "id": quote_id}, step["name"])
            again, left = counted(quote_id), self._mails_of(enabled, run)
            if run["status"] != whole["status"]:
                problems.append(f"After a crash at the end of step {step['name']!r}, {what_happened(run)}.")
            elif (again, left) != (made, mails):
                problems.append(
                    f"After a crash at the end of step {step['name']!r} there are {again} effects and {left} mails; "
                    f"without one {made} and {mails}."
                )

        require_none(
            problems,
            why="A process can die after the service has done something and before that is written down. The step is "
            "then done again.",
            mend="When `attempt.repeated`, look first for what the step made (by a reference or metadata), or send the "
            "same idempotency key (with `attempt.key`). At most one write per step.",
        )

    def test_a_finished_step_is_never_done_again(
        self, works_quotes: None, stand_in: Any, enabled: Workbench, quote: dict[str, Any]
    ) -> None:
        whole = self.worked(enabled, quote, "conformance-whole")
        if not whole["steps"]:
            not_checked("the plugin took no step")
        enabled.host.runs.acceptance.accept("ws-1", {**quote, "id": "conformance-replay"})
        enabled.engine.die_at(whole["steps"][-1]["name"], recorded=True)
        if not enabled.work_until_it_dies():
            not_checked("its steps are not named alike for two quotes")
        with no_network() as attempts:
            enabled.restart()
        (run,) = (run for run in enabled.runs().values() if run["quote_id"] == "conformance-replay")

        require(
            not attempts and run["status"] in ENDED_WELL,
            f"All steps were done when the process died; then the network is asked again, and {what_happened(run)}."
            if attempts
            else f"All steps were done when the process died, and then {what_happened(run)}.",
            why="After a crash the hook runs again from its top. What it does outside a step, it does twice.",
            mend="Move every request into `ctx.step`, and let only what steps gave back decide between them.",
        )

    def _died(self, bench: Workbench, quote: dict[str, Any], step: str) -> Mapping[str, Any]:
        (run_id,) = bench.host.runs.acceptance.accept("ws-1", quote).run_ids
        bench.engine.die_at(step)
        bench.work_until_it_dies()
        bench.restart()
        return bench.run(run_id)

    def _mails_of(self, bench: Workbench, run: Mapping[str, Any]) -> int:
        return len(mails_of_quote(bench.host.store, "ws-1", self.plugin_id, run["quote_id"]))
