"""A plugin's release between two attempts of a run: what its steps are told, and what they are handed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from builders import a_quote
from qwoty_integrations_host import Attempt, Outcome, RetryableError

HOUR = 3600


class Plugin:
    """Takes steps by name, and notes of each how it was told that it stands."""

    def __init__(self, desk: Any) -> None:
        self.desk = desk
        self.seen: dict[str, Attempt] = {}
        desk.recorder.answers["on_quote_accepted"] = self._work
        desk.enable()

    def takes(self, steps: Sequence[str], stops_at: str = "") -> None:
        """From now on these are its steps; one of them is not done for now."""
        self.steps, self.stops_at = steps, stops_at
        self.seen = {}

    def is_released(self, version: str) -> None:
        plugins = self.desk.host.plugins
        plugins.statuses = tuple(replace(each, version=version) for each in plugins.statuses)

    def goes_on(self) -> dict[str, bool]:
        """Let the run go on; give which steps were told that they are repeated, those handed back left out."""
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
    plugin.takes(["a", "b", "c"])

    plugin.desk.accept()

    assert [attempt.repeated for attempt in plugin.seen.values()] == [False, False, False]


#: The release's steps, and which of them are repeated after a run took a, b, and waited at c of a, b, c, d.
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
    plugin.takes(["a", "b", "c", "d"], stops_at="c")
    assert plugin.desk.accept()["status"] == "waiting"
    plugin.takes(steps)

    assert plugin.goes_on() == repeated


@pytest.mark.parametrize("steps", [steps for steps, _ in RELEASES.values()], ids=list(RELEASES))
def test_after_a_version_change_each_step_runs_again_as_repeated(plugin: Plugin, steps: list[str]) -> None:
    plugin.takes(["a", "b", "c", "d"], stops_at="c")
    run = plugin.desk.accept()
    plugin.takes(steps)
    plugin.is_released("2.0")

    assert plugin.goes_on() == dict.fromkeys(steps, True)
    assert plugin.desk.run(run["id"])["status"] == "succeeded"


def test_steps_stay_repeated_when_the_resumed_run_waits_again(plugin: Plugin) -> None:
    plugin.takes(["a", "b"], stops_at="a")
    plugin.desk.accept()
    plugin.is_released("2.0")
    plugin.takes(["a", "b"], stops_at="a")
    plugin.goes_on()
    plugin.takes(["a", "b"])

    assert plugin.goes_on() == {"a": True, "b": True}


def test_a_run_that_died_restarts_at_its_first_step_under_a_new_version(plugin: Plugin) -> None:
    plugin.takes(["a", "b", "c"])
    plugin.desk.engine.die_at("b")
    plugin.desk.host.runs.accept("ws-1", a_quote())
    assert plugin.desk.work_until_it_dies()
    plugin.is_released("2.0")
    plugin.takes(["a", "b", "c"])

    plugin.desk.restart()

    assert {name: attempt.repeated for name, attempt in plugin.seen.items()} == {"a": True, "b": True, "c": True}


def test_a_renamed_step_keeps_its_key_and_its_start_time(plugin: Plugin) -> None:
    plugin.takes(["a", "b"], stops_at="b")
    plugin.desk.accept()
    before = plugin.seen["b"]
    plugin.takes(["a", "B", "c"])
    plugin.goes_on()

    assert (plugin.seen["B"].key, plugin.seen["B"].first_started_at) == (before.key, before.first_started_at)


def test_a_run_that_had_not_started_is_a_first_attempt_under_any_version(plugin: Plugin) -> None:
    plugin.takes(["a"])
    plugin.desk.host.runs.accept("ws-1", a_quote())
    plugin.is_released("2.0")

    assert plugin.goes_on() == {"a": False}
