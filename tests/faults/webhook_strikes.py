"""Faults of webhooks on their way from Stripe, and the stories that go on nevertheless."""

from __future__ import annotations

from typing import Any

import requests

from faults.story import Story
from stripe_simulator.delivery import signature


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
    """A bank debit settles days later, and its events arrive in reverse order."""
    story.accept()
    session = story.open_link()
    story.bench.stripe.pay_later(session)
    story.bench.stripe.settle(session)
    story.bench.stripe.deliver(newest_first=True)
    story.bench.work()
    story.send_next()


def told_with_late_webhooks(story: Story) -> None:
    """The next installment is requested before Stripe's event about the first payment arrives."""
    story.accept()
    story.bench.stripe.pay(story.open_link())
    story.send_next()


def webhooks_badly_signed(story: Story) -> None:
    story.bench.stripe.config.update(webhook_bad_signature=True)


def told_with_refused_webhooks(story: Story) -> None:
    """Webhooks with a wrong signature are refused. Stripe sends them again with the right one."""
    story.accept()
    story.bench.stripe.pay(story.open_link())
    assert_refused(story)
    story.bench.stripe.config.update(webhook_bad_signature=False)
    story.bench.webhooks()
    story.send_next()


def assert_refused(story: Story) -> None:
    bench = story.bench
    bench.stripe.deliver(timeout=0.5)
    bench.work()
    tried = [delivery["attempts"] for delivery in bench.stripe.deliveries]
    assert tried and {answer for answers in tried for answer in answers} == {"400"}
    assert bench.quote("q-1")["payment_status"] == "unpaid"


def told_with_a_forger(story: Story) -> None:
    """Somebody who knows the webhook's address, but not its secret, claims that the link was paid."""
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
    """The customer pays, and Stripe's event arrives, before Stripe's answer that names the link."""
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
