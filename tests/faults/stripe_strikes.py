"""Faults of Stripe, and the stories in which a day passes or a second quote comes."""

from __future__ import annotations

import re
import time
from typing import Any

from builders import the_example
from faults.story import PATIENCE, Story, Strike, one_of_everything
from qwoty_stripe_invoice import gateway

A_DAY_AND_AN_HOUR = 25 * 3600.0


def stripe(kind: str, method: str, path: str, **order: Any) -> Strike:
    """A fault of the simulator at the first request of a kind."""
    return lambda story: _order(story, kind, method=method, path=path, **order)


def _order(story: Story, kind: str, **order: Any) -> None:
    story.bench.stripe.faults.add(kind, **order)
    if kind in {"hang", "slow"}:
        story.patch.setattr(gateway, "_PATIENT", (PATIENCE, PATIENCE))
    if kind == "slow":
        # The first answer is not complete when the host asks again, so this part of the wait is real.
        story.patch.setattr(story.bench.clock, "sleep", lambda seconds: time.sleep(PATIENCE / 2))


def slows_down(method: str, path: str, **order: Any) -> Strike:
    """Stripe asks for a pause of 17 seconds, and the host must keep it."""

    def strike(story: Story) -> None:
        story.bench.stripe.faults.add("429", method=method, path=path, headers={"Retry-After": "17"}, **order)
        before = story.bench.clock.now()
        story.at_the_end.append(lambda: _assert_waited(story, before))

    return strike


def _assert_waited(story: Story, before: Any) -> None:
    assert 17 <= (story.bench.clock.now() - before).total_seconds() < 60


def stores_a_500(path: str, **order: Any) -> Strike:
    """Stripe performs the request, answers 500, and repeats that answer under the same key for a day."""

    def strike(story: Story) -> None:
        story.bench.stripe.faults.add("500_after", method="POST", path=path, **order)
        story.at_the_end.append(lambda: _assert_nothing_replayed(story))

    return strike


def _assert_nothing_replayed(story: Story) -> None:
    assert [request.path for request in story.bench.stripe.requests if request.replayed] == []


def search_lags(story: Story) -> None:
    """For a minute Stripe's search finds nobody. In that minute comes a second quote of the same new contact."""
    story.bench.stripe.config.update(search_lag_seconds=60.0)


def told_with_a_second_quote(story: Story) -> None:
    story.accept()
    second = story.bench.accept(the_example(id="q-2"))
    first, other = story.bench.stripe.objects("invoices")
    assert (second["status"], other["customer"]) == ("succeeded", first["customer"])
    # The second quote has done its part; the story goes on without it.
    state = story.bench.stripe.world.states()[0]
    del state.invoices[other["id"]]
    (session,) = [s for s in state.sessions.values() if s["metadata"]["qwoty_quote_id"] == "q-2"]
    del state.sessions[session["id"]]
    story.mail_server.taken.pop()
    story.pay()
    story.send_next()


def falls_silent(path: str) -> Strike:
    """Stripe performs the request, and then answers no request until ``told_over_a_day`` ends the outage."""

    def strike(story: Story) -> None:
        api, faults = story.bench.stripe.api, story.bench.stripe.faults
        answer, fallen = api.answer, []
        faults.add("cut_after", method="POST", path=path)

        def answering(given: Any) -> Any:
            try:
                return answer(given)
            finally:
                if not fallen and given.method == "POST" and re.search(path, given.path):
                    fallen.append(faults.add("cut_before", times=1000))

        story.patch.setattr(api, "answer", answering)

    return strike


def told_over_a_day(story: Story) -> None:
    """The outage lasts a day and an hour. By then Stripe has forgotten its idempotency keys."""
    run = story.accept()
    assert run["status"] == "waiting", run
    story.time_passes(A_DAY_AND_AN_HOUR)
    story.bench.work()
    assert story.bench.run(run["id"])["status"] == "waiting"
    story.bench.stripe.faults.reset()
    story.time_passes(12 * 3600)
    story.bench.work()
    story.pay()
    story.send_next()


def away(kind: str) -> Strike:
    """Stripe is down for every request, until ``told_over_a_day`` ends the outage."""
    return lambda story: _order(story, kind, times=1000)


def at_the_first_attempt(story: Story) -> None:
    """The request was sent once more, and no run had to begin again."""
    one_of_everything(story)
    runs = [story.bench.run(run["id"]) for run in story.bench.quote("q-1")["runs"]]
    assert {step["attempts"] for run in runs for step in run["steps"]} == {1}
