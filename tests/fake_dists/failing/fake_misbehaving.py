"""Does with a quote what its setting ``does`` says, and nothing of it is right."""

from __future__ import annotations

import itertools
import sys
import threading
from typing import Any

from qwoty_integrations_host import IntegrationError, Manifest, Outcome, PermanentError, hookimpl

HOOK_API = 1
SCHEMA = {"type": "object", "properties": {"does": {"type": "string"}}, "additionalProperties": False}
#: Ends the calls that hang.
RELEASE = threading.Event()


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class OfItsOwn(BaseException):
    pass


class Forgetful(IntegrationError):
    def __init__(self) -> None:  # forgets ours
        pass


def raises(error: BaseException) -> Any:
    def do(_ctx: Any) -> Any:
        raise error

    return do


def hangs(_ctx: Any) -> Any:
    RELEASE.wait(60)
    return Outcome.done("It came back after all.")


def hangs_in_a_step(ctx: Any) -> Any:
    ctx.step("done", lambda _attempt: 1)
    ctx.step("hanging", lambda _attempt: RELEASE.wait(60))
    return Outcome.done()


def floods_the_log(ctx: Any) -> Any:
    for number in range(1_000):
        ctx.log.info("noise", number=number, text="x" * 10_000)
    return Outcome.done("It was loud.")


def recurses(ctx: Any) -> Any:
    return recurses(ctx)


def holds_itself() -> dict[str, Any]:
    found: dict[str, Any] = {}
    found["again"] = found
    return found


DEEDS: dict[str, Any] = {
    "raises": raises(KeyError("sk_test_CanaryInAnError001")),
    "exits": lambda _ctx: sys.exit(3),
    "interrupts": raises(KeyboardInterrupt()),
    "raises GeneratorExit": raises(GeneratorExit()),
    "raises a BaseException": raises(OfItsOwn()),
    "raises an unreadable error": raises(Unspeakable()),
    "raises an uninitialized error": raises(Forgetful()),
    "raises a very long text": raises(PermanentError("No. " * 100_000)),
    "recurses": recurses,
    "runs out of memory": raises(MemoryError()),
    "hangs": hangs,
    "hangs in a step": hangs_in_a_step,
    "floods the log": floods_the_log,
    "returns nothing": lambda _ctx: None,
    "returns another type": lambda _ctx: {"status": "succeeded"},
    "returns endless notes": lambda _ctx: Outcome("succeeded", itertools.repeat("note")),  # type: ignore[arg-type]
    "returns a very long note": lambda _ctx: Outcome.done("note " * 100_000),
    "returns a cyclic result": lambda _ctx: Outcome.done(result=holds_itself()),
    "returns NaN": lambda _ctx: Outcome.done(result={"total": float("nan")}),
    "returns a NUL": lambda _ctx: Outcome.done(result={"name": "a\0b"}),
    "records no JSON": lambda ctx: ctx.step("rubbish", lambda _attempt: object()),
    "records a very long result": lambda ctx: ctx.step("book", lambda _attempt: "x" * 2_000_000),
}


@hookimpl
def integration_manifest() -> Manifest:
    return Manifest(id="misbehaving", title="M", description="D.", version="1.0", hook_api=1, settings_schema=SCHEMA)


@hookimpl
def on_quote_accepted(ctx: Any, quote: Any) -> Any:
    return DEEDS[ctx.settings["does"]](ctx)
