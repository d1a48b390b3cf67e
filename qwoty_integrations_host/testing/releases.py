"""What a plugin's next release may do to a run that the one before left half done, played on the plugin as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ..contract.context import Attempt, HookContext, Json, Steps
from ..errors import RetryableError
from ..plugins.contexts import Contexts

_LOST = RetryableError("The answer was lost.")


@contextmanager
def renamed_steps(names: Callable[[str], str]) -> Iterator[None]:
    """Inside the block every plugin's steps have other names: ``names("note")`` gives that of the step ``note``."""
    with _steps_pass(lambda step, name, work: step(names(name), work)):
        yield


@contextmanager
def answers_lost(of: Callable[[str], bool], *, how: Callable[[], BaseException] = lambda: _LOST) -> Iterator[None]:
    """Inside the block each step that is meant ends with an error when it is done: its run waits there, or dies."""

    def losing(step: Steps, name: str, work: Callable[[Attempt], Json]) -> Json:
        def done(attempt: Attempt) -> Json:
            work(attempt)
            raise how()

        return step(name, done if of(name) else work)

    with _steps_pass(losing):
        yield


class NthStep:
    """Tells the step that hooks come to as the nth one, whatever its name is."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._seen: dict[str, None] = {}

    def __call__(self, name: str) -> bool:
        """Whether it is this one."""
        self._seen.setdefault(name)
        return name == self.name

    @property
    def name(self) -> str | None:
        """What it is called; None as long as no hook has come to it."""
        return next(iter(list(self._seen)[self._number - 1 : self._number]), None)

    def renamed(self, name: str) -> str:
        """What a release calls a step that calls this one otherwise, and no other."""
        return renamed(name) if name == self.name else name


def renamed(name: str) -> str:
    """What a release calls a step that calls each of them otherwise."""
    return f"new {name}"


@contextmanager
def _steps_pass(between: Callable[[Steps, str, Callable[[Attempt], Json]], Json]) -> Iterator[None]:
    """Let each ``ctx.step`` of each host in this process go through a function."""
    made = Contexts.make

    def make(contexts: Contexts, *place: Any, **given: Any) -> HookContext:
        ctx = made(contexts, *place, **given)
        return replace(ctx, step=lambda name, work: between(ctx.step, name, work))

    Contexts.make = make  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        Contexts.make = made  # type: ignore[method-assign]
