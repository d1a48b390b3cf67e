"""When the upkeep of webhooks runs, what its status shows, and what is left when the process dies in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from builders import KEY, LINK, a_quote
from dying import work_and_die
from stripe_invoice.conftest import first_link
from upkept import (
    HOUR,
    assert_told_again,
    attached,
    deleted,
    disabled,
    endpoint,
    held,
    later,
    look_after,
    secret_of,
)


def test_there_is_no_upkeep_before_the_first_invoice(bench: Any) -> None:
    bench.enable()

    assert bench.host.upkeep.request_due() == []
    assert bench.host.upkeep.status("ws-1")["data"] == []


def test_the_status_shows_the_age_of_the_last_event_and_no_secret(linked: Any) -> None:
    linked.pay(first_link(linked))
    held(linked).webhooks()  # events that the attached payment caused
    later(linked, 90)
    look_after(linked)
    there = endpoint(linked)

    (shown,) = linked.host.upkeep.status("ws-1")["data"]

    assert (shown["endpoint_id"], shown["mode"]) == (there["id"], "test")
    assert 90 <= shown["last_event_age"] < 100
    assert shown["last_upkeep"]["status"] == "skipped"
    token = there["url"].rsplit("/", 1)[-1]
    assert shown["url"] == there["url"].replace(token, f"{token[:4]}…{token[-4:]}")
    text = json.dumps(shown)
    assert token not in text
    assert KEY not in text
    assert secret_of(linked, there["id"]) not in text


def test_an_event_that_the_upkeep_finds_counts_as_received_only_when_it_is_delivered(linked: Any) -> None:
    def last() -> Any:
        return linked.host.upkeep.status("ws-1")["data"][0]["last_event_at"]

    held(linked).webhooks()
    before = last()
    later(linked, 60)
    linked.stripe.pay(first_link(linked))
    look_after(linked)
    assert (last(), attached(linked)) == (before, [6000])

    later(linked, 60)
    linked.webhooks()

    assert last() == linked.clock.now().isoformat()


def test_the_upkeep_runs_every_hour_and_after_each_start(linked: Any) -> None:
    def asked(*requests: Callable[[], list[str]]) -> list[int]:
        found = [len(request()) for request in requests]
        linked.work()
        return found

    upkeep = linked.host.upkeep
    assert asked(upkeep.request_after_start, upkeep.request_due) == [1, 0]
    linked.clock.advance(timedelta(minutes=4).total_seconds())
    assert asked(upkeep.request_after_start, upkeep.request_due) == [0, 0]
    linked.clock.advance(timedelta(minutes=2).total_seconds())
    assert asked(upkeep.request_due, upkeep.request_after_start) == [0, 1]
    linked.clock.advance(HOUR)
    assert asked(upkeep.request_due, upkeep.request_due) == [1, 0]


def another_run_meanwhile(bench: Any, number: int) -> None:
    """Work another quote with a link, which makes an endpoint if there is none."""
    bench.host.runs.acceptance.accept("ws-1", a_quote(id=f"q-meanwhile-{number}", installments=2))
    bench.host.engine.work_again(bench.host.engine._queued.pop(0))


@pytest.mark.parametrize(("after", "every"), [("commit", 4), ("answer", 1)], ids=["at a commit", "at an answer"])
@pytest.mark.parametrize(
    ("story", "meanwhile_too"),
    [
        pytest.param("rolled", False, id="while the secret is rolled"),
        pytest.param("deleted", False, id="while the endpoint is made anew"),
        pytest.param("disabled", False, id="while it is switched on again"),
        pytest.param("rolled", True, id="while it is rolled, and another run works before the restart"),
    ],
)
def test_a_process_that_dies_in_the_upkeep_leaves_one_endpoint_and_attaches_the_payment_once(
    bench: Any, v1: Any, monkeypatch: pytest.MonkeyPatch, after: str, every: int, story: str, meanwhile_too: bool
) -> None:
    bench.enable(**LINK)
    for times, number in enumerate(count(1, every), start=1):
        bench.stripe.config.update(webhooks_held=False)
        bench.webhooks()  # delivers the events that the upkeep had found
        bench.accept(a_quote(id=f"q-{number}", installments=1))
        if story != "rolled":
            {"deleted": deleted, "disabled": disabled}[story](bench, v1)
        held(bench).stripe.pay(bench.stripe.objects("sessions")[-1]["id"])
        bench.host.upkeep.request("ws-1", roll_secrets=story == "rolled")
        died = work_and_die(bench, monkeypatch, after, number)
        if meanwhile_too and died:
            another_run_meanwhile(bench, number)
        bench.restart()

        assert (number, bench.quote(f"q-{number}")["amount_paid"]) == (number, "120.00")
        assert attached(bench) == [12000] * times, number
        found = bench.host.upkeep.status("ws-1")["data"][0]
        assert (number, found["last_upkeep"]["status"]) == (number, "succeeded")
        assert (number, found["endpoint_id"]) == (number, endpoint(bench)["id"])
        assert_told_again(bench)
        if not died:
            assert number > 5, "it died before"
            return
        later(bench, 2 * HOUR)
