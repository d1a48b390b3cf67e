"""Simulates a plugin's next release, which resumes runs of the previous release with renamed steps."""

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
    """Rename every plugin's steps within the block: ``names("note")`` returns the new name of the step ``note``."""
    with _intercepted_steps(lambda step, name, work: step(names(name), work)):
        yield


@contextmanager
def answers_lost(of: Callable[[str], bool], *, how: Callable[[], BaseException] = lambda: _LOST) -> Iterator[None]:
    """Within the block, let each step that ``of`` selects do its work and then fail: its run waits there, or dies."""

    def losing(step: Steps, name: str, work: Callable[[Attempt], Json]) -> Json:
        def done(attempt: Attempt) -> Json:
            work(attempt)
            raise how()

        return step(name, done if of(name) else work)

    with _intercepted_steps(losing):
        yield


class NthStep:
    """Selects the nth step that hooks begin, whatever its name is."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._seen: dict[str, None] = {}

    def __call__(self, name: str) -> bool:
        """Return whether a name is that of the nth step."""
        self._seen.setdefault(name)
        return name == self.name

    @property
    def name(self) -> str | None:
        """The nth step's name; None until a hook begins it."""
        return next(iter(list(self._seen)[self._number - 1 : self._number]), None)

    def renamed(self, name: str) -> str:
        """Return a step's name in a release that renames the nth step only."""
        return renamed(name) if name == self.name else name


def renamed(name: str) -> str:
    """Return a step's name in a release that renames every step."""
    return f"new {name}"


@contextmanager
def _intercepted_steps(between: Callable[[Steps, str, Callable[[Attempt], Json]], Json]) -> Iterator[None]:
    """Intercept each ``ctx.step`` of each host in this process by a function."""
    made = Contexts.make

    def make(contexts: Contexts, *place: Any, **given: Any) -> HookContext:
        ctx = made(contexts, *place, **given)
        return replace(ctx, step=lambda name, work: between(ctx.step, name, work))

    Contexts.make = make  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        Contexts.make = made  # type: ignore[method-assign]
