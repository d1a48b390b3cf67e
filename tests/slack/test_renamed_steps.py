"""A release renames steps while a run waits or after its process died: one message and one file are sent."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from qwoty_integrations_host.errors import Interruption
from qwoty_integrations_host.testing.releases import NthStep, answers_lost, renamed, renamed_steps

LATER = 3600.0


class Died(Interruption):
    """The process dies."""


@pytest.mark.parametrize("stops", ["waits", "dies"])
@pytest.mark.parametrize("which", ["one", "each"])
def test_a_release_that_renames_steps_posts_nothing_twice(
    desk: Any, subtests: pytest.Subtests, which: str, stops: str
) -> None:
    desk.slack.scopes |= {"channels:history"}
    steps = [step["name"] for step in desk.accept(id="q-0")["steps"]]
    assert steps[:3] == ["message", "document", "document_share"]

    for number, step in enumerate(steps, start=1):
        with subtests.test(f"at {step}"):
            desk.slack.messages.clear()
            desk.slack.files.clear()
            at = NthStep(number)
            (run_id,) = desk.host.runs.acceptance.accept("ws-1", desk.document(id=f"q-{number}")).run_ids
            with answers_lost(at, **({} if stops == "waits" else {"how": Died})), suppress(Died):
                desk.work()
            with renamed_steps(renamed if which == "each" else at.renamed):
                desk.clock.advance(LATER)
                desk.restart()

            assert desk.run(run_id)["status"] == "succeeded"
            assert (len(desk.slack.posted), len(desk.slack.shared)) == (1, 1)
