"""The customer's balance at Stripe: credit lowers what is due, and debt raises it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from builders import EMAIL, HALVES, LINK, OPEN, a_quote
from stripe_invoice.conftest import alerts, figures, first_link, notes, parts, the_invoice


def with_balance(bench: Any, v1: Any, balance: int) -> None:
    """Make the customer at Stripe, with a credit (negative) or a debt (positive) in cents."""
    v1.customers.create(params={"email": "ana@buyer.example", "balance": balance})


@pytest.mark.parametrize(
    ("balance", "shares", "said"),
    [
        pytest.param(0, ["60.00", "60.00"], None, id="without a balance nothing is said of it"),
        pytest.param(
            -2000,
            ["50.00", "50.00"],
            "The customer's credit balance lowers what is due by 20.00 EUR, to 100.00 EUR.",
            id="credit lowers what is due, and the installments share what is due",
        ),
        pytest.param(
            -1999,
            ["50.01", "50.00"],
            "The customer's credit balance lowers what is due by 19.99 EUR, to 100.01 EUR.",
            id="an odd cent goes to the first installment, and none is lost",
        ),
        pytest.param(
            5000,
            ["85.00", "85.00"],
            "The customer's debt at Stripe raises what is due by 50.00 EUR, to 170.00 EUR.",
            id="debt raises what is due, and that is said",
        ),
    ],
)
def test_installments_share_what_the_balance_leaves_due(
    bench: Any, v1: Any, balance: int, shares: list[str], said: str | None
) -> None:
    with_balance(bench, v1, balance)
    bench.enable(**LINK)

    run = bench.accept(HALVES)

    due = the_invoice(bench)["amount_due"]
    assert (run["status"], run["outcome"]["total"]) == ("succeeded", "120.00")
    assert parts(bench, "amount") == shares
    assert sum(Decimal(share) for share in shares) == Decimal(due) / 100
    assert run["outcome"]["payment_link"]["amount"] == shares[0]
    assert said in notes(run).splitlines() if said else "balance" not in notes(run)


def test_a_third_of_what_is_due_is_rounded_by_the_largest_remainder(bench: Any, v1: Any) -> None:
    with_balance(bench, v1, -2000)
    bench.enable(**LINK)

    bench.accept(a_quote(installments=["33.33", "33.33", "33.34"]))

    assert parts(bench, "amount") == ["33.33", "33.33", "33.34"]


def test_installments_lowered_by_credit_pay_the_invoice_in_full(bench: Any, v1: Any) -> None:
    with_balance(bench, v1, -1999)
    bench.enable(**LINK)
    bench.accept(HALVES)

    bench.pay(first_link(bench))
    assert bench.send_installment("q-7")["status"] == "succeeded"
    bench.pay(bench.stripe.objects("sessions")[1]["id"])
    bench.webhooks()

    assert figures(bench) == ("paid", "100.01", "0.00")
    assert alerts(bench) == []


CARRIED = (
    "0.20 EUR are less than Stripe's smallest payment: Stripe calls the invoice paid and adds them to the customer's "
    "balance as a debt."
)


@pytest.mark.parametrize("settings", [OPEN, EMAIL, LINK], ids=["open", "email", "link"])
@pytest.mark.parametrize(
    ("balance", "after", "said"),
    [
        pytest.param(
            -12000,
            0,
            ["The customer's credit balance lowers what is due by 120.00 EUR, to 0.00 EUR."],
            id="credit that covers just everything",
        ),
        pytest.param(
            -20000,
            -8000,
            ["The customer's credit balance lowers what is due by 120.00 EUR, to 0.00 EUR."],
            id="credit that covers more than everything",
        ),
        pytest.param(
            -11980,
            20,
            [
                "The customer's credit balance lowers what is due by 119.80 EUR, to 0.20 EUR.",
                CARRIED,
            ],
            id="credit that leaves less than the smallest payment",
        ),
    ],
)
def test_an_invoice_that_credit_covers_is_paid_at_once(
    bench: Any, v1: Any, settings: dict[str, Any], balance: int, after: int, said: list[str]
) -> None:
    with_balance(bench, v1, balance)
    bench.enable(**settings)

    run = bench.accept(HALVES)

    assert (run["status"], run["outcome"]["payment_status"]) == ("succeeded", "paid")
    assert run["outcome"]["notes"][0] == "Nothing is left to pay, so the invoice is paid at once; nothing was sent."
    assert [line for line in notes(run).splitlines() if "credit" in line or "smallest" in line] == said
    assert (bench.stripe.objects("sessions"), bench.stripe.objects("sent"), bench.mails()) == ([], [], [])
    assert bench.stripe.objects("customers")[0]["balance"] == after
    assert parts(bench, "amount") == ["0.00", "0.00"]


def test_an_installment_below_the_smallest_payment_gets_no_link_and_a_note(bench: Any, v1: Any) -> None:
    bench.stripe.config.update(minimum_charge_goes_to_balance=False)
    with_balance(bench, v1, -11980)
    bench.enable(**LINK)

    run = bench.accept(HALVES)

    assert (run["status"], run["outcome"]["payment_status"], bench.mails()) == ("succeeded", "unpaid", [])
    assert "Installment 1 of 2 (0.10 EUR) is below the smallest payment" in notes(run)
    assert "by 119.80 EUR, to 0.20 EUR." in notes(run)


def test_a_draft_that_a_person_finalizes_shares_what_is_due_after_credit(bench: Any, v1: Any) -> None:
    with_balance(bench, v1, -1999)
    bench.enable()
    bench.accept(HALVES)
    assert parts(bench, "amount") == ["60.00", "60.00"]
    v1.invoices.finalize_invoice(the_invoice(bench)["id"])

    run = bench.send_installment("q-7", look_first=True)

    assert run["outcome"]["payment_link"]["amount"] == "50.01"
    assert parts(bench, "amount") == ["50.01", "50.00"]
