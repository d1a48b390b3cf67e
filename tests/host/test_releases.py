"""A new release of a plugin between two attempts of a run: which steps count as repeated, and which results they get."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from builders import a_quote
from qwoty_integrations_host import Attempt, Outcome, RetryableError

HOUR = 3600


class Plugin:
    """A plugin with named steps, which records the attempt that each step gets."""

    def __init__(self, desk: Any) -> None:
        self.desk = desk
        self.seen: dict[str, Attempt] = {}
        desk.recorder.answers["on_quote_accepted"] = self._work
        desk.enable()

    def set_steps(self, steps: Sequence[str], stops_at: str = "") -> None:
        """Set the steps of the plugin. The step ``stops_at`` makes the run wait."""
        self.steps, self.stops_at = steps, stops_at
        self.seen = {}

    def release(self, version: str) -> None:
        plugins = self.desk.host.plugins
        plugins.statuses = tuple(replace(each, version=version) for each in plugins.statuses)

    def resume(self) -> dict[str, bool]:
        """Resume the run, and return for each step that ran whether it counted as repeated."""
        self.desk.clock.advance(HOUR)
        self.desk.work()
        return {name: attempt.repeated for name, attempt in self.seen.items()}

    def _work(self, ctx: Any, _quote: Any) -> Outcome:
        for name in self.steps:
            ctx.step(name, lambda attempt, name=name: self._step(name, attempt))
        return Outcome.done()

    def _step(self, name: str, attempt: Attempt) -> str:
        self.seen.setdefault(name, replace(attempt))
        if name == self.stops_at:
            raise RetryableError("The answer was lost.")
        return name


@pytest.fixture
def plugin(desk: Any) -> Plugin:
    return Plugin(desk)


def test_in_the_first_attempt_no_step_is_repeated(plugin: Plugin) -> None:
    plugin.set_steps(["a", "b", "c"])

    plugin.desk.accept()

    assert [attempt.repeated for attempt in plugin.seen.values()] == [False, False, False]


#: The steps of the new release, and which of them count as repeated. The old run did a and b, and waited at c.
RELEASES = {
    "as before": (["a", "b", "c", "d"], {"c": True, "d": False}),
    "the one at which it waited renamed": (["a", "b", "C", "d"], {"C": True, "d": True}),
    "a later one renamed": (["a", "b", "c", "D"], {"c": True, "D": False}),
    "an earlier one renamed": (["A", "b", "c", "d"], {"A": True, "c": True, "d": True}),
    "each renamed": (["A", "B", "C", "D"], {"A": True, "B": True, "C": True, "D": True}),
    "one added before": (["a", "x", "b", "c", "d"], {"x": True, "c": True, "d": False}),
    "one added after": (["a", "b", "c", "x", "d"], {"c": True, "x": False, "d": False}),
    "one removed": (["a", "b", "d"], {"d": True}),
    "in another order": (["d", "c", "b", "a"], {"d": True, "c": True}),
}


@pytest.mark.parametrize(("steps", "repeated"), RELEASES.values(), ids=list(RELEASES))
def test_a_step_counts_as_repeated_unless_no_earlier_step_can_have_done_its_work(
    plugin: Plugin, steps: list[str], repeated: dict[str, bool]
) -> None:
    plugin.set_steps(["a", "b", "c", "d"], stops_at="c")
    assert plugin.desk.accept()["status"] == "waiting"
    plugin.set_steps(steps)

    assert plugin.resume() == repeated


@pytest.mark.parametrize("steps", [steps for steps, _ in RELEASES.values()], ids=list(RELEASES))
def test_after_a_version_change_each_step_runs_again_as_repeated(plugin: Plugin, steps: list[str]) -> None:
    plugin.set_steps(["a", "b", "c", "d"], stops_at="c")
    run = plugin.desk.accept()
    plugin.set_steps(steps)
    plugin.release("2.0")

    assert plugin.resume() == dict.fromkeys(steps, True)
    assert plugin.desk.run(run["id"])["status"] == "succeeded"


def test_steps_stay_repeated_when_the_resumed_run_waits_again(plugin: Plugin) -> None:
    plugin.set_steps(["a", "b"], stops_at="a")
    plugin.desk.accept()
    plugin.release("2.0")
    plugin.set_steps(["a", "b"], stops_at="a")
    plugin.resume()
    plugin.set_steps(["a", "b"])

    assert plugin.resume() == {"a": True, "b": True}


def test_a_run_that_died_restarts_at_its_first_step_under_a_new_version(plugin: Plugin) -> None:
    plugin.set_steps(["a", "b", "c"])
    plugin.desk.engine.die_at("b")
    plugin.desk.host.runs.acceptance.accept("ws-1", a_quote())
    assert plugin.desk.work_until_it_dies()
    plugin.release("2.0")
    plugin.set_steps(["a", "b", "c"])

    plugin.desk.restart()

    assert {name: attempt.repeated for name, attempt in plugin.seen.items()} == {"a": True, "b": True, "c": True}


def test_a_renamed_step_keeps_its_key_and_its_start_time(plugin: Plugin) -> None:
    plugin.set_steps(["a", "b"], stops_at="b")
    plugin.desk.accept()
    before = plugin.seen["b"]
    plugin.set_steps(["a", "B", "c"])
    plugin.resume()

    assert (plugin.seen["B"].key, plugin.seen["B"].first_started_at) == (before.key, before.first_started_at)


def test_a_run_that_had_not_started_is_a_first_attempt_under_any_version(plugin: Plugin) -> None:
    plugin.set_steps(["a"])
    plugin.desk.host.runs.acceptance.accept("ws-1", a_quote())
    plugin.release("2.0")

    assert plugin.resume() == {"a": False}
