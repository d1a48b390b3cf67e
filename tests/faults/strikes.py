"""How each fault is brought about, and the stories in which somebody has to help."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy.event import listen

from builders import the_example
from database_trouble import Lock
from faults.story import PATIENCE, Story
from qwoty_integrations_host.errors import RetryableError
from qwoty_integrations_host.host import Host
from qwoty_integrations_host.mail import transports
from qwoty_integrations_host.platform.standalone import StandalonePlatform
from stripe_simulator.delivery import signature

Strike = Callable[[Story], None]
A_DAY_AND_AN_HOUR = 25 * 3600.0
TWO_HOURS = 2 * 3600.0

# -- Stripe's answers --------------------------------------------------------------------------------


def stripe(kind: str, method: str, path: str, **order: Any) -> Strike:
    """A fault of the simulator on the first request of a kind."""
    return lambda story: _order(story, kind, method=method, path=path, **order)


def _order(story: Story, kind: str, **order: Any) -> None:
    story.bench.stripe.faults.add(kind, **order)
    if kind == "slow":
        # The answer is still being made when we ask again: this much of our waiting has to be real.
        story.patch.setattr(story.bench.clock, "sleep", lambda seconds: time.sleep(PATIENCE / 2))


def slows_down(method: str, path: str, **order: Any) -> Strike:
    """Stripe asks for a pause of 17 seconds, which it must get."""

    def strike(story: Story) -> None:
        story.bench.stripe.faults.add("429", method=method, path=path, headers={"Retry-After": "17"}, **order)
        before = story.bench.clock.now()
        story.at_the_end.append(lambda: _assert_waited(story, before))

    return strike


def _assert_waited(story: Story, before: Any) -> None:
    assert 17 <= (story.bench.clock.now() - before).total_seconds() < 60


def stores_a_500(path: str, **order: Any) -> Strike:
    """Stripe has done it, says 500, and would say so again under the same key for a day."""

    def strike(story: Story) -> None:
        story.bench.stripe.faults.add("500_after", method="POST", path=path, **order)
        story.at_the_end.append(lambda: _assert_nothing_replayed(story))

    return strike


def _assert_nothing_replayed(story: Story) -> None:
    assert [request.path for request in story.bench.stripe.requests if request.replayed] == []


def search_lags(story: Story) -> None:
    """For a minute nobody is found; a second quote of the same new contact comes in that minute."""
    story.bench.stripe.config.update(search_lag_seconds=60.0)


def told_with_a_second_quote(story: Story) -> None:
    story.accept()
    second = story.bench.accept(the_example(id="q-2"))
    first, other = story.bench.stripe.objects("invoices")
    assert (second["status"], other["customer"]) == ("succeeded", first["customer"])
    # The second quote has said what it had to: the story goes on without it.
    state = story.bench.stripe.world.states()[0]
    del state.invoices[other["id"]]
    (session,) = [s for s in state.sessions.values() if s["metadata"]["qwoty_quote_id"] == "q-2"]
    del state.sessions[session["id"]]
    story.mail_server.taken.pop()
    story.pay()
    story.send_next()


def falls_silent(path: str) -> Strike:
    """Stripe does what it is asked, and from then on answers nothing any more, until ``told_over_a_day``."""

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
    """An outage of a day and an hour: by then Stripe has forgotten its keys of idempotency."""
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
    """Stripe is down, whatever it is asked, until ``told_over_a_day`` lets it come back."""
    return lambda story: _order(story, kind, times=1000)


# -- webhooks ----------------------------------------------------------------------------------------


def webhooks_doubled(story: Story) -> None:
    story.bench.stripe.config.update(webhook_copies=3)
    story.at_the_end.append(lambda: _again(story))


def _again(story: Story) -> None:
    story.at_the_end.clear()
    before = len(story.bench.quote("q-1")["runs"])
    story.bench.stripe.deliver(again=True)
    story.bench.work()
    assert len(story.bench.quote("q-1")["runs"]) == before


def webhooks_held(story: Story) -> None:
    story.bench.stripe.config.update(webhooks_held=True)


def told_by_a_bank_debit_backwards(story: Story) -> None:
    """A debit that settles days later; what came first is heard last."""
    story.accept()
    session = story.open_link()
    story.bench.stripe.pay_later(session)
    story.bench.stripe.settle(session)
    story.bench.stripe.deliver(newest_first=True)
    story.bench.work()
    story.send_next()


def told_with_late_webhooks(story: Story) -> None:
    """The next installment is asked for before Stripe's word about the first one's payment comes."""
    story.accept()
    story.bench.stripe.pay(story.open_link())
    story.send_next()


def webhooks_badly_signed(story: Story) -> None:
    story.bench.stripe.config.update(webhook_bad_signature=True)


def told_with_refused_webhooks(story: Story) -> None:
    """Refused, and not believed; Stripe comes again, and then it is in order."""
    story.accept()
    story.bench.stripe.pay(story.open_link())
    _assert_refused(story)
    story.bench.stripe.config.update(webhook_bad_signature=False)
    story.bench.webhooks()
    story.send_next()


def _assert_refused(story: Story) -> None:
    bench = story.bench
    bench.stripe.deliver(timeout=0.5)
    bench.work()
    tried = [delivery["attempts"] for delivery in bench.stripe.deliveries]
    assert tried and {answer for answers in tried for answer in answers} == {"400"}
    assert bench.quote("q-1")["payment_status"] == "unpaid"


def told_with_a_forger(story: Story) -> None:
    """A stranger who knows the address, but not the secret, says that it was paid."""
    story.accept()
    body = '{"id": "evt_forged", "object": "event", "type": "checkout.session.completed"}'
    (endpoint,) = story.bench.stripe.objects("endpoints")
    header = signature(body, ["whsec_Guessed"], int(story.bench.clock.now().timestamp()))
    answer = requests.post(endpoint["url"], data=body, headers={"Stripe-Signature": header}, timeout=5)
    assert answer.status_code == 400
    assert story.bench.quote("q-1")["payment_status"] == "unpaid"
    story.pay()
    story.send_next()


def paid_before_we_know_the_link(story: Story) -> None:
    """The customer pays, and Stripe tells us, while we still wait for the answer that names the link."""
    answer, stripe = story.bench.stripe.api.answer, story.bench.stripe
    paid: list[str] = []

    def answering(given: Any) -> Any:
        found = answer(given)
        if given.path == "/v1/checkout/sessions" and given.method == "POST" and not paid:
            paid.append(story.open_link())
            stripe.pay(paid[0])
            assert stripe.deliver()
        return found

    story.patch.setattr(stripe.api, "answer", answering)


def told_without_paying(story: Story) -> None:
    story.accept()
    story.send_next()


# -- mails -------------------------------------------------------------------------------------------


def mail_server(mood: str) -> Strike:
    """The mail server's mood while the first mail comes."""

    def strike(story: Story) -> None:
        story.mail_server.be(mood, mails=1)
        story.patch.setattr(transports, "_TIMEOUT", PATIENCE)

    return strike


