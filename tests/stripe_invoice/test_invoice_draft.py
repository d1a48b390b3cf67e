"""The invoice as it is asked for: a draft or an open one, its terms, its metadata and its idempotency keys."""

from __future__ import annotations

from typing import Any

import pytest

from builders import LINK, OPEN, a_line, a_quote, the_example
from stripe_invoice.conftest import the_invoice, writes


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"send_payment_link": True},
        {"send_invoice_email": True},
        {"send_payment_link": True, "send_invoice_email": True},
    ],
    ids=["nothing set", "link", "email", "both"],
)
def test_a_draft_is_never_sent_whatever_else_is_set(bench: Any, settings: dict[str, Any]) -> None:
    bench.enable(**settings)

    run = bench.accept(the_example())

    assert run["status"] == "succeeded"
    assert (run["outcome"]["invoice_status"], run["outcome"]["payment_status"]) == ("draft", "draft")
    assert (run["outcome"]["total"], run["outcome"]["payment_link"]) == ("9102.00", None)
    assert (the_invoice(bench)["status"], the_invoice(bench)["total"]) == ("draft", 910200)
    assert set(writes(bench)) == {"customers", "tax_rates", "invoices", "add_lines"}
    assert bench.mails() == []


def test_an_open_invoice_without_a_way_of_sending_is_final_and_not_sent(bench: Any) -> None:
    bench.enable(**OPEN)

    run = bench.accept(the_example())

    assert run["status"] == "succeeded"
    assert (run["outcome"]["invoice_status"], run["outcome"]["payment_status"]) == ("open", "unpaid")
    assert the_invoice(bench)["auto_advance"] is False
    assert "send" not in writes(bench)
    assert bench.mails() == []
    assert bench.stripe.objects("sessions") == []


def test_a_draft_for_a_known_customer_takes_four_requests(bench: Any) -> None:
    bench.enable()
    bench.accept(the_example())
    bench.stripe.requests.reset()

    bench.accept(the_example(id="q-2"))

    assert [r.method for r in bench.stripe.requests] == ["GET", "GET", "POST", "POST"]


def test_the_request_for_a_draft_lets_stripe_do_nothing_by_itself(bench: Any) -> None:
    bench.enable()

    bench.accept(the_example())

    (create,) = bench.stripe.requests.find("POST", "/v1/invoices")[:1]
    customer = bench.stripe.objects("customers")[0]["id"]
    assert create.params == {
        "customer": customer,
        "currency": "eur",
        "collection_method": "send_invoice",
        "days_until_due": "90",
        "auto_advance": "false",
        "pending_invoice_items_behavior": "exclude",
        "discounts": "",
        "automatic_tax": {"enabled": "false"},
        "custom_fields": [{"name": "Devis", "value": "Q-2026-042"}, {"name": "Société", "value": "Buyer SARL"}],
        "rendering": {"pdf": {"page_size": "a4"}},
        "metadata": {
            "qwoty_workspace": "ws-1",
            "qwoty_quote_id": "q-1",
            "qwoty_quote_number": "Q-2026-042",
            "qwoty_version": create.params["metadata"]["qwoty_version"],
        },
    }


@pytest.mark.parametrize(
    ("terms", "days"),
    [
        ([], 30),
        (["po_received"], 30),
        (["custom", "something new"], 30),
        (["due_on_receipt"], 0),
        (["due_now"], 0),
        (["due_now", "net30"], 30),
        (["net60", "net15"], 60),
        (["net120", "po_received"], 120),
    ],
)
def test_the_invoice_is_due_with_its_latest_installment(bench: Any, terms: list[str], days: int) -> None:
    bench.enable()
    quote = a_quote(installments=len(terms))
    for part, term in zip((quote["payment_terms"] or {"installments": []})["installments"], terms, strict=True):
        part["term"] = term

    bench.accept(quote)

    (create, *_) = bench.stripe.requests.find("POST", "/v1/invoices")
    assert create.params["days_until_due"] == str(days)


def test_a_strangers_pending_item_is_not_invoiced(bench: Any, v1: Any) -> None:
    customer = v1.customers.create(params={"email": "ana@buyer.example"}).id
    v1.invoice_items.create(params={"customer": customer, "amount": 999, "currency": "eur"})
    bench.enable(**OPEN)

    run = bench.accept(a_quote())

    assert (run["outcome"]["customer_id"], run["outcome"]["total"]) == (customer, "120.00")


def test_the_same_quote_accepted_again_makes_no_second_invoice(bench: Any) -> None:
    bench.enable(**OPEN)
    first = bench.accept(the_example())
    before = len(bench.stripe.requests)

    again = bench.host.runs.acceptance.accept("ws-1", the_example())
    bench.work()

    assert (again.duplicate, again.run_ids) == (True, (first["id"],))
    assert len(bench.stripe.requests) == before


def test_every_idempotency_key_is_unique_names_its_workspace_and_fits(bench: Any) -> None:
    bench.enable(**LINK)
    long = "q" * 240
    bench.accept(a_quote(a_line("i" * 240), id=long, number=long, contact={"id": "c" * 255}, installments=2))

    keys = [r.idempotency_key for r in bench.stripe.requests if r.method == "POST"]
    assert len(keys) == 7
    assert all(key.startswith("qwoty:ws-1:") and len(key) <= 255 for key in keys)
    assert len(set(keys)) == len(keys)


def test_the_metadata_of_every_object_is_as_documented(bench: Any) -> None:
    bench.enable(**LINK)

    bench.accept(the_example())

    (session,) = bench.stripe.objects("sessions")
    mine = {"qwoty_workspace": "ws-1", "qwoty_quote_id": "q-1", "qwoty_quote_number": "Q-2026-042"}
    version = the_invoice(bench)["metadata"]["qwoty_version"]
    assert the_invoice(bench)["metadata"] == {**mine, "qwoty_version": version}
    assert session["metadata"] == {**mine, "qwoty_installment": "1"}
    assert bench.stripe.objects("customers")[0]["metadata"]["qwoty_contact"] == "contact_3"
    assert bench.stripe.objects("tax_rates")[0]["metadata"]["qwoty_tax"] == "tax_1"
