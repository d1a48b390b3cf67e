"""Releases: a release with renamed steps resumes waiting runs without duplicate effects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...quotes.run import ENDED_WELL, RunStatus
from ..nonconformity import not_checked, require_none
from ..releases import NthStep, answers_lost, renamed, renamed_steps
from ..workbench import Workbench
from .fixtures import ConformanceFixtures, what_happened

#: After so many seconds a waiting run has been retried.
_LATER = 3600.0


class ReleaseChecks(ConformanceFixtures):
    """Checks at the plugin's own steps, which a first run reveals."""

    def test_a_renamed_step_has_no_second_effect(
        self,
        works_quotes: None,
        stand_in: Any,
        enabled: Workbench,
        quote: dict[str, Any],
        counted: Callable[[str], int],
    ) -> None:
        self.worked(enabled, quote, "conformance-first")  # creates what is created once, such as an endpoint
        mails = len(enabled.outbox)
        whole = self.worked(enabled, quote, "conformance-whole")
        once = (counted("conformance-whole"), len(enabled.outbox) - mails)
        if not whole["steps"]:
            not_checked("the plugin took no step")
        problems = []
        for number, step in enumerate(whole["steps"], start=1):
            for which in ("that step", "each step"):
                quote_id, mails = f"conformance-{which}-{number}".replace(" ", "-"), len(enabled.outbox)
                run = self._released(enabled, {**quote, "id": quote_id}, NthStep(number), each=which == "each step")
                twice = (counted(quote_id), len(enabled.outbox) - mails)
                how = f"When a run waits at step {step['name']!r} and a release renames {which}"
                if run["status"] not in {*ENDED_WELL, RunStatus.NEEDS_ATTENTION}:
                    problems.append(f"{how}, {what_happened(run)}.")
                elif any(more > made for more, made in zip(twice, once, strict=True)):
                    problems.append(
                        f"{how}, there are {twice[0]} effects and {twice[1]} mails; else {once[0]} and {once[1]}."
                    )

        require_none(
            problems,
            why="A release may rename a step while runs wait, and nobody can tell which step it was.",
            mend="When `attempt.repeated`, look for what may be there by what the quote itself says, such as its id: "
            "never by what an earlier step drew, or by a step's name. What cannot be looked for needs a person.",
        )

    def _released(self, bench: Workbench, quote: dict[str, Any], at: NthStep, *, each: bool) -> Mapping[str, Any]:
        """Return a run that waited at a step whose response was lost, and resumed with the release."""
        with answers_lost(at):
            run = self.accepted(bench, quote)
        with renamed_steps(renamed if each else at.renamed):
            bench.clock.advance(_LATER)
            bench.work()
        return bench.run(run["id"])