def told_with_help(code: str) -> Callable[[Story], None]:
    """The accepting run ends with this code, and a person retries it."""

    def tell(story: Story) -> None:
        run = story.accept()
        assert (run["status"], run["error"]["code"]) == ("needs_attention", code), run
        assert story.bench.retry(run["id"])["status"] == "succeeded"
        story.pay()
        story.send_next()

    return tell


# -- our own database --------------------------------------------------------------------------------


def database(trouble: Callable[[Host], Any], path: str) -> Strike:
    """The database fails when Stripe has just done what a request asks for, and is well after a while."""

    def strike(story: Story) -> None:
        host, api, clock = story.bench.host, story.bench.stripe.api, story.bench.clock
        if host.config.is_shared:
            pytest.skip("these are SQLite's; PostgreSQL's are in tests/host/test_database_trouble.py")
        listen(host.store.engine, "checkout", lambda raw, *_: raw.execute("PRAGMA busy_timeout=50"))
        befallen, answer, sleep, struck = trouble(host), api.answer, clock.sleep, []

        def answering(given: Any) -> Any:
            found = answer(given)
            if not struck and re.search(path, given.path):
                struck.append(befallen.take())
            return found

        def sleeping(seconds: float) -> None:
            befallen.let_go()
            sleep(seconds)

        story.patch.setattr(api, "answer", answering)
        story.patch.setattr(clock, "sleep", sleeping)
        story.at_the_end += [befallen.close, lambda: _assert_struck(struck)]

    return strike


def _assert_struck(struck: list[Any]) -> None:
    assert struck


def locked(host: Host) -> Lock:
    return Lock(host.config.data_dir / "host.sqlite3")


def told_after_a_while(story: Story) -> None:
    story.accept()
    story.time_passes(120)
    story.bench.work()
    story.pay()
    story.send_next()


# -- the platform, the clock, another host -------------------------------------------------------------


def platform_fails(*, after: bool) -> Strike:
    """The platform's answer to each first save is lost, before or after it saved."""

    def strike(story: Story) -> None:
        save, failed = StandalonePlatform.save_external_id, set()

        def failing(platform: StandalonePlatform, kind: str, *given: Any, **named: Any) -> None:
            first = kind not in failed
            failed.add(kind)
            if after or not first:
                save(platform, kind, *given, **named)
            if first:
                raise RetryableError("The platform cannot be reached.")

        story.patch.setattr(StandalonePlatform, "save_external_id", failing)
        story.at_the_end.append(lambda: _assert_failed(failed))

    return strike


def _assert_failed(failed: set[str]) -> None:
    assert failed == {"contact", "tax"}


def our_clock(seconds: float) -> Strike:
    """Our clock is off by so many seconds, until ``told_while_the_clock_is_off`` sets it right."""

    def strike(story: Story) -> None:
        story.bench.clock.advance(seconds)

    return strike


def told_while_the_clock_is_off(story: Story) -> None:
    """Quotes are invoiced all the same; webhooks are refused until the clock is right, and then make good for it."""
    assert story.accept()["status"] == "succeeded"
    link = story.bench.quote("q-1")["installments"][0]
    assert link["status"] == "sent"
    story.bench.stripe.pay(story.open_link())
    _assert_refused(story)
    off = story.bench.clock.now().timestamp() - story.bench.stripe.clock.now()
    story.bench.clock.advance(-off)
    story.bench.webhooks()
    story.send_next()


def a_second_host(story: Story) -> None:
    """Somebody starts others on the data directory; each waits a while, says why, and ends with 1."""
    if story.bench.host.config.is_shared:
        pytest.skip("any number of hosts share a PostgreSQL")
    data_dir, host = story.bench.host.config.data_dir, Path(sys.executable).parent / "qwoty-host"
    for command in (["serve", "--port", "0"], ["worker"]):
        process = subprocess.Popen([host, "--data-dir", data_dir, *command], stderr=subprocess.PIPE, text=True)
        story.at_the_end.append(partial(_assert_refused_to_start, process, data_dir))


def _assert_refused_to_start(process: subprocess.Popen[str], data_dir: Path) -> None:
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1, said
    assert f"another process works the runs of {data_dir}" in said
    assert "Stop it first" in said
    assert "Traceback" not in said
