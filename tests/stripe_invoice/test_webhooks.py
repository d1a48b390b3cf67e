"""Stripe's webhooks: the signature is checked, the event is stored, and one run acts on it after a look at Stripe."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from builders import LINK, a_quote, the_example
from stripe_events import (
    an_event,
    deliver,
    endpoint_url,
    post,
    secret_of,
    v1_of,
)
from stripe_invoice.conftest import figures, first_link, parts, webhook_runs
from upkept import attached

PAID_ONCE = ("partially_paid", "2275.50", "6826.50")
UNPAID = ("unpaid", "0.00", "9102.00")


# -- what the events tell -----------------------------------------------------------------------------------


def test_a_card_payment_is_attached_at_once(linked_example: Any) -> None:
    linked_example.pay(first_link(linked_example))
    linked_example.webhooks()

    assert figures(linked_example, "q-1") == PAID_ONCE
    assert attached(linked_example) == [227550]
    assert parts(linked_example, "status", "q-1") == ["paid", "scheduled", "scheduled", "scheduled"]
    assert all(run["status"] == "succeeded" for run in webhook_runs(linked_example, "q-1"))


def test_the_run_of_a_webhook_shows_what_it_did(linked_example: Any) -> None:
    linked_example.pay(first_link(linked_example))

    run = next(
        run
        for run in webhook_runs(linked_example, "q-1")
        if any("is on the invoice" in n for n in run["outcome"]["notes"])
    )
    assert (run["outcome"]["payment_status"], run["outcome"]["total"]) == ("partially_paid", "9102.00")
    assert run["outcome"]["payment_link"] is None


def test_a_delayed_payment_is_processing_and_attached_when_it_succeeds(linked_example: Any) -> None:
    linked_example.stripe.pay_later(first_link(linked_example))
    linked_example.webhooks()
    assert figures(linked_example, "q-1") == ("processing", "0.00", "9102.00")
    assert parts(linked_example, "status", "q-1")[0] == "processing"
    assert attached(linked_example) == []

    linked_example.stripe.settle(first_link(linked_example))
    linked_example.webhooks()

    assert figures(linked_example, "q-1") == PAID_ONCE
    assert attached(linked_example) == [227550]


def test_a_delayed_payment_that_fails_leaves_the_installment_to_be_sent_again(linked_example: Any) -> None:
    linked_example.stripe.pay_later(first_link(linked_example))
    linked_example.webhooks()

    linked_example.stripe.fail(first_link(linked_example))
    linked_example.webhooks()

    assert figures(linked_example, "q-1") == UNPAID
    assert parts(linked_example, "status", "q-1")[0] == "failed"
    assert linked_example.send_installment("q-1", 1)["status"] == "succeeded"
    assert parts(linked_example, "status", "q-1")[0] == "sent"


def test_an_expired_link_is_shown_as_expired(linked_example: Any) -> None:
    linked_example.stripe.expire(first_link(linked_example))
    linked_example.webhooks()

    assert parts(linked_example, "status", "q-1")[0] == "expired"
    assert linked_example.quote("q-1")["installments"][0]["url"] is None


def test_paying_every_installment_pays_the_invoice(linked_example: Any) -> None:
    for number in range(1, 5):
        linked_example.pay(linked_example.stripe.objects("sessions")[-1]["id"])
        if number < 4:
            assert linked_example.send_installment("q-1")["status"] == "succeeded"

    assert figures(linked_example, "q-1") == ("paid", "9102.00", "0.00")
    assert attached(linked_example) == [227550] * 4
    assert parts(linked_example, "status", "q-1") == ["paid"] * 4


def test_a_payment_of_the_whole_on_the_hosted_page_is_noticed(linked_example: Any) -> None:
    linked_example.stripe.pay_hosted(linked_example.stripe.objects("invoices")[0]["id"])
    linked_example.webhooks()

    assert figures(linked_example, "q-1") == ("paid", "9102.00", "0.00")
    assert parts(linked_example, "status", "q-1") == ["paid"] * 4


@pytest.mark.parametrize("status", ["void", "uncollectible"])
def test_an_invoice_closed_in_the_dashboard_is_noticed(linked_example: Any, v1: Any, status: str) -> None:
    (invoice,) = linked_example.stripe.objects("invoices")
    event = {
        "id": "evt_1",
        "object": "event",
        "type": {"void": "invoice.voided"}.get(status, "invoice.marked_uncollectible"),
        "livemode": False,
    }
    if status == "void":
        v1.invoices.void_invoice(invoice["id"])
    else:
        linked_example.stripe.world.states()[0].invoices[invoice["id"]]["status"] = status

    deliver(
        linked_example,
        {**event, "data": {"object": {"id": invoice["id"], "object": "invoice", "metadata": invoice["metadata"]}}},
    )
    linked_example.work()

    assert figures(linked_example, "q-1")[0] == status


# -- repeated, late and unordered events ------------------------------------------------------------------


def test_a_repeated_event_attaches_the_payment_once(linked_example: Any) -> None:
    linked_example.stripe.config.update(webhook_copies=3)

    linked_example.pay(first_link(linked_example))
    linked_example.stripe.deliver(again=True)
    linked_example.work()

    assert attached(linked_example) == [227550]
    assert figures(linked_example, "q-1") == PAID_ONCE
    assert len(linked_example.posts("/v1/invoices/")) == 3  # add_lines, finalize, one attach_payment


def test_two_events_about_one_payment_attach_it_once(linked_example: Any) -> None:
    linked_example.stripe.pay_later(first_link(linked_example))
    linked_example.stripe.config.update(webhooks_held=True)
    linked_example.stripe.settle(first_link(linked_example))
    session = linked_example.stripe.objects("sessions")[0]
    for number, kind in enumerate(("completed", "async_payment_succeeded")):
        deliver(linked_example, an_event(session, f"checkout.session.{kind}", id=f"evt_{number}"))

    linked_example.work()

    assert attached(linked_example) == [227550]
    assert figures(linked_example, "q-1") == PAID_ONCE


def test_events_in_the_wrong_order_lead_to_the_same_result(linked_example: Any) -> None:
    linked_example.stripe.config.update(webhooks_held=True)
    linked_example.stripe.pay_later(first_link(linked_example))
    linked_example.stripe.settle(first_link(linked_example))

    linked_example.stripe.deliver(newest_first=True)
    linked_example.work()

    assert attached(linked_example) == [227550]
    assert (figures(linked_example, "q-1"), parts(linked_example, "status", "q-1")[0]) == (PAID_ONCE, "paid")


def test_a_late_event_of_a_replaced_link_does_not_change_the_new_link(linked_example: Any) -> None:
    linked_example.stripe.config.update(webhooks_held=True)
    old = first_link(linked_example)
    assert linked_example.send_installment("q-1", 1)["status"] == "succeeded"

    linked_example.webhooks()

    assert parts(linked_example, "status", "q-1")[0] == "sent"
    assert linked_example.stripe.objects("sessions")[0]["id"] == old
    assert linked_example.stripe.objects("sessions")[0]["status"] == "expired"


def test_a_payment_of_a_link_that_is_not_recorded_yet_is_credited(bench: Any) -> None:
    bench.enable(**LINK)
    bench.stripe.faults.add("cut_after", method="POST", path="/v1/checkout/sessions", times=50)
    run = bench.accept(the_example())
    paid = [s for s in bench.stripe.objects("sessions") if s["status"] == "open"]
    bench.stripe.faults.reset()
    assert run["status"] in {"waiting", "succeeded"}

    bench.pay(paid[0]["id"])

    assert attached(bench) == [227550]
    assert figures(bench, "q-1") == PAID_ONCE
    assert parts(bench, "status", "q-1")[0] == "paid"
    if run["status"] == "waiting":
        run = bench.retry(run["id"])
        assert len([s for s in bench.stripe.objects("sessions") if s["status"] == "open"]) == 0
        assert parts(bench, "status", "q-1")[0] == "paid"


def test_a_payment_is_credited_with_a_key_that_may_not_read_sessions(linked_example: Any) -> None:
    linked_example.stripe.faults.add("403", method="GET", path="/v1/checkout/sessions", times=50)

    linked_example.pay(first_link(linked_example))

    assert figures(linked_example, "q-1") == PAID_ONCE


# -- money that cannot be credited ---------------------------------------------------------------------


@pytest.mark.parametrize("closed", ["void", "paid"])
def test_a_payment_for_a_closed_invoice_needs_attention(linked_example: Any, v1: Any, closed: str) -> None:
    linked_example.stripe.config.update(webhooks_held=True)
    (invoice,) = linked_example.stripe.objects("invoices")
    if closed == "void":
        v1.invoices.void_invoice(invoice["id"])
    else:
        linked_example.stripe.pay_hosted(invoice["id"])

    linked_example.pay(first_link(linked_example))

    (run,) = [run for run in webhook_runs(linked_example, "q-1") if run["status"] != "succeeded"]
    assert (run["status"], run["error"]["code"]) == ("needs_attention", "payment_not_attached")
    assert invoice["id"] in run["error"]["title"]
    assert closed in run["error"]["title"]
    assert attached(linked_example) == []
    assert figures(linked_example, "q-1")[0] == closed


@pytest.mark.parametrize("refused", [True, False], ids=["refused", "credited with an excess"])
def test_a_payment_larger_than_what_remains_is_credited_or_shown(linked_example: Any, v1: Any, refused: bool) -> None:
    linked_example.stripe.config.update(refuse_overpayment=refused)
    (invoice,) = linked_example.stripe.objects("invoices")
    linked_example.stripe.config.update(webhooks_held=True)
    # Somebody credits most of the invoice by another payment while the link is open.
    line = {"quantity": 1, "price_data": {"currency": "eur", "unit_amount": 900000, "product_data": {"name": "Wire"}}}
    other = v1.checkout.sessions.create(
        params={
            "mode": "payment",
            "customer": invoice["customer"],
            "line_items": [line],
            "success_url": "https://x.example",
        }
    )
    intent = linked_example.stripe.pay(other.id)["payment_intent"]
    v1.invoices.attach_payment(invoice["id"], params={"payment_intent": intent})

    linked_example.pay(first_link(linked_example))

    found = [run["error"]["code"] for run in webhook_runs(linked_example, "q-1") if run["error"]]
    assert found == ["payment_not_attached" if refused else "overpaid"]
    assert figures(linked_example, "q-1")[0] == ("partially_paid" if refused else "paid")


# -- events that are not ours --------------------------------------------------------------------------


def test_a_strangers_invoice_and_session_in_the_same_account_are_ignored(linked_example: Any, v1: Any) -> None:
    customer = v1.customers.create(params={"email": "other@x.example"}).id
    draft = v1.invoices.create(params={"customer": customer, "collection_method": "send_invoice", "days_until_due": 1})
    v1.invoices.add_lines(draft.id, params={"lines": [{"amount": 5000, "description": "x"}]})
    v1.invoices.finalize_invoice(draft.id)
    line = {"quantity": 1, "price_data": {"currency": "eur", "unit_amount": 900, "product_data": {"name": "x"}}}
    session = v1.checkout.sessions.create(
        params={"mode": "payment", "line_items": [line], "success_url": "https://x.example"}
    )
    linked_example.stripe.requests.reset()

    linked_example.stripe.pay_hosted(draft.id)
    linked_example.stripe.pay(session.id)
    linked_example.webhooks()

    assert all(delivery["status"] == "delivered" for delivery in linked_example.stripe.deliveries)
    assert webhook_runs(linked_example, "q-1") == []
    assert len(linked_example.stripe.requests) == 0
    assert figures(linked_example, "q-1") == UNPAID


@pytest.mark.parametrize(
    "metadata",
    [
        {"qwoty_workspace": "ws-2", "qwoty_quote_id": "q-1"},
        {"qwoty_workspace": "ws-1", "qwoty_quote_id": "q-unknown"},
        {},
    ],
    ids=["another workspace", "an unknown quote", "nothing"],
)
def test_an_event_for_another_workspace_or_quote_is_acknowledged_and_ignored(
    linked_example: Any, metadata: dict[str, str]
) -> None:
    thing = {"id": "cs_test_x", "object": "checkout.session", "payment_status": "paid", "metadata": metadata}

    answer = deliver(linked_example, an_event(thing, "checkout.session.completed"))

    assert (answer.status_code, answer.json()) == (200, {"received": "ignored"})
    assert webhook_runs(linked_example, "q-1") == []


@pytest.mark.parametrize("kind", ["customer.created", "charge.dispute.created", "v3.something.new"])
def test_an_unknown_type_is_stored_and_acknowledged(linked_example: Any, kind: str) -> None:
    thing = linked_example.stripe.objects("sessions")[0]

    answer = deliver(linked_example, an_event(thing, kind))

    assert answer.status_code == 200
    assert webhook_runs(linked_example, "q-1") == []
    assert deliver(linked_example, an_event(thing, kind)).json() == {"received": "duplicate"}


def test_an_event_of_the_other_mode_is_acknowledged_and_ignored(linked_example: Any) -> None:
    event = an_event(linked_example.stripe.objects("sessions")[0], "checkout.session.completed") | {"livemode": True}

    assert deliver(linked_example, event).json() == {"received": "ignored"}


# -- forged events ------------------------------------------------------------------------------------------


def the_event(bench: Any) -> bytes:
    return json.dumps(an_event(bench.stripe.objects("sessions")[0], "checkout.session.completed")).encode()


FORGED = {
    "no header": None,
    "an empty one": "",
    "garbage": "garbage",
    "a time that is none": "t=now",
    "no signature": "t={now}",
    "no time": "v1={good}",
    "an empty signature": "t={now},v1=",
    "a wrong signature": "t={now},v1={bad}",
    "the wrong scheme": "t={now},v0={good}",
    "an empty time": "t=,v1={good}",
    "another secret": "t={now},v1={other}",
    "not ASCII": "t={now},v1=é",
    "other digits": "t=١٢٣,v1={good}",
    "old": "t={old},v1={good_old}",
    "old, and a fresh time behind it": "t={old},v1={good_old},t={now}",
    "old, and a fresh time before it": "t={now},v1={good_old},t={old}",
    "future": "t={future},v1={good_future}",
}


def test_a_forged_old_or_future_signature_is_refused_and_its_event_is_not_stored(linked_example: Any) -> None:
    now = int(linked_example.clock.now().timestamp())
    body, secret = the_event(linked_example), secret_of(linked_example)
    known = {
        "now": now,
        "old": now - 301,
        "future": now + 301,
        "good": v1_of(body, secret, now),
        "good_old": v1_of(body, secret, now - 301),
        "good_future": v1_of(body, secret, now + 301),
        "bad": v1_of(body + b" ", secret, now),
        "other": v1_of(body, "whsec_another", now),
    }

    for name, header in FORGED.items():
        answer = post(linked_example, body, header and header.format(**known).encode("utf-8").decode("latin-1"))

        assert answer.status_code == 400, name
        assert secret not in answer.text, name
    # None of the forged events was stored, so the true one is no duplicate.
    assert deliver(linked_example, None, raw=body).json() == {"received": "stored"}


@pytest.mark.parametrize("age", [-299, 0, 299])
def test_a_signature_within_five_minutes_is_accepted(linked_example: Any, age: int) -> None:
    body, at = the_event(linked_example), int(linked_example.clock.now().timestamp()) - age

    answer = post(linked_example, body, f"t={at},v1={'0' * 64},v1={v1_of(body, secret_of(linked_example), at)},v0=x")

    assert answer.status_code == 200


def test_a_body_that_was_cut_short_or_changed_is_refused(linked_example: Any) -> None:
    body, now = the_event(linked_example), int(linked_example.clock.now().timestamp())
    header = f"t={now},v1={v1_of(body, secret_of(linked_example), now)}"

    assert post(linked_example, body[:-1], header).status_code == 400
    assert post(linked_example, body.replace(b"evt_test", b"evt_fake"), header).status_code == 400


@pytest.mark.parametrize("change", ["token", "workspace", "plugin"])
def test_an_event_at_another_address_is_not_found(linked_example: Any, change: str) -> None:
    base, plugin, workspace, token = endpoint_url(linked_example).rsplit("/", 3)
    parts = {"plugin": plugin, "workspace": workspace, "token": token} | {change: "other"}
    body, now = the_event(linked_example), int(linked_example.clock.now().timestamp())
    header = {"Stripe-Signature": f"t={now},v1={v1_of(body, secret_of(linked_example), now)}"}

    answer = requests.post("/".join((base, *parts.values())), data=body, headers=header, timeout=5)

    assert answer.status_code == 404


def test_events_signed_with_both_secrets_are_accepted_while_stripe_rolls_the_secret(linked_example: Any) -> None:
    linked_example.stripe.roll_secret(linked_example.stripe.objects("endpoints")[0]["id"])

    linked_example.pay(first_link(linked_example))

    assert figures(linked_example, "q-1") == PAID_ONCE


def test_a_payment_is_credited_after_the_key_of_the_account_changed(linked_example: Any) -> None:
    linked_example.enable(**LINK, workspace_api_token="sk_test_RolledKey000001")

    linked_example.pay(first_link(linked_example))

    assert figures(linked_example, "q-1") == PAID_ONCE


def test_the_payment_of_a_quote_without_installments_is_recorded(bench: Any) -> None:
    bench.enable(**LINK)
    bench.accept(the_example())

    bench.accept(a_quote())
    bench.stripe.pay_hosted(bench.stripe.objects("invoices")[-1]["id"])
    bench.webhooks()

    assert bench.quote("q-7")["payment_status"] == "paid"
