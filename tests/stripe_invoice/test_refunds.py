"""A refund is noted on its quote and on its installment."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner

from builders import HALVES, LINK
from qwoty_integrations_host.cli import main
from qwoty_integrations_host.contract.record import InstallmentRecord, QuoteRecord, from_document, to_document
from stripe_invoice.conftest import alerts, figures, first_link, parts, the_invoice, webhook_runs


@pytest.fixture
def paid(linked: Any) -> tuple[Any, str]:
    """A bench on which the first half is paid, and the payment."""
    linked.pay(first_link(linked))
    linked.webhooks()
    return linked, str(linked.stripe.objects("sessions")[0]["payment_intent"])


def refunds(bench: Any) -> list[str]:
    return [note for run in webhook_runs(bench) for note in run["outcome"]["notes"] if "refund" in note.lower()]


def refund_of(bench: Any) -> str | None:
    found: str | None = parts(bench, "amount_refunded")[0]
    return found


@pytest.mark.parametrize(("amount", "back"), [(None, "60.00"), (1250, "12.50")], ids=["all of it", "a part"])
def test_a_refund_is_noted_on_its_quote_and_installment(paid: tuple[Any, str], amount: int | None, back: str) -> None:
    bench, payment = paid
    bench.stripe.requests.reset()

    bench.stripe.refund(payment, amount)
    bench.webhooks()

    (said,) = refunds(bench)
    assert said.startswith(f"A refund on payment {payment}, of installment 1, was made: {back} EUR of 60.00 EUR so far")
    assert parts(bench, "amount_refunded") == [back, None]
    assert (parts(bench, "status")[0], figures(bench)) == ("paid", ("partially_paid", "60.00", "60.00"))
    assert alerts(bench) == []
    # The signed event has all that is needed, so no request and no further permission is.
    assert len(bench.stripe.requests) == 0


def test_a_second_refund_is_added_to_the_first(paid: tuple[Any, str]) -> None:
    bench, payment = paid

    for amount, sum_so_far in ((1000, "10.00"), (500, "15.00")):
        bench.stripe.refund(payment, amount)
        bench.webhooks()
        assert refund_of(bench) == sum_so_far
        assert any(f"{sum_so_far} EUR of 60.00 EUR so far" in note for note in refunds(bench))


@pytest.mark.parametrize("newest_first", [False, True], ids=["in order", "newest first"])
def test_refunds_told_twice_or_out_of_order_never_lower_the_sum(paid: tuple[Any, str], newest_first: bool) -> None:
    bench, payment = paid
    bench.stripe.config.update(webhooks_held=True, webhook_copies=2)
    bench.stripe.refund(payment, 1000)
    bench.stripe.refund(payment, 500)

    bench.stripe.deliver(newest_first=newest_first)
    bench.work()

    assert refund_of(bench) == "15.00"
    assert len(refunds(bench)) == 2


def test_a_refund_is_found_by_the_payment_when_the_charge_carries_no_metadata(linked: Any) -> None:
    linked.stripe.config.update(charges_copy_metadata=False)
    linked.pay(first_link(linked))

    linked.stripe.refund(linked.stripe.objects("sessions")[0]["payment_intent"], 100)
    linked.webhooks()

    assert refund_of(linked) == "1.00"


def test_a_refund_whose_webhook_comes_before_its_payments_is_noted(linked: Any) -> None:
    linked.stripe.config.update(webhooks_held=True)
    payment = linked.stripe.pay(first_link(linked))["payment_intent"]
    linked.stripe.refund(payment, 100)

    linked.stripe.deliver(newest_first=True)
    linked.work()

    assert (refund_of(linked), parts(linked, "status")[0]) == ("1.00", "paid")
    assert parts(linked, "payment_id") == [payment, None]


def test_a_refund_of_a_payment_that_could_not_be_credited_is_noted(linked: Any, v1: Any) -> None:
    linked.stripe.config.update(webhooks_held=True)
    v1.invoices.void_invoice(the_invoice(linked)["id"])
    linked.pay(first_link(linked))

    linked.stripe.refund(linked.stripe.objects("sessions")[0]["payment_intent"])
    linked.webhooks()

    assert refund_of(linked) == "60.00"


def test_a_refund_of_what_was_paid_on_the_hosted_page_is_noted_on_the_quote(linked: Any) -> None:
    linked.stripe.pay_hosted(the_invoice(linked)["id"])
    linked.webhooks()
    payment = linked.stripe.objects("invoice_payments")[0]["payment"]["payment_intent"]

    linked.stripe.refund(payment, 2000)
    linked.webhooks()

    assert refunds(linked) == [
        f"A refund on payment {payment} was made: 20.00 EUR of 120.00 EUR so far. The invoice stays as it is."
    ]
    assert parts(linked, "amount_refunded") == [None, None]


def test_a_strangers_refund_is_acknowledged_and_ignored(paid: tuple[Any, str], v1: Any) -> None:
    bench, _ = paid
    line = {"quantity": 1, "price_data": {"currency": "eur", "unit_amount": 900, "product_data": {"name": "x"}}}
    given = {"mode": "payment", "line_items": [line], "success_url": "https://x.example"}
    payment = bench.stripe.pay(v1.checkout.sessions.create(params=given).id)["payment_intent"]
    before = len(webhook_runs(bench))

    bench.stripe.refund(payment)
    bench.webhooks()

    assert {delivery["status"] for delivery in bench.stripe.deliveries} == {"delivered"}
    assert len(webhook_runs(bench)) == before


def test_the_command_line_shows_the_payment_and_its_refund(
    paid: tuple[Any, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, payment = paid
    bench.stripe.refund(payment, 1250)
    bench.webhooks()
    monkeypatch.setenv("QWOTY_HOST_DATA_DIR", str(bench.host.config.data_dir))
    monkeypatch.setenv("QWOTY_HOST_DATABASE_URL", bench.host.config.shared_database or "")

    for command in (["quote", "show"], ["installment", "list"]):
        shown = CliRunner().invoke(main, [*command, "ws-1", "q-7"]).output
        assert f"{payment}, refunded 12.50" in shown
    asked = json.loads(CliRunner().invoke(main, ["installment", "list", "ws-1", "q-7", "--json"]).output)
    assert (asked["data"][0]["payment_id"], asked["data"][0]["amount_refunded"]) == (payment, "12.50")


def test_records_keep_refunds_and_overpayments_and_older_records_still_load() -> None:
    part = InstallmentRecord(number=1, amount=Decimal("60.00"), amount_refunded=Decimal("12.50"))
    record = QuoteRecord(currency="EUR", amount_overpaid=Decimal("40.00"), installments=(part,))
    stored = to_document(record)
    assert from_document(json.loads(json.dumps(stored))) == record

    del stored["amount_overpaid"], stored["installments"][0]["amount_refunded"]

    assert from_document(stored) == replace(
        record, amount_overpaid=None, installments=(replace(part, amount_refunded=None),)
    )


def test_the_documented_permissions_are_enough_for_refunds(bench: Any) -> None:
    from stripe_simulator.keys import DOCUMENTED_PERMISSIONS

    key = bench.stripe.add_key("rk_test_JustTheDocumented01", permissions=DOCUMENTED_PERMISSIONS)
    bench.enable(**LINK, workspace_api_token=key)
    bench.accept(HALVES)
    bench.pay(first_link(bench))

    bench.stripe.refund(bench.stripe.objects("sessions")[0]["payment_intent"], 100)
    bench.webhooks()

    assert (refund_of(bench), alerts(bench)) == ("1.00", [])
