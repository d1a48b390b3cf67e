"""The main job, end to end: an accepted quote becomes a Stripe invoice, and payments find their way to it."""

from __future__ import annotations

from typing import Any

from builders import the_example


def test_the_documented_example_becomes_an_open_invoice_with_a_link(bench: Any) -> None:
    bench.enable(invoice_status="open", send_payment_link=True)

    run = bench.accept(the_example())

    assert run["status"] == "succeeded", run
    assert run["outcome"]["total"] == "9102.00"
    assert run["outcome"]["payment_link"]["amount"] == "2275.50"
    (invoice,) = bench.stripe.objects("invoices")
    lines = [(line["amount"], line["metadata"]["qwoty_line"]) for line in invoice["lines"]["data"]]
    assert lines == [
        (780000, "item_001"),
        (-78000, "item_001:discount"),
        (76500, "item_002"),
        (-20000, "discount:1"),
    ]
    assert len(bench.mails()) == 1


def test_a_payment_is_attached_and_the_next_installment_can_be_sent(bench: Any) -> None:
    bench.enable(invoice_status="open", send_payment_link=True)
    bench.accept(the_example())
    (session,) = bench.stripe.objects("sessions")

    bench.pay(session["id"])

    quote = bench.quote("q-1")
    assert (quote["payment_status"], quote["amount_paid"], quote["amount_remaining"]) == (
        "partially_paid",
        "2275.50",
        "6826.50",
    )
    run = bench.send_installment("q-1")
    assert run["status"] == "succeeded", run
    assert [part["status"] for part in bench.quote("q-1")["installments"]] == [
        "paid",
        "sent",
        "scheduled",
        "scheduled",
    ]


def test_a_quote_of_a_known_customer_takes_six_requests_to_its_link(bench: Any) -> None:
    bench.enable(invoice_status="open", send_payment_link=True)
    bench.accept(the_example())
    bench.stripe.requests.reset()

    bench.accept(the_example(id="q-2"))

    requests = [(r.method, r.path.split("/")[2]) for r in bench.stripe.requests]
    assert sorted(requests[:2]) == [("GET", "customers"), ("GET", "tax_rates")], "at the same time"
    assert requests[2:] == [
        ("POST", "invoices"),
        ("POST", "invoices"),
        ("POST", "invoices"),
        ("POST", "checkout"),
    ]
