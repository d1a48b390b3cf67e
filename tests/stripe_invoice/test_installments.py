"""An installment is sent on request: which link it replaces, how much it asks for, and what is refused."""

from __future__ import annotations

from email import message_from_bytes, policy
from typing import Any

import pytest

from builders import EMAIL, LINK, OPEN, a_quote, the_example
from qwoty_integrations_host.errors import ActionRefused, NotFound
from stripe_invoice.conftest import parts


@pytest.fixture
def paid_once(linked_example: Any) -> Any:
    linked_example.pay(linked_example.stripe.objects("sessions")[0]["id"])
    linked_example.webhooks()
    return linked_example


def sessions(bench: Any) -> list[tuple[str, str, int]]:
    """Number, status and amount of every session of ours, oldest first."""
    found = bench.stripe.objects("sessions")
    return [(s["metadata"]["qwoty_installment"], s["status"], s["amount_total"]) for s in found if s["metadata"]]


def refusal(bench: Any, number: int | None = None) -> str:
    with pytest.raises(ActionRefused) as refused:
        bench.send_installment("q-1", number)
    return refused.value.title


# -- sent --------------------------------------------------------------------------------------------


def test_without_a_number_the_lowest_unpaid_installment_is_sent(paid_once: Any) -> None:
    run = paid_once.send_installment("q-1")

    assert run["status"] == "succeeded", run
    assert sessions(paid_once) == [("1", "complete", 227550), ("2", "open", 227550)]
    assert run["outcome"]["payment_link"]["amount"] == "2275.50"
    assert len(paid_once.mails()) == 2


def test_any_number_can_be_sent_first(paid_once: Any) -> None:
    assert paid_once.send_installment("q-1", 3)["status"] == "succeeded"

    assert parts(paid_once, "status", "q-1") == ["paid", "scheduled", "sent", "scheduled"]


def test_an_open_link_of_the_same_number_is_expired_and_replaced(linked_example: Any) -> None:
    run = linked_example.send_installment("q-1", 1)

    assert run["status"] == "succeeded", run
    assert sessions(linked_example) == [("1", "expired", 227550), ("1", "open", 227550)]
    assert len(linked_example.mails()) == 2
    assert run["outcome"]["payment_link"]["url"] == linked_example.stripe.objects("sessions")[1]["url"]


def test_an_expired_link_is_replaced_although_its_webhook_was_lost(linked_example: Any) -> None:
    linked_example.stripe.config.update(webhooks_held=True)
    linked_example.clock.advance(25 * 3600)
    linked_example.stripe.clock.advance(25 * 3600)
    assert parts(linked_example, "status", "q-1")[0] == "expired"

    run = linked_example.send_installment("q-1")

    assert run["status"] == "succeeded", run
    assert sessions(linked_example) == [("1", "expired", 227550), ("1", "open", 227550)]


@pytest.mark.parametrize(
    "settings", [OPEN, EMAIL, LINK, {}, {"send_payment_link": True}], ids=["none", "email", "link", "draft", "draft+"]
)
def test_a_person_can_send_a_link_whatever_the_delivery_settings_are(bench: Any, settings: dict[str, Any]) -> None:
    bench.enable(**OPEN)
    bench.accept(the_example())
    bench.enable(**{"send_payment_link": False, "send_invoice_email": False, "invoice_status": "draft", **settings})

    run = bench.send_installment("q-1")

    assert run["status"] == "succeeded", run
    assert sessions(bench) == [("1", "open", 227550)]
    bench.pay(bench.stripe.objects("sessions")[0]["id"])
    assert bench.quote("q-1")["payment_status"] == "partially_paid"


