"""A person marks an invoice as paid by bank transfer in Stripe: its record, its links, and what is shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner
from werkzeug.test import Client

from builders import EMAIL, a_quote
from console.conftest import Person, words
from qwoty_integrations_host import InstallmentRecord, InvoiceRecord, QuoteRecord
from qwoty_integrations_host.cli import main
from qwoty_integrations_host.contract.record import from_document, to_document
from qwoty_integrations_host.errors import ActionRefused
from qwoty_integrations_host.web.app import create_app
from qwoty_integrations_host.workspaces import api_keys
from qwoty_stripe_invoice.record import outside_seen, outside_unknown
from stripe_invoice.conftest import open_links, parts
from upkept import HOUR, held, later, look_after

#: Two forms in which Stripe may show such an invoice: recorded in 2020, and documented since 2025-03-31.
FORMS = pytest.mark.parametrize("holds_outside", [False, True], ids=["recorded in 2020", "documented since 2025"])


def the_invoice(bench: Any) -> str:
    (invoice,) = bench.stripe.objects("invoices")
    return str(invoice["id"])


def mark_paid(bench: Any) -> None:
    bench.stripe.mark_paid(the_invoice(bench))


def figures(bench: Any) -> tuple[str | None, ...]:
    quote = bench.quote("q-7")
    names = ("payment_status", "amount_paid", "amount_paid_outside", "amount_remaining")
    return tuple(quote[name] for name in names)


def notes(bench: Any) -> str:
    return " ".join(note for run in bench.quote("q-7")["runs"] for note in run["outcome"]["notes"])


@FORMS
def test_an_invoice_paid_by_transfer_is_shown_as_paid_and_takes_no_second_payment(
    linked: Any, holds_outside: bool
) -> None:
    linked.stripe.config.update(amount_paid_holds_outside=holds_outside)

    mark_paid(linked)
    linked.webhooks()

    assert figures(linked) == ("paid", "120.00", "120.00", "0.00")
    assert parts(linked, "status") == ["closed", "closed"]
    assert open_links(linked) == 0
    assert "120.00 EUR was settled outside Stripe." in notes(linked)
    assert {run["status"] for run in linked.quote("q-7")["runs"]} == {"succeeded"}
    with pytest.raises(ActionRefused, match="The invoice is paid, not open"):
        linked.send_installment("q-7", 2)
    # On the command line, over HTTP (where the platform reads it) and on its page.
    line = CliRunner().invoke(main, ["--data-dir", str(linked.host.config.data_dir), "quote", "show", "ws-1", "q-7"])
    assert "is paid: 120.00 EUR was settled outside Stripe." in line.output
    assert "120.00 paid, 120.00 of it settled outside Stripe, 0.00 to be paid" in line.output
    app = create_app(linked.host)
    key = api_keys.create(linked.host.store, linked.host.clock, "ws-1")["key"]
    told = Client(app).get("/v1/workspaces/ws-1/quotes/q-7", headers={"Authorization": f"Bearer {key}"})
    assert (told.json["amount_paid_outside"], told.json["amount_remaining"]) == ("120.00", "0.00")
    assert told.json["invoice"]["service"] == "Stripe"
    person = Person(linked, Client(app))
    person.log_in()
    page = words(person.page("/console/quotes/q-7"))
    assert "Settled outside Stripe €120.00 Due €0.00" in page
    assert "Closed" in page
    assert "Unpaid" not in page


@FORMS
def test_an_installment_paid_by_card_stays_paid_by_card(linked: Any, holds_outside: bool) -> None:
    linked.stripe.config.update(amount_paid_holds_outside=holds_outside)
    linked.pay(linked.stripe.objects("sessions")[0]["id"])

    mark_paid(linked)
    linked.webhooks()

    assert figures(linked) == ("paid", "120.00", "60.00", "0.00")
    assert parts(linked, "status") == ["paid", "closed"]


def test_a_payment_on_stripes_own_page_is_not_settled_outside(linked: Any) -> None:
    linked.stripe.pay_hosted(the_invoice(linked))
    linked.webhooks()

    assert figures(linked) == ("paid", "120.00", None, "0.00")
    assert parts(linked, "status") == ["paid", "paid"]
    asked = len(linked.stripe.requests.find("GET", "/v1/invoice_payments"))
    linked.stripe.deliver(again=True)
    linked.work()
    assert len(linked.stripe.requests.find("GET", "/v1/invoice_payments")) == asked, "the record has it already"


def test_a_request_for_a_link_closes_the_open_link_of_a_paid_invoice(linked: Any) -> None:
    mark_paid(held(linked))

    run = linked.send_installment("q-7", 2, look_first=True)

    assert (run["status"], open_links(linked)) == ("skipped", 0)
    assert figures(linked) == ("paid", "120.00", "120.00", "0.00")


def test_a_key_that_may_not_list_payments_still_sees_the_invoice_paid(linked: Any) -> None:
    linked.stripe.config.update(amount_paid_holds_outside=True)
    linked.stripe.faults.add("403", method="GET", path="/v1/invoice_payments", times=50)

    mark_paid(linked)
    linked.webhooks()

    assert figures(linked) == ("paid", "120.00", None, "0.00")
    assert open_links(linked) == 0


# -- quotes without a link, which have no webhook ------------------------------------------------------


def marked(bench: Any, v1: Any) -> None:
    mark_paid(bench)


def paid_on_the_page(bench: Any, v1: Any) -> None:
    bench.stripe.pay_hosted(the_invoice(bench))


def voided(bench: Any, v1: Any) -> None:
    v1.invoices.void_invoice(the_invoice(bench))


def finalized(bench: Any, v1: Any) -> None:
    v1.invoices.finalize_invoice(the_invoice(bench))


def finalized_and_marked(bench: Any, v1: Any) -> None:
    finalized(bench, v1)
    mark_paid(bench)


WITHOUT_WEBHOOK = [
    pytest.param(EMAIL, marked, ("paid", "120.00", "120.00", "0.00"), id="mailed by Stripe, paid by transfer"),
    pytest.param(EMAIL, paid_on_the_page, ("paid", "120.00", None, "0.00"), id="mailed by Stripe, paid on its page"),
    pytest.param(EMAIL, voided, ("void", "0.00", None, "0.00"), id="mailed by Stripe, voided"),
    pytest.param({}, finalized, ("unpaid", "0.00", None, "120.00"), id="a draft, made final by hand"),
    pytest.param({}, finalized_and_marked, ("paid", "120.00", "120.00", "0.00"), id="a draft, made final and paid"),
]


@pytest.mark.parametrize(("settings", "happened", "expected"), WITHOUT_WEBHOOK)
def test_the_upkeep_notices_what_happens_to_an_invoice_without_a_link(
    bench: Any, v1: Any, settings: dict[str, Any], happened: Callable[[Any, Any], None], expected: tuple[Any, ...]
) -> None:
    bench.enable(**settings)
    assert bench.accept(a_quote())["status"] == "succeeded"
    assert bench.stripe.objects("endpoints") == []
    happened(bench, v1)
    later(bench, HOUR)

    assert len(bench.host.upkeep.request_due()) == 1
    bench.work()

    assert figures(bench) == expected
    # An invoice that is settled is not requested again.
    later(bench, HOUR)
    assert len(bench.host.upkeep.request_due()) == (expected[0] == "unpaid")
    bench.work()
    assert figures(bench) == expected


def test_an_upkeep_without_news_asks_once_for_each_open_invoice(bench: Any) -> None:
    bench.enable(**EMAIL)
    bench.accept(a_quote())
    bench.stripe.requests.reset()

    run = look_after(bench)

    assert run["status"] == "skipped", run
    assert [(request.method, request.path) for request in bench.stripe.requests] == [
        ("GET", f"/v1/invoices/{the_invoice(bench)}")
    ]


# -- the record alone ----------------------------------------------------------------------------------


def a_record(**changes: Any) -> QuoteRecord:
    parts = (
        InstallmentRecord(number=1, amount=Decimal("60.00"), status="paid", payment_id="pi_1"),
        InstallmentRecord(number=2, amount=Decimal("60.00"), status="sent", url="https://pay.example/2"),
    )
    record = QuoteRecord(
        currency="EUR",
        invoice=InvoiceRecord(id="in_1", status="paid", account="a"),
        total=Decimal("120.00"),
        amount_paid=Decimal("60.00"),
        amount_remaining=Decimal("60.00"),
        installments=parts,
    )
    return replace(record, **changes)


def test_closing_a_closed_record_changes_nothing() -> None:
    closed = a_record().closed()

    assert closed.closed() == closed == from_document(json.loads(json.dumps(to_document(closed))))
    assert (closed.amount_paid, closed.amount_paid_outside, closed.amount_remaining) == (
        Decimal("120.00"), Decimal("60.00"), Decimal("0.00"),
    )  # fmt: skip
    assert [(part.status, part.url) for part in closed.installments] == [("paid", None), ("closed", None)]


def test_a_record_of_an_earlier_release_reads_as_settled_outside() -> None:
    earlier = to_document(a_record())
    for name in ("amount_paid_outside", "service"):
        del earlier[name]

    assert from_document(earlier) == a_record().closed()


def a_payment(amount: int | None, kind: str = "payment_intent", status: str = "paid") -> dict[str, Any]:
    return {"amount_paid": amount, "status": status, "payment": {"type": kind}}


@pytest.mark.parametrize(
    ("payments", "outside"),
    [
        pytest.param([], "120.00", id="nothing that Stripe took"),
        pytest.param([a_payment(6000), a_payment(None, status="canceled")], "60.00", id="a half"),
        pytest.param([a_payment(6000), a_payment(6000, "payment_record")], "60.00", id="a half, noted as a payment"),
        pytest.param([a_payment(6000), a_payment(6000, "charge")], "0.00", id="all of it at Stripe"),
        pytest.param([a_payment(15000)], "0.00", id="more than was due"),
    ],
)
def test_an_amount_without_a_payment_at_stripe_is_settled_outside(payments: list[Any], outside: str) -> None:
    record = a_record(amount_paid=Decimal("120.00"), amount_remaining=Decimal("0.00"))
    assert outside_unknown(record)

    seen = outside_seen(record, payments)

    assert seen.amount_paid_outside == Decimal(outside)
    assert not outside_unknown(seen)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"amount_paid": Decimal("60.00")}, id="our links explain all of it"),
        pytest.param({"amount_paid": Decimal("0.00")}, id="nothing was due"),
        pytest.param({"invoice": InvoiceRecord(id="in_1", status="open", account="a")}, id="it is still open"),
        pytest.param({"invoice": None}, id="there is no invoice"),
    ],
)
def test_stripe_is_not_asked_when_nothing_is_unexplained(changes: dict[str, Any]) -> None:
    assert not outside_unknown(a_record(**changes))
