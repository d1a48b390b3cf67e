"""What money can do: nothing due, less due, more due, paid too much, too late, later, and given back."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from builders import EMAIL, LINK, a_line, a_quote
from qwoty_integrations_host.cli import main
from qwoty_integrations_host.contract.record import InstallmentRecord, QuoteRecord, from_document, to_document
from qwoty_integrations_host.errors import ActionRefused, Interruption
from qwoty_integrations_host.store import tables
from qwoty_stripe_invoice import payments

DRAFT: dict[str, Any] = {}
OPEN = {"invoice_status": "open"}
FREE = a_quote(a_line("l1", "0.00", taxes=[]), installments=2)
#: 120.00 EUR in two halves.
HALVES = a_quote(installments=2)


@pytest.fixture
def linked(bench: Any) -> Any:
    """A bench on which 120.00 EUR are invoiced in two halves, and the link of the first is out."""
    bench.enable(**LINK)
    run = bench.accept(HALVES)
    assert run["status"] == "succeeded", run
    return bench


def the_invoice(bench: Any) -> dict[str, Any]:
    (invoice,) = bench.stripe.objects("invoices")
    found: dict[str, Any] = invoice
    return found


def first_link(bench: Any) -> str:
    return str(bench.stripe.objects("sessions")[0]["id"])


def parts(bench: Any, name: str) -> list[Any]:
    return [part[name] for part in bench.quote("q-7")["installments"]]


def figures(bench: Any) -> tuple[str, str, str]:
    quote = bench.quote("q-7")
    return quote["payment_status"], quote["amount_paid"], quote["amount_remaining"]


def webhook_runs(bench: Any) -> list[dict[str, Any]]:
    return [run for run in bench.quote("q-7")["runs"] if run["kind"] == "webhook"]


def alerts(bench: Any) -> list[dict[str, Any]]:
    """The runs that a person has to look at."""
    return [run for run in bench.quote("q-7")["runs"] if run["status"] in {"needs_attention", "failed"}]


def notes(*runs: dict[str, Any]) -> str:
    return "\n".join(note for run in runs for note in run["outcome"]["notes"])


def open_links(bench: Any) -> int:
    return sum(session["status"] == "open" for session in bench.stripe.objects("sessions"))


def with_balance(bench: Any, v1: Any, balance: int) -> None:
    """The customer is known to Stripe, with a credit (negative) or a debt in cents."""
    v1.customers.create(params={"email": "ana@buyer.example", "balance": balance})


def pay_besides(bench: Any, v1: Any, amount: int) -> str:
    """Somebody in the Dashboard credits a payment of another origin to the invoice."""
    invoice = the_invoice(bench)
    line = {"quantity": 1, "price_data": {"currency": "eur", "unit_amount": amount, "product_data": {"name": "Wire"}}}
    given = {
        "mode": "payment",
        "customer": invoice["customer"],
        "line_items": [line],
        "success_url": "https://x.example",
    }
    payment = bench.stripe.pay(v1.checkout.sessions.create(params=given).id)["payment_intent"]
    v1.invoices.attach_payment(invoice["id"], params={"payment_intent": payment})
    return str(payment)


# -- nothing to pay, and less than nothing ------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "status", "said"),
    [
        pytest.param(DRAFT, "draft", "left as a draft; nothing was sent", id="a draft over nothing stays a draft"),
        pytest.param(OPEN, "paid", "paid at once; nothing was sent", id="an open invoice over nothing is paid at once"),
        pytest.param(EMAIL, "paid", "paid at once; nothing was sent", id="Stripe is not asked to mail a paid invoice"),
        pytest.param(LINK, "paid", "paid at once; nothing was sent", id="no link is made where nothing is to be paid"),
    ],
)
def test_a_total_of_zero(bench: Any, settings: dict[str, Any], status: str, said: str) -> None:
    bench.enable(**settings)

    run = bench.accept(FREE)

    assert (run["status"], run["outcome"]["invoice_status"], run["outcome"]["total"]) == ("succeeded", status, "0.00")
    assert said in notes(run)
    assert (bench.stripe.objects("sessions"), bench.stripe.objects("sent"), bench.mails()) == ([], [], [])
    assert parts(bench, "status") == (["scheduled"] * 2 if status == "draft" else ["paid"] * 2)


@pytest.mark.parametrize("settings", [DRAFT, OPEN, EMAIL, LINK], ids=["draft", "open", "email", "link"])
def test_a_negative_total_is_refused_before_any_request(bench: Any, settings: dict[str, Any]) -> None:
    bench.enable(**settings)

    run = bench.accept(a_quote(a_line("l1", "100.00"), a_line("l2", "-150.00"), total="-60.00"))

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "total_negative")
    assert "-60.00 EUR" in run["error"]["title"]
    assert "A credit note is not an invoice" in run["error"]["hint"]
    assert len(bench.stripe.requests) == 0


# -- the customer's balance ---------------------------------------------------------------------------


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
def test_installments_follow_what_is_due(
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


def test_what_credit_lowers_is_paid_in_full_by_the_installments(bench: Any, v1: Any) -> None:
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
def test_what_credit_covers_is_paid_at_once(
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


def test_where_stripe_asks_for_less_than_its_smallest_payment_no_link_is_made_and_it_is_said(
    bench: Any, v1: Any
) -> None:
    bench.stripe.config.update(minimum_charge_goes_to_balance=False)
    with_balance(bench, v1, -11980)
    bench.enable(**LINK)

    run = bench.accept(HALVES)

    assert (run["status"], run["outcome"]["payment_status"], bench.mails()) == ("succeeded", "unpaid", [])
    assert "Installment 1 of 2 (0.10 EUR) is below the smallest payment" in notes(run)
    assert "by 119.80 EUR, to 0.20 EUR." in notes(run)


def test_a_draft_that_a_person_makes_final_shares_what_is_due_then(bench: Any, v1: Any) -> None:
    with_balance(bench, v1, -1999)
    bench.enable(**DRAFT)
    bench.accept(HALVES)
    assert parts(bench, "amount") == ["60.00", "60.00"]
    v1.invoices.finalize_invoice(the_invoice(bench)["id"])

    run = bench.send_installment("q-7", look_first=True)

    assert run["outcome"]["payment_link"]["amount"] == "50.01"
    assert parts(bench, "amount") == ["50.01", "50.00"]


# -- paid too much ------------------------------------------------------------------------------------


def test_an_overpayment_that_stripe_credits_is_recorded_and_shown_once(linked: Any, v1: Any) -> None:
    linked.stripe.config.update(webhooks_held=True)
    pay_besides(linked, v1, 10000)

    linked.pay(first_link(linked))
    linked.webhooks()

    (run,) = alerts(linked)
    assert (run["status"], run["error"]["code"]) == ("needs_attention", "overpaid")
    assert "asked for 120.00 EUR and was paid with 40.00 EUR too much" in run["error"]["title"]
    assert "Refund it" in run["error"]["hint"]
    assert (*figures(linked), linked.quote("q-7")["amount_overpaid"]) == ("paid", "120.00", "0.00", "40.00")
    assert parts(linked, "payment_id")[0] == linked.stripe.objects("sessions")[0]["payment_intent"]


def test_an_overpayment_by_somebody_else_is_shown_when_stripe_tells_of_it(linked: Any, v1: Any) -> None:
    pay_besides(linked, v1, 15000)
    linked.webhooks()

    (run,) = alerts(linked)
    assert run["error"]["code"] == "overpaid"
    assert "30.00 EUR too much" in run["error"]["title"]


def test_an_overpayment_whose_webhooks_were_lost_is_shown_by_the_next_look(linked: Any, v1: Any) -> None:
    linked.stripe.config.update(webhooks_held=True)
    pay_besides(linked, v1, 15000)

    first = linked.send_installment("q-7", look_first=True)
    linked.webhooks()

    assert (first["status"], first["error"]["code"]) == ("needs_attention", "overpaid")
    assert [run["id"] for run in alerts(linked)] == [first["id"]]


@pytest.mark.parametrize("fault", ["cut_after", "500_after"])
def test_an_overpayment_is_shown_though_the_answer_was_lost(linked: Any, v1: Any, fault: str) -> None:
    linked.stripe.config.update(webhooks_held=True)
    pay_besides(linked, v1, 10000)
    linked.stripe.faults.add(fault, path=r"/attach_payment$")

    linked.pay(first_link(linked))
    linked.webhooks()

    assert [run["error"]["code"] for run in alerts(linked)] == ["overpaid"]


class Crash(Interruption):
    """The process dies."""


@pytest.mark.parametrize(
    ("name", "calls"),
    [
        pytest.param("overpayment_seen", 1, id="before it is seen"),
        pytest.param("overpayment_seen", 2, id="before it is on record"),
        pytest.param("shown", 1, id="before the run ends"),
    ],
)
def test_an_overpayment_is_shown_though_the_process_died(
    linked: Any, v1: Any, monkeypatch: pytest.MonkeyPatch, name: str, calls: int
) -> None:
    linked.stripe.config.update(webhooks_held=True)
    pay_besides(linked, v1, 10000)
    linked.stripe.pay(first_link(linked))
    original, left = getattr(payments, name), [calls]

    def dies(*given: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            raise Crash
        return original(*given)

    linked.stripe.deliver()
    monkeypatch.setattr(payments, name, dies)
    for _ in range(2):
        with suppress(Crash):
            linked.work()
    for run in webhook_runs(linked):
        linked.host.engine.work_again(f"{run['id']}.1")

    assert [run["error"]["code"] for run in alerts(linked)] == ["overpaid"]
    assert linked.quote("q-7")["amount_overpaid"] == "40.00"


def test_an_overpayment_that_stripe_refuses_is_recorded_and_shown(linked: Any, v1: Any) -> None:
    linked.stripe.config.update(refuse_overpayment=True, webhooks_held=True)
    pay_besides(linked, v1, 10000)

    linked.pay(first_link(linked))
    linked.webhooks()

    (run,) = alerts(linked)
    payment = linked.stripe.objects("sessions")[0]["payment_intent"]
    assert (run["status"], run["error"]["code"]) == ("needs_attention", "payment_not_attached")
    assert f"The customer paid 60.00 EUR ({payment})" in run["error"]["title"]
    assert "open with 20.00 EUR left to pay" in run["error"]["title"]
    assert (parts(linked, "status")[0], parts(linked, "payment_id")[0]) == ("paid", payment)
    assert figures(linked) == ("partially_paid", "100.00", "20.00")


def test_what_was_paid_but_refused_is_not_asked_for_again_and_the_rest_is(linked: Any, v1: Any) -> None:
    linked.stripe.config.update(refuse_overpayment=True, webhooks_held=True)
    pay_besides(linked, v1, 10000)
    linked.pay(first_link(linked))
    linked.webhooks()

    run = linked.send_installment("q-7", look_first=True)

    assert (run["status"], run["outcome"]["payment_link"]["amount"]) == ("succeeded", "20.00")
    assert len(linked.posts(f"/v1/invoices/{the_invoice(linked)['id']}/attach_payment")) == 2  # the other's and ours


@pytest.mark.parametrize("refused", [True, False], ids=["refuses too much", "credits too much"])
def test_the_whole_paid_on_the_hosted_page_while_a_payment_was_under_way_is_shown(linked: Any, refused: bool) -> None:
    linked.stripe.config.update(refuse_overpayment=refused)
    linked.stripe.pay_later(first_link(linked))
    linked.webhooks()
    assert figures(linked) == ("processing", "0.00", "120.00")

    linked.stripe.pay_hosted(the_invoice(linked)["id"])
    linked.stripe.settle(first_link(linked))
    linked.webhooks()

    (run,) = alerts(linked)
    assert run["error"]["code"] == "payment_not_attached"
    assert "60.00 EUR" in run["error"]["title"] and "which is paid" in run["error"]["title"]
    assert parts(linked, "payment_id")[0] == linked.stripe.objects("sessions")[0]["payment_intent"]


# -- paid after the invoice was closed ----------------------------------------------------------------


def _void(bench: Any, v1: Any) -> None:
    v1.invoices.void_invoice(the_invoice(bench)["id"])


def _pay_hosted(bench: Any, v1: Any) -> None:
    bench.stripe.pay_hosted(the_invoice(bench)["id"])


def _mark_uncollectible(bench: Any, v1: Any) -> None:
    bench.stripe.config.update(uncollectible_takes_payments=False)
    v1.invoices.mark_uncollectible(the_invoice(bench)["id"])


CLOSED = [
    pytest.param(_void, "void", id="after the invoice was voided"),
    pytest.param(_pay_hosted, "paid", id="after the invoice was paid elsewhere"),
    pytest.param(_mark_uncollectible, "uncollectible", id="after the invoice was marked uncollectible"),
]


@pytest.mark.parametrize(("close", "status"), CLOSED)
def test_a_payment_that_comes_too_late_is_kept_and_shown(linked: Any, v1: Any, close: Any, status: str) -> None:
    linked.stripe.config.update(webhooks_held=True)
    close(linked, v1)

    linked.pay(first_link(linked))
    linked.stripe.deliver(again=True)
    linked.work()

    (run,) = alerts(linked)
    payment = linked.stripe.objects("sessions")[0]["payment_intent"]
    assert (run["status"], run["error"]["code"]) == ("needs_attention", "payment_not_attached")
    assert f"60.00 EUR ({payment})" in run["error"]["title"] and f"which is {status}." in run["error"]["title"]
    assert (parts(linked, "status")[0], parts(linked, "payment_id")[0]) == ("paid", payment)
    assert linked.quote("q-7")["payment_status"] == status


@pytest.mark.parametrize(("close", "status"), CLOSED)
def test_it_is_not_tried_again_by_itself(linked: Any, v1: Any, close: Any, status: str) -> None:
    linked.stripe.config.update(webhooks_held=True)
    close(linked, v1)
    linked.pay(first_link(linked))
    linked.stripe.requests.reset()

    linked.clock.advance(7 * 86400)
    linked.work()

    assert len(linked.stripe.requests) == 0


@pytest.mark.parametrize(
    ("act", "status", "found"),
    [
        pytest.param("settle", "paid", ["payment_not_attached"], id="it succeeds, and that is shown"),
        pytest.param("fail", "failed", [], id="it fails, and nothing is left to do"),
    ],
)
def test_a_debit_that_was_under_way_when_the_invoice_was_voided(
    linked: Any, v1: Any, act: str, status: str, found: list[str]
) -> None:
    linked.stripe.pay_later(first_link(linked))
    linked.webhooks()
    _void(linked, v1)
    linked.webhooks()

    getattr(linked.stripe, act)(first_link(linked))
    linked.webhooks()

    assert (linked.quote("q-7")["payment_status"], parts(linked, "status")[0]) == ("void", status)
    assert [run["error"]["code"] for run in alerts(linked)] == found


def test_once_a_person_has_attached_it_the_retried_run_sees_that(linked: Any, v1: Any) -> None:
    linked.stripe.config.update(refuse_overpayment=True, webhooks_held=True)
    other = pay_besides(linked, v1, 10000)
    linked.pay(first_link(linked))
    (run,) = alerts(linked)
    assert other not in run["error"]["title"]
    linked.stripe.config.update(refuse_overpayment=False)
    payment = linked.stripe.objects("sessions")[0]["payment_intent"]
    v1.invoices.attach_payment(the_invoice(linked)["id"], params={"payment_intent": payment})

    run = linked.retry(run["id"])

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "overpaid")
    assert linked.retry(run["id"])["status"] == "succeeded"


def test_once_a_person_has_refunded_it_the_retried_run_is_done(linked: Any, v1: Any) -> None:
    linked.stripe.config.update(webhooks_held=True)
    _pay_hosted(linked, v1)
    linked.pay(first_link(linked))
    (run,) = [found for found in alerts(linked) if found["error"]["code"] == "payment_not_attached"]
    linked.stripe.refund(linked.stripe.objects("sessions")[0]["payment_intent"])
    linked.webhooks()

    assert linked.retry(run["id"])["status"] == "succeeded"


def test_an_uncollectible_invoice_that_takes_the_late_payment_is_credited(linked: Any, v1: Any) -> None:
    v1.invoices.mark_uncollectible(the_invoice(linked)["id"])
    linked.webhooks()

    linked.pay(first_link(linked))

    assert alerts(linked) == []
    assert figures(linked) == ("uncollectible", "60.00", "60.00")


@pytest.mark.parametrize("close", [_void, _pay_hosted], ids=["voided", "paid on the hosted page"])
def test_a_link_does_not_outlive_its_invoice(linked: Any, v1: Any, close: Any) -> None:
    assert open_links(linked) == 1
    close(linked, v1)

    linked.webhooks()

    assert open_links(linked) == 0
    assert "The payment link of installment 1 was closed." in notes(*webhook_runs(linked))
    assert alerts(linked) == []


# -- paid later, or not -------------------------------------------------------------------------------


def test_a_debit_that_succeeds_later_is_processing_until_then(linked: Any) -> None:
    linked.stripe.pay_later(first_link(linked))
    linked.webhooks()
    assert (parts(linked, "status"), figures(linked)) == (["processing", "scheduled"], ("processing", "0.00", "120.00"))

    linked.stripe.settle(first_link(linked))
    linked.webhooks()

    assert (parts(linked, "status"), figures(linked)) == (["paid", "scheduled"], ("partially_paid", "60.00", "60.00"))
    assert alerts(linked) == []


@pytest.mark.parametrize("newest_first", [False, True], ids=["in order", "newest first"])
def test_a_debit_that_fails_later_can_be_asked_for_again(linked: Any, newest_first: bool) -> None:
    linked.stripe.config.update(webhooks_held=True)
    linked.stripe.pay_later(first_link(linked))
    linked.stripe.fail(first_link(linked))
    linked.stripe.deliver(newest_first=newest_first)
    linked.work()
    assert (parts(linked, "status"), figures(linked)) == (["failed", "scheduled"], ("unpaid", "0.00", "120.00"))
    assert "The payment failed; the installment can be sent again." in notes(*webhook_runs(linked))

    run = linked.send_installment("q-7", 1)

    assert (run["status"], open_links(linked), len(linked.mails())) == ("succeeded", 1, 2)
    linked.pay(linked.stripe.objects("sessions")[1]["id"])
    assert figures(linked) == ("partially_paid", "60.00", "60.00")


# -- links that are over ------------------------------------------------------------------------------


def _by_time(bench: Any) -> None:
    bench.clock.advance(25 * 3600)
    bench.stripe.clock.advance(25 * 3600)


def _in_the_dashboard(bench: Any) -> None:
    bench.stripe.expire(first_link(bench))


@pytest.mark.parametrize("end", [_by_time, _in_the_dashboard], ids=["by time", "in the Dashboard"])
@pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
def test_an_expired_link_is_renewed_on_request(linked: Any, end: Any, told: bool) -> None:
    linked.stripe.config.update(webhooks_held=not told)
    end(linked)
    if told:
        linked.webhooks()
        assert parts(linked, "status")[0] == "expired"

    run = linked.send_installment("q-7", look_first=True)

    assert run["status"] == "succeeded", run
    assert [s["status"] for s in linked.stripe.objects("sessions")] == ["expired", "open"]
    assert (parts(linked, "status")[0], len(linked.mails())) == ("sent", 2)


def test_there_are_never_two_payable_links(linked: Any) -> None:
    for number in (1, 1, None):
        assert linked.send_installment("q-7", number)["status"] == "succeeded"
        assert open_links(linked) == 1
    with pytest.raises(ActionRefused, match="installment 1 can still be paid"):
        linked.send_installment("q-7", 2)

    assert open_links(linked) == 1


# -- given back ---------------------------------------------------------------------------------------


@pytest.fixture
def paid(linked: Any) -> tuple[Any, str]:
    """The bench after the first half was paid, and the payment."""
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
    # The signed event tells everything: no permission beyond the documented ones is needed.
    assert len(bench.stripe.requests) == 0


def test_a_second_refund_raises_the_sum(paid: tuple[Any, str]) -> None:
    bench, payment = paid

    for amount, sum_so_far in ((1000, "10.00"), (500, "15.00")):
        bench.stripe.refund(payment, amount)
        bench.webhooks()
        assert refund_of(bench) == sum_so_far
        assert any(f"{sum_so_far} EUR of 60.00 EUR so far" in note for note in refunds(bench))


@pytest.mark.parametrize("newest_first", [False, True], ids=["in order", "newest first"])
def test_refunds_told_late_twice_or_out_of_order_never_lower_the_sum(paid: tuple[Any, str], newest_first: bool) -> None:
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


def test_a_refund_that_is_told_before_its_payment_is_noted(linked: Any) -> None:
    linked.stripe.config.update(webhooks_held=True)
    payment = linked.stripe.pay(first_link(linked))["payment_intent"]
    linked.stripe.refund(payment, 100)

    linked.stripe.deliver(newest_first=True)
    linked.work()

    assert (refund_of(linked), parts(linked, "status")[0]) == ("1.00", "paid")
    assert parts(linked, "payment_id") == [payment, None]


def test_a_refund_of_a_payment_that_could_not_be_credited_is_noted(linked: Any, v1: Any) -> None:
    linked.stripe.config.update(webhooks_held=True)
    _void(linked, v1)
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


def test_the_command_line_shows_payment_and_refund(paid: tuple[Any, str], monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_records_keep_refunds_and_overpayments_and_those_of_before_still_load() -> None:
    part = InstallmentRecord(number=1, amount=Decimal("60.00"), amount_refunded=Decimal("12.50"))
    record = QuoteRecord(currency="EUR", amount_overpaid=Decimal("40.00"), installments=(part,))
    stored = to_document(record)
    assert from_document(json.loads(json.dumps(stored))) == record

    del stored["amount_overpaid"], stored["installments"][0]["amount_refunded"]

    assert from_document(stored) == replace(
        record, amount_overpaid=None, installments=(replace(part, amount_refunded=None),)
    )


# -- endpoints of before ------------------------------------------------------------------------------


def an_endpoint_of_before(bench: Any, v1: Any) -> str:
    """Our endpoint as an earlier version left it: without the refunds, and nothing noted of its events."""
    (endpoint,) = bench.stripe.objects("endpoints")
    older = [event for event in endpoint["enabled_events"] if event != "charge.refunded"]
    v1.webhook_endpoints.update(endpoint["id"], params={"enabled_events": older})
    with bench.host.store.write() as db:
        kept = tables.plugin_state
        here = kept.c.name.startswith("webhook_endpoint:")
        value = db.execute(select(kept.c.value).where(here)).scalar_one()
        db.execute(kept.update().where(here).values(value={k: v for k, v in value.items() if k != "events"}))
    return str(endpoint["id"])


def test_an_endpoint_of_before_is_brought_up_to_date_once(linked: Any, v1: Any) -> None:
    endpoint = an_endpoint_of_before(linked, v1)
    linked.stripe.requests.reset()

    for number in (8, 9):
        assert linked.accept(a_quote(id=f"q-{number}", installments=2))["status"] == "succeeded"

    assert linked.posts("/v1/webhook_endpoints/") == [f"/v1/webhook_endpoints/{endpoint}"]
    (found,) = linked.stripe.objects("endpoints")
    assert "charge.refunded" in found["enabled_events"]
    linked.pay(first_link(linked))
    linked.stripe.refund(linked.stripe.objects("sessions")[0]["payment_intent"], 100)
    linked.webhooks()
    assert refund_of(linked) == "1.00"


@pytest.mark.parametrize("fault", [None, "cut_after", "500_after"])
def test_an_endpoint_of_before_that_is_gone_is_made_anew(linked: Any, v1: Any, fault: str | None) -> None:
    gone = an_endpoint_of_before(linked, v1)
    v1.webhook_endpoints.delete(gone)
    if fault:
        linked.stripe.faults.add(fault, method="POST", path=r"^/v1/webhook_endpoints$")

    assert linked.accept(a_quote(id="q-8", installments=2))["status"] == "succeeded"

    (found,) = linked.stripe.objects("endpoints")
    assert found["id"] != gone
    assert "charge.refunded" in found["enabled_events"]


@pytest.mark.parametrize("fault", ["cut_after", "500_after", "500_before", "429"])
def test_whatever_happens_to_the_answer_it_is_up_to_date(linked: Any, v1: Any, fault: str) -> None:
    endpoint = an_endpoint_of_before(linked, v1)
    linked.stripe.faults.add(fault, method="POST", path=r"^/v1/webhook_endpoints/we_")

    assert linked.accept(a_quote(id="q-8", installments=2))["status"] == "succeeded"

    (found,) = linked.stripe.objects("endpoints")
    assert (found["id"], "charge.refunded" in found["enabled_events"]) == (endpoint, True)


def test_a_key_with_just_the_documented_permissions_is_told_of_refunds(bench: Any) -> None:
    from stripe_simulator.keys import DOCUMENTED_PERMISSIONS

    key = bench.stripe.add_key("rk_test_JustTheDocumented01", permissions=DOCUMENTED_PERMISSIONS)
    bench.enable(**LINK, workspace_api_token=key)
    bench.accept(HALVES)
    bench.pay(first_link(bench))

    bench.stripe.refund(bench.stripe.objects("sessions")[0]["payment_intent"], 100)
    bench.webhooks()

    assert (refund_of(bench), alerts(bench)) == ("1.00", [])
