"""The mail with the invoice that Stripe sends: to whom, once, and what stops it."""

from __future__ import annotations

from typing import Any

import pytest

from builders import EMAIL, LINK, a_quote, the_example
from stripe_invoice.conftest import a_customer, the_invoice, with_saved


def test_stripe_sends_the_email_and_test_mode_is_noted(bench: Any) -> None:
    bench.enable(**EMAIL)

    run = bench.accept(the_example())

    assert run["status"] == "succeeded", run
    assert len(bench.stripe.objects("sent")) == 1
    assert any("ana@buyer.example" in note for note in run["outcome"]["notes"])
    assert any("test mode" in note for note in run["outcome"]["notes"])
    assert bench.mails() == []
    assert bench.stripe.objects("sessions") == []


@pytest.mark.parametrize("settings", [EMAIL, LINK], ids=["email", "link"])
def test_a_contact_without_email_stops_the_run_before_any_request(bench: Any, settings: dict[str, Any]) -> None:
    bench.enable(**settings)

    run = bench.accept(a_quote(contact={"email": None}, installments=2))

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "email_missing")
    assert len(bench.stripe.requests) == 0


def test_a_saved_customer_without_email_keeps_the_invoice_a_draft(bench: Any, v1: Any) -> None:
    customer = v1.customers.create(params={"name": "No mail"}).id
    bench.enable(**EMAIL)

    run = bench.accept(a_quote(contact={"external_ids": {"accounting": customer}}))

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "email_missing")
    assert customer in run["error"]["title"]
    assert the_invoice(bench)["status"] == "draft"


@pytest.mark.parametrize("fault", ["cut_after", "cut_before", "429", "409_in_flight", "500_before"])
def test_the_email_is_sent_once_whatever_happens_to_the_answer(bench: Any, fault: str) -> None:
    bench.stripe.faults.add(fault, path=r"/send$")
    bench.enable(**EMAIL)

    run = bench.accept(the_example())

    assert run["status"] == "succeeded", run
    assert len(bench.stripe.objects("sent")) == 1


def test_an_email_that_stripe_may_have_sent_is_not_sent_again(bench: Any) -> None:
    bench.stripe.faults.add("500_after", path=r"/send$")
    bench.enable(**EMAIL)

    run = bench.accept(the_example())
    bench.clock.advance(25 * 3600)
    bench.stripe.clock.advance(25 * 3600)
    run = bench.retry(run["id"])

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "send_unsure")
    assert len(bench.stripe.objects("sent")) == 1


def test_a_final_invoice_with_an_outdated_address_is_not_mailed_and_the_hint_says_what_to_do(bench: Any) -> None:
    bench.stripe.faults.add("500_before", path="/send$", times=50)
    bench.enable(**EMAIL)
    run_id = bench.accept(a_quote())["id"]
    bench.stripe.faults.reset()
    bench.accept(a_quote(contact={"email": "new@buyer.example"}))

    run = bench.retry(run_id)

    (invoice,) = bench.stripe.objects("invoices")
    assert (invoice["status"], bench.stripe.objects("sent")) == ("open", [])
    assert run["error"]["hint"].startswith("A final invoice keeps its address: download its PDF")


def test_an_invoice_that_stripe_would_mail_to_another_address_stays_a_draft(bench: Any, v1: Any) -> None:
    customer = a_customer(v1, email="old@buyer.example")
    bench.enable(**EMAIL)

    run = bench.accept(with_saved(customer))

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "email_differs")
    assert all(text in run["error"]["title"] for text in ("old@buyer.example", "ana@buyer.example", customer))
    assert [invoice["status"] for invoice in bench.stripe.objects("invoices")] == ["draft"]
    assert bench.stripe.objects("sent") == []

    v1.customers.update(customer, params={"email": "Ana@Buyer.example"})
    run = bench.retry(run["id"])

    assert run["status"] == "succeeded", run
    assert [sent["to"] for sent in bench.stripe.objects("sent")] == ["Ana@Buyer.example"]


def test_a_customers_other_address_does_not_stop_a_mail_of_ours(bench: Any, v1: Any) -> None:
    customer = a_customer(v1, email="old@buyer.example")
    bench.enable(**LINK)

    run = bench.accept(with_saved(customer) | {"payment_terms": a_quote(installments=2)["payment_terms"]})

    assert run["status"] == "succeeded", run
    (mail,) = bench.mails()
    assert "To: ana@buyer.example" in mail.read_text("utf-8")