def test_the_link_and_its_mail_ask_for_no_more_than_remains(paid_once: Any, v1: Any) -> None:
    (invoice,) = paid_once.stripe.objects("invoices")
    line = {"quantity": 1, "price_data": {"currency": "eur", "unit_amount": 582650, "product_data": {"name": "Wire"}}}
    given = {
        "mode": "payment",
        "customer": invoice["customer"],
        "line_items": [line],
        "success_url": "https://x.example",
    }
    other = v1.checkout.sessions.create(params=given)
    v1.invoices.attach_payment(
        invoice["id"], params={"payment_intent": paid_once.stripe.pay(other.id)["payment_intent"]}
    )

    run = paid_once.send_installment("q-1")

    assert run["status"] == "succeeded", run
    assert sessions(paid_once)[-1] == ("2", "open", 100000)
    assert run["outcome"]["payment_link"]["amount"] == "1000.00"
    assert paid_once.quote("q-1")["installments"][1]["amount"] == "1000.00"
    mails = [message_from_bytes(path.read_bytes(), policy=policy.default) for path in paid_once.mails()]
    texts = [mail.get_body(("plain",)).get_content() for mail in mails]  # type: ignore[union-attr]
    assert sum("1\u202f000,00\xa0€" in text for text in texts) == 1


@pytest.mark.parametrize("fault", ["500_before", "500_after", "cut_before", "cut_after"])
@pytest.mark.parametrize("path", [r"/expire$", r"/checkout/sessions$"])
def test_a_lost_answer_makes_no_second_link(linked_example: Any, path: str, fault: str) -> None:
    linked_example.stripe.faults.add(fault, method="POST", path=path)

    run = linked_example.send_installment("q-1", 1)

    assert run["status"] == "succeeded", run
    assert [status for _, status, _ in sessions(linked_example)] == ["expired", "open"]
    assert len(linked_example.mails()) == 2


# -- refused -----------------------------------------------------------------------------------------


def test_an_open_link_of_another_installment_is_named_in_the_refusal(linked_example: Any) -> None:
    assert "installment 1" in refusal(linked_example, 2)

    assert sessions(linked_example) == [("1", "open", 227550)]


@pytest.mark.parametrize("number", [1, 2, None])
def test_a_payment_that_is_being_processed_is_named_in_the_refusal(linked_example: Any, number: int | None) -> None:
    linked_example.stripe.pay_later(linked_example.stripe.objects("sessions")[0]["id"])
    linked_example.webhooks()

    assert "installment 1" in refusal(linked_example, number)


@pytest.mark.parametrize(("number", "words"), [(1, "paid already"), (5, "no installment 5"), (0, "no installment 0")])
def test_a_number_that_cannot_be_sent_is_refused(paid_once: Any, number: int, words: str) -> None:
    assert words in refusal(paid_once, number)


def test_an_installment_of_a_draft_is_refused(bench: Any) -> None:
    bench.enable()
    bench.accept(the_example())

    assert "draft" in refusal(bench)


@pytest.mark.parametrize("closed", ["void", "paid"])
def test_an_installment_of_a_closed_invoice_is_refused(linked_example: Any, v1: Any, closed: str) -> None:
    (invoice,) = linked_example.stripe.objects("invoices")
    if closed == "void":
        v1.invoices.void_invoice(invoice["id"])
    else:
        linked_example.stripe.pay_hosted(invoice["id"])
    linked_example.webhooks()

    assert closed in refusal(linked_example)


@pytest.mark.parametrize("closed", ["void", "paid"])
def test_an_invoice_whose_closing_was_not_reported_is_noticed_before_a_link_is_made(
    linked_example: Any, v1: Any, closed: str
) -> None:
    linked_example.stripe.config.update(webhooks_held=True)
    (invoice,) = linked_example.stripe.objects("invoices")
    if closed == "void":
        v1.invoices.void_invoice(invoice["id"])
    else:
        linked_example.stripe.pay_hosted(invoice["id"])

    run = linked_example.send_installment("q-1")

    assert run["status"] == "skipped", run
    assert closed in run["error"]["title"]
    assert len(sessions(linked_example)) == 1
    assert linked_example.quote("q-1")["payment_status"] == closed


def test_a_quote_without_terms_or_without_invoice_is_refused(bench: Any) -> None:
    bench.enable(**OPEN)
    bench.accept(a_quote(id="q-1"))
    assert "no payment terms" in refusal(bench)

    with pytest.raises(NotFound):
        bench.send_installment("q-unknown")


# -- lost webhooks are noticed -------------------------------------------------------------------------


