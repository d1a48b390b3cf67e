"""The signed tax reaches Stripe to the cent: as amounts where Tax Rates cannot give it, otherwise by Tax Rates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from builders import EMAIL, LINK, OPEN, ROUNDED_ONCE, a_line, a_quote, loaded, signed, vat
from qwoty_integrations_host.store import external_ids
from qwoty_stripe_invoice import invoicing
from qwoty_stripe_invoice.invoice_draft import InvoiceDraft
from qwoty_stripe_invoice.plan import make_plan
from qwoty_stripe_invoice.plan_types import InvoicePlan
from qwoty_stripe_invoice.tax_methods import TaxMethod
from stripe_invoice.conftest import invoice_lines, not_yet_final, notes, the_invoice

#: 1000.00 at 20 % and 500.00 at 5.5 %. A discount of 100.00 is shared by their nets: 66.67 and 33.33 (ADR 0006).
MIXED = signed(
    a_quote(a_line("l1", "1000.00", taxes=[vat("20")]), a_line("l2", "500.00", taxes=[vat("5.5")]), discount="100.00"),
    "1400.00",
    "212.34",
    "1612.34",
)
#: 100.00 less 0.10 at 5 %: the tax is 5.00 - 0.005. Stripe does not document in which direction it rounds -0.005.
NEGATIVE_HALF = signed(a_quote(a_line("l1", "99.90", discount="0.10", taxes=[vat("5")])), "99.90", "4.99", "104.89")
#: Three lines with a tax that is rounded once, and one line without tax.
PARTLY = signed(
    a_quote(*(a_line(f"l{n}", "10.10", taxes=[vat("5.5")]) for n in range(3)), a_line("l3", "5.00", taxes=[])),
    "35.30",
    "1.67",
    "36.97",
)


def taxes(invoice: dict[str, Any]) -> list[list[int]]:
    return [[tax["amount"] for tax in line["taxes"]] for line in invoice["lines"]["data"]]


def names(bench: Any, invoice: dict[str, Any]) -> list[tuple[str, bool]]:
    """The name and percentage of each Tax Rate on the invoice, and whether it can be used again."""
    rates = {rate["id"]: rate for rate in bench.stripe.objects("tax_rates")}
    used = [rates[tax["tax_rate_details"]["tax_rate"]] for tax in invoice["total_taxes"]]
    return [(f"{rate['display_name']} {rate['percentage']:g}", rate["active"]) for rate in used]


def test_tax_rates_are_used_where_they_give_the_signed_tax(bench: Any) -> None:
    bench.enable(**OPEN)

    bench.accept(a_quote())

    assert names(bench, the_invoice(bench)) == [("VAT 20", True)]


def test_a_tax_that_is_rounded_once_for_the_rate_is_sent_as_amounts(bench: Any) -> None:
    bench.enable(**OPEN)

    run = bench.accept(ROUNDED_ONCE)

    invoice = the_invoice(bench)
    assert (run["status"], invoice["status"]) == ("succeeded", "open")
    assert (invoice["subtotal"], invoice["total"] - invoice["subtotal"], invoice["total"]) == (3030, 167, 3197)
    # All remainders are equal, so the earlier lines get the cents.
    assert taxes(invoice) == [[56], [56], [55]]
    assert names(bench, invoice) == [("VAT 5.5", False)]
    assert "The tax is the signed one, 1.67 EUR" in notes(run)


def test_tax_rates_are_found_and_saved_although_the_tax_is_sent_as_amounts(bench: Any) -> None:
    bench.enable(**OPEN)

    bench.accept(ROUNDED_ONCE)

    (rate,) = [rate for rate in bench.stripe.objects("tax_rates") if rate["active"]]
    assert (rate["display_name"], rate["percentage"]) == ("VAT", 5.5)
    with bench.host.store.read() as db:
        assert external_ids.of_entities(db, "ws-1", ["tax_vat_fr_55"]) == {"tax": {"tax_vat_fr_55": rate["id"]}}


def test_a_discount_over_different_taxes_is_one_negative_item(bench: Any) -> None:
    bench.enable(**OPEN)

    run = bench.accept(MIXED)

    invoice = the_invoice(bench)
    lines = [(line["metadata"]["qwoty_line"], line["amount"]) for line in invoice["lines"]["data"]]
    assert lines == [("l1", 100000), ("l2", 50000), ("discount:1", -10000)]
    # The discount has a negative tax for each rate: 20 % of 66.67 and 5.5 % of 33.33.
    assert taxes(invoice) == [[20000], [2750], [-1333, -183]]
    assert [tax["taxable_amount"] for tax in invoice["lines"]["data"][2]["taxes"]] == [-6667, -3333]
    assert (run["status"], invoice["total"]) == ("succeeded", 161234)


@pytest.mark.parametrize(
    ("switches", "faults"),
    [
        pytest.param({"tax_amounts_refused": True}, [], id="the parameter is unknown"),
        pytest.param({"tax_amounts_may_be_negative": False}, [], id="no tax may be negative"),
        pytest.param(
            {"tax_amounts_may_differ_from_percentage": False}, [], id="amounts must be those of the percentage"
        ),
        pytest.param({"tax_amounts_on_every_line": True}, [], id="every line must have some"),
        pytest.param({}, ["403"], id="the key lacks a permission"),
        pytest.param({}, ["404"], id="there is no such address"),
        pytest.param({"tax_amounts_ignored": True}, [], id="the amounts are ignored"),
        pytest.param({"tax_amounts_dropped": True}, [], id="no tax comes back at all"),
    ],
)
@pytest.mark.parametrize(
    "quote",
    [
        pytest.param(ROUNDED_ONCE, id="per rate"),
        pytest.param(MIXED, id="mixed"),
        pytest.param(PARTLY, id="a line without tax"),
    ],
)
def test_the_total_is_the_signed_one_whatever_stripe_does_with_the_amounts(
    bench: Any, quote: dict[str, Any], switches: dict[str, bool], faults: list[str]
) -> None:
    bench.stripe.config.update(**switches)
    for fault in faults:
        bench.stripe.faults.add(fault, path=r"/add_lines$", times=1)
    bench.enable(**OPEN)

    run = bench.accept(quote)

    invoice = the_invoice(bench)  # the earlier draft is deleted
    assert (run["status"], invoice["status"]) == ("succeeded", "open"), run
    assert run["outcome"]["total"] == quote["summary"]["one_off"]["total_amount"]


def test_a_refusal_of_amounts_is_noted_and_the_draft_is_made_again_with_tax_rates(bench: Any) -> None:
    bench.stripe.config.update(tax_amounts_refused=True)
    bench.enable(**OPEN)

    run = bench.accept(MIXED)

    invoice = the_invoice(bench)
    lines = [(line["metadata"]["qwoty_line"], line["amount"]) for line in invoice["lines"]["data"]]
    assert lines == [("l1", 100000), ("l2", 50000), ("discount:1", -6667), ("discount:2", -3333)]
    assert [rate["active"] for rate in bench.stripe.objects("tax_rates")] == [True, True]
    assert "Stripe refused the lines with their tax as amounts, so the invoice is made with Tax Rates." in notes(run)
    assert "one item per set" in notes(run)
    # The second draft is one more request.
    assert bench.posts("/v1/invoices").count("/v1/invoices") == 2


@pytest.mark.parametrize("rounding", ["half_up", "half_even"])
def test_the_tax_is_sent_as_amounts_where_stripe_rounds_a_half_differently(bench: Any, rounding: str) -> None:
    bench.stripe.config.update(rounding=rounding)
    bench.enable(**OPEN)

    run = bench.accept(NEGATIVE_HALF)

    invoice = the_invoice(bench)
    assert (run["status"], invoice["total"] - invoice["subtotal"], invoice["total"]) == ("succeeded", 499, 10489)
    assert "rounding" not in [line["metadata"]["qwoty_line"] for line in invoice["lines"]["data"]]


@pytest.mark.parametrize("quote", [pytest.param(ROUNDED_ONCE, id="per rate"), pytest.param(MIXED, id="mixed")])
def test_exact_tax_that_is_switched_off_uses_tax_rates(bench: Any, quote: dict[str, Any]) -> None:
    bench.enable(**OPEN, exact_tax=False)

    run = bench.accept(quote)

    assert all(active for _, active in names(bench, the_invoice(bench)))
    assert run["outcome"]["total"] == quote["summary"]["one_off"]["total_amount"]


@pytest.mark.parametrize("fault", ["cut_after", "500_after", "cut_before", "500_before", "409_in_flight", "429"])
@pytest.mark.parametrize("switches", [{}, {"tax_amounts_refused": True}], ids=["taken", "refused"])
@pytest.mark.parametrize("path", [r"/add_lines$", r"^/v1/invoices$", r"^/v1/invoices/in_[^/]*$"])
def test_a_lost_answer_makes_no_second_invoice(bench: Any, path: str, switches: dict[str, bool], fault: str) -> None:
    bench.stripe.config.update(**switches)
    bench.stripe.faults.add(fault, path=path)
    bench.enable(**OPEN)

    run = bench.accept(MIXED)

    invoice = the_invoice(bench)
    assert (run["status"], invoice["status"], invoice["total"]) == ("succeeded", "open", 161234), run


@pytest.mark.parametrize(
    ("before", "after", "items"),
    [
        pytest.param(True, True, 3, id="amounts stay amounts"),
        pytest.param(True, False, 4, id="amounts become Tax Rates when they are switched off"),
        pytest.param(False, True, 3, id="Tax Rates become amounts when they are switched on"),
    ],
)
def test_a_draft_is_made_again_only_when_exact_tax_is_switched(
    bench: Any, before: bool, after: bool, items: int
) -> None:
    run_id = not_yet_final(bench, MIXED, exact_tax=before)
    (draft,) = bench.stripe.objects("invoices")
    bench.enable(**EMAIL, exact_tax=after)  # a changed setting makes the next attempt begin anew

    run = bench.retry(run_id)

    invoice = the_invoice(bench)
    assert (run["status"], invoice["total"], len(invoice["lines"]["data"])) == ("succeeded", 161234, items)
    assert (invoice["id"] == draft["id"]) == (before == after)


def test_an_attempt_that_begins_anew_keeps_a_draft_made_after_a_refusal(bench: Any) -> None:
    bench.stripe.config.update(tax_amounts_refused=True)
    run_id = not_yet_final(bench, MIXED)
    (draft,) = bench.stripe.objects("invoices")
    bench.enable(**EMAIL)

    run = bench.retry(run_id)

    assert run["status"] == "succeeded", run
    assert the_invoice(bench)["id"] == draft["id"]


def test_a_final_invoice_keeps_its_taxes_when_exact_tax_is_switched(bench: Any) -> None:
    bench.stripe.faults.add("500_before", path="^/v1/checkout/sessions$", times=50)
    bench.enable(**LINK)
    run_id = bench.accept({**MIXED, "payment_terms": a_quote(installments=1)["payment_terms"]})["id"]
    (final,) = bench.stripe.objects("invoices")
    assert final["status"] == "open"
    bench.stripe.faults.reset()
    bench.enable(**LINK, exact_tax=False)

    run = bench.retry(run_id)

    assert (run["status"], the_invoice(bench)["id"], len(bench.mails())) == ("succeeded", final["id"], 1), run


@pytest.mark.parametrize("quote", [pytest.param(ROUNDED_ONCE, id="per rate"), pytest.param(MIXED, id="mixed")])
@pytest.mark.parametrize(("settings", "calls"), [(LINK, 6), ({"invoice_status": "draft"}, 4)], ids=["link", "draft"])
def test_a_quote_takes_the_same_number_of_calls_with_amounts_as_with_tax_rates(
    bench: Any, quote: dict[str, Any], settings: dict[str, Any], calls: int
) -> None:
    bench.enable(**settings)
    terms = a_quote(installments=1)["payment_terms"]
    bench.accept({**quote, "payment_terms": terms})
    before = len(bench.stripe.requests)

    run = bench.accept({**quote, "id": "q-8", "number": "Q-8", "payment_terms": terms})

    asked = [request for request in [*bench.stripe.requests][before:] if request.path.startswith("/v1/")]
    assert (run["status"], len(asked)) == ("succeeded", calls), [f"{r.method} {r.path}" for r in asked]


def test_switching_exact_tax_off_after_an_uncertain_mail_sends_no_second_mail(bench: Any) -> None:
    bench.stripe.config.update(tax_amounts_refused=True)
    bench.stripe.faults.add("cut_after", path=r"/send$", times=50)
    bench.enable(**EMAIL)
    run_id = bench.accept(MIXED)["id"]
    bench.clock.advance(26 * 3600)
    bench.stripe.faults.reset()
    bench.enable(**EMAIL, exact_tax=False)

    run = bench.retry(run_id)

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "send_unsure")
    assert len({sent["created"] for sent in bench.stripe.objects("sent")}) == 1


@pytest.fixture
def release_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """The plugin of the previous release: it knows Tax Rates only, and does not record which way it took."""
    made = InvoiceDraft._create_or_adopt

    def create_or_adopt(self: InvoiceDraft, attempt: Any, why: list[str]) -> dict[str, Any]:
        found = made(self, attempt, why)
        self._ctx.state.set(f"invoice:{found['id']}", self._origin())
        return {name: value for name, value in found.items() if name not in {"taxes", "why"}}

    with monkeypatch.context() as patch:
        patch.setattr(InvoiceDraft, "_create_or_adopt", create_or_adopt)
        patch.setattr(invoicing, "tax_methods", lambda plan, **_: [TaxMethod("rates", plan)])
        yield patch


@pytest.mark.parametrize("waits_for", [r"/add_lines$", r"/finalize$", r"/send$"])
@pytest.mark.parametrize("quote", [pytest.param(ROUNDED_ONCE, id="per rate"), pytest.param(MIXED, id="mixed")])
def test_a_run_of_the_previous_release_ends_with_tax_rates(
    bench: Any, release_before: pytest.MonkeyPatch, quote: dict[str, Any], waits_for: str
) -> None:
    bench.stripe.faults.add("500_before", path=waits_for, times=50)
    bench.enable(**EMAIL)
    waiting = bench.accept(quote)
    assert waiting["status"] == "waiting"
    bench.stripe.faults.reset()
    release_before.undo()

    run = bench.retry(waiting["id"])

    assert (run["status"], the_invoice(bench)["status"]) == ("succeeded", "open"), run
    assert run["outcome"]["total"] == quote["summary"]["one_off"]["total_amount"]
    assert len({sent["created"] for sent in bench.stripe.objects("sent")}) == 1
    assert "is given to Stripe as an amount" not in notes(run)


def test_a_draft_that_somebody_changed_is_not_replaced(bench: Any, v1: Any) -> None:
    run_id = not_yet_final(bench, MIXED)
    (draft,) = bench.stripe.objects("invoices")
    item = {"customer": draft["customer"], "invoice": draft["id"], "currency": "eur", "amount": 900}
    bench.stripe.config.update(tax_amounts_on_every_line=False)
    v1.invoice_items.create(params={**item, "description": "Travel"})
    bench.enable(**EMAIL, exact_tax=False)

    run = bench.retry(run_id)

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "totals_differ")
    assert "Not ours: 'Travel' over 9.00 EUR." in run["error"]["hint"]
    assert the_invoice(bench)["id"] == draft["id"]


def test_an_attempt_that_begins_anew_still_notes_the_refusal_of_amounts(bench: Any) -> None:
    bench.stripe.config.update(tax_amounts_refused=True)
    run_id = not_yet_final(bench, MIXED)
    bench.enable(**EMAIL)

    run = bench.retry(run_id)

    assert "Stripe refused the lines with their tax as amounts" in notes(run)


def test_two_equal_taxes_without_ids_on_one_line_are_both_charged(bench: Any) -> None:
    bench.enable(**OPEN)
    levy = {"id": None, "name": "Levy", "rate": "20", "country": "FR"}

    run = bench.accept(signed(a_quote(a_line(taxes=[levy, dict(levy)])), "100.00", "40.00", "140.00"))

    assert (run["status"], the_invoice(bench)["total"]) == ("succeeded", 14000), run


def test_refused_amounts_without_room_for_a_rounding_line_need_attention(bench: Any) -> None:
    bench.stripe.config.update(tax_amounts_refused=True)
    bench.enable(**OPEN)
    lines = [a_line(f"l{n}", "10.01", taxes=[vat("20")]) for n in range(250)]

    run = bench.accept(signed(a_quote(*lines), "2502.50", "500.50", "3003.00"))

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "too_many_lines"), run
    assert bench.stripe.objects("invoices") == []


def test_two_hundred_and_fifty_items_need_no_rounding_line() -> None:
    lines = [a_line(f"l{n}", "10.10", taxes=[vat("5.5")]) for n in range(250)]

    plan = make_plan(loaded(signed(a_quote(*lines), "2525.00", "138.88", "2663.88")))

    assert isinstance(plan, InvoicePlan)
    assert plan.exact is not None
    assert (len(plan.exact.lines), plan.exact.tax, plan.exact.total) == (250, 13888, 266388)


def test_no_part_of_a_tax_falls_on_a_line_that_has_none() -> None:
    free = [a_line("free", "0.00", taxes=[vat("20")]), a_line("zero", "10.00", taxes=[vat("0", id="t0", name="Zero")])]
    lines = [a_line(f"l{n}", "0.03", taxes=[vat("20")]) for n in range(3)]

    plan = make_plan(loaded(signed(a_quote(*free, *lines), "10.09", "0.02", "10.11")))

    assert isinstance(plan, InvoicePlan)
    assert plan.exact is not None
    assert [tax.amount for line in plan.exact.lines for tax in line.taxes] == [0, 0, 1, 1, 0]


@pytest.mark.parametrize("rounding", ["half_away_from_zero", "half_up", "half_even"])
def test_the_total_is_the_signed_one_however_stripe_rounds(bench: Any, rounding: str) -> None:
    # 10.10 and -0.10 at 5 % are 50.5 and -0.5 cents. They round to 51 - 1, 51 - 0 or 50 - 0.
    bench.stripe.config.update(rounding=rounding)
    bench.enable(**OPEN)

    run = bench.accept(a_quote(a_line("l1", "10.00", discount="0.10", taxes=[vat("5")]), total="10.50"))

    assert (run["status"], run["outcome"]["total"]) == ("succeeded", "10.50")
    assert [line["metadata"]["qwoty_line"] for line in invoice_lines(bench)] == ["l1", "l1:discount"]
