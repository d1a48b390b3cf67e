"""Threads that are kept for a frequent hook: as isolated from each other as new ones, and given up when a call hangs."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import Any

import pytest

from qwoty_integrations_host.clock import SystemClock
from qwoty_integrations_host.errors import PluginHangs
from qwoty_integrations_host.plugins import kept_threads
from qwoty_integrations_host.plugins.deadlines import Calls, Deadlines

WHO: ContextVar[str] = ContextVar("who", default="nobody")


@pytest.fixture
def calls() -> Calls:
    return Calls(SystemClock(), Deadlines())


def call(calls: Calls, work: Any, *, kind: str = "p in ws-1", seconds: float = 30.0) -> Any:
    return calls.make("p", "hook", "p 1.0", work, seconds=seconds, kept_for=kind)


def until_idle(calls: Calls, number: int = 1) -> None:
    while len(calls._threads._idle) != number:
        threading.Event().wait(0.001)


def test_the_next_call_of_the_same_kind_has_the_same_thread(calls: Calls) -> None:
    first = call(calls, threading.current_thread)
    until_idle(calls)

    assert call(calls, threading.current_thread) is first
    assert first is not threading.current_thread()


def test_another_workspace_never_meets_what_a_plugin_left_in_a_thread(calls: Calls) -> None:
    first = call(calls, threading.current_thread)
    until_idle(calls)

    assert call(calls, threading.current_thread, kind="p in ws-2") is not first


def test_each_call_has_the_context_of_its_caller_and_leaves_nothing_in_it(calls: Calls) -> None:
    def become(name: str) -> str:
        before = WHO.get()
        WHO.set(name)
        return before

    token = WHO.set("the first caller")
    assert call(calls, lambda: become("a plugin")) == "the first caller"
    WHO.reset(token)
    until_idle(calls)

    assert call(calls, WHO.get) == "nobody"
    assert WHO.get() == "nobody"


def test_an_error_is_raised_where_the_host_waits_and_the_thread_is_kept(calls: Calls) -> None:
    def fail() -> None:
        raise LookupError(threading.current_thread().name)

    with pytest.raises(LookupError, match=r"p\.hook"):
        call(calls, fail)
    until_idle(calls)

    assert call(calls, lambda: 1) == 1


def test_a_thread_whose_call_hangs_is_given_up_and_ends_when_it_comes_back(calls: Calls) -> None:
    go, threads = threading.Event(), []

    def hang() -> None:
        threads.append(threading.current_thread())
        go.wait(30)

    with pytest.raises(PluginHangs):
        call(calls, hang, seconds=0.0)
    assert len(calls.abandoned("p")) == 1
    other = call(calls, threading.current_thread)
    go.set()
    threads[0].join(30)

    assert other is not threads[0]
    assert not threads[0].is_alive()
    assert calls.abandoned("p") == []
    until_idle(calls)
    assert call(calls, threading.current_thread) is other


def test_calls_at_the_same_time_have_a_thread_each(calls: Calls) -> None:
    both = threading.Barrier(3)
    inside: list[threading.Thread] = []

    def meet() -> None:
        inside.append(threading.current_thread())
        both.wait(30)

    callers = [threading.Thread(target=call, args=(calls, meet)) for _ in range(2)]
    for one in callers:
        one.start()
    both.wait(30)
    for one in callers:
        one.join(30)

    assert len(set(inside)) == 2


def test_only_so_many_threads_wait_for_a_call_and_none_for_long(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_threads, "_MOST_IDLE", 2)
    threads = []
    for number in range(3):
        threads.append(call(calls, threading.current_thread, kind=f"p in ws-{number}"))
        until_idle(calls, min(number + 1, 2))
    threads[0].join(30)
    assert not threads[0].is_alive()

    monkeypatch.setattr(kept_threads, "_IDLE_SECONDS", 0.0)
    call(calls, lambda: 1, kind="p in ws-2")
    threads[2].join(30)

    assert not threads[2].is_alive()
    assert len(calls._threads._idle) == 1