def test_a_payment_whose_webhook_was_lost_is_noticed_and_not_requested_again(linked_example: Any) -> None:
    linked_example.stripe.config.update(webhooks_held=True)
    linked_example.stripe.pay(linked_example.stripe.objects("sessions")[0]["id"])

    run = linked_example.send_installment("q-1", 1)

    assert run["status"] == "skipped", run
    assert "paid already" in run["error"]["title"]
    assert linked_example.quote("q-1")["amount_paid"] == "2275.50"
    assert parts(linked_example, "status", "q-1")[0] == "paid"
    assert len(sessions(linked_example)) == 1
    run = linked_example.send_installment("q-1")
    assert sessions(linked_example)[1:] == [("2", "open", 227550)]


def test_a_lost_payment_is_noticed_and_the_next_installment_is_sent(linked_example: Any) -> None:
    linked_example.stripe.config.update(webhooks_held=True)
    linked_example.stripe.pay(linked_example.stripe.objects("sessions")[0]["id"])

    run = linked_example.send_installment("q-1")

    assert run["status"] == "succeeded", run
    assert linked_example.quote("q-1")["amount_paid"] == "2275.50"
    assert parts(linked_example, "status", "q-1") == ["paid", "sent", "scheduled", "scheduled"]


def test_a_delayed_payment_whose_webhook_was_lost_is_noticed(linked_example: Any) -> None:
    linked_example.stripe.config.update(webhooks_held=True)
    linked_example.stripe.pay_later(linked_example.stripe.objects("sessions")[0]["id"])

    run = linked_example.send_installment("q-1", 1)

    assert run["status"] == "skipped", run
    assert "being processed" in run["error"]["title"]
    assert len(sessions(linked_example)) == 1


@pytest.mark.parametrize(("act", "status"), [("pay", "paid"), ("pay_later", "processing")])
def test_a_customer_who_pays_while_the_link_is_replaced_gets_no_second_link(
    linked_example: Any, monkeypatch: pytest.MonkeyPatch, act: str, status: str
) -> None:
    linked_example.stripe.config.update(webhooks_held=True)
    (session,) = linked_example.stripe.objects("sessions")
    linked_example.stripe.faults.add("500_before", path=r"/expire$")
    # The customer pays, once, while the host waits before it tries again.
    pays = [lambda: getattr(linked_example.stripe, act)(session["id"])]
    monkeypatch.setattr(linked_example.clock, "sleep", lambda _: pays.pop()() if pays else None)

    run = linked_example.send_installment("q-1", 1)

    assert run["status"] == "skipped", run
    assert len(sessions(linked_example)) == 1
    assert parts(linked_example, "status", "q-1")[0] == status
    assert len(linked_example.mails()) == 1
    assert linked_example.quote("q-1")["amount_paid"] == ("2275.50" if act == "pay" else "0.00")


def test_a_key_that_may_not_read_sessions_can_still_send_the_next_installment(paid_once: Any) -> None:
    paid_once.stripe.faults.add("403", method="GET", path="/v1/checkout/sessions", times=50)

    run = paid_once.send_installment("q-1")

    assert run["status"] == "succeeded", run
    assert sessions(paid_once)[-1] == ("2", "open", 227550)


def test_a_key_that_may_not_read_sessions_can_still_replace_a_link(linked_example: Any) -> None:
    linked_example.stripe.faults.add("403", method="GET", path="/v1/checkout/sessions", times=50)
    linked_example.stripe.faults.add("cut_after", method="POST", path="/v1/checkout/sessions", skip=1)

    run = linked_example.send_installment("q-1", 1)

    assert run["status"] == "succeeded", run
    assert [status for _, status, _ in sessions(linked_example)] == ["expired", "open"]


def test_the_payment_of_a_second_installment_reaches_the_invoice(paid_once: Any) -> None:
    paid_once.send_installment("q-1")

    paid_once.pay(paid_once.stripe.objects("sessions")[1]["id"])

    assert paid_once.quote("q-1")["amount_paid"] == "4551.00"
    assert parts(paid_once, "status", "q-1") == ["paid", "paid", "scheduled", "scheduled"]


def test_an_installment_without_an_email_address_makes_nothing(bench: Any) -> None:
    bench.enable(**OPEN)
    quote = a_quote(id="q-1", installments=2, contact={"email": None})
    bench.accept(quote)
    bench.stripe.requests.reset()

    run = bench.send_installment("q-1")

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "email_missing")
    assert bench.posts() == []
