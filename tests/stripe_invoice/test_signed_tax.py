"""The signed tax reaches Stripe to the cent: as amounts where Tax Rates cannot give it, and what happens if refused."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from builders import EMAIL, LINK, a_line, a_quote, loaded, vat
from qwoty_integrations_host.store import external_ids
from qwoty_stripe_invoice import invoicing
from qwoty_stripe_invoice.invoice_draft import InvoiceDraft
from qwoty_stripe_invoice.plan import make_plan
from qwoty_stripe_invoice.planned import InvoicePlan
from qwoty_stripe_invoice.ways import Way

OPEN = {"invoice_status": "open"}


def signed(quote: dict[str, Any], net: str, tax: str, total: str) -> dict[str, Any]:
    return {**quote, "summary": {"one_off": {"net_amount": net, "tax_amount": tax, "total_amount": total}}}


#: 5.5 % of 10.10 is 0.5555: three lines of 0.56 at Stripe, 1.67 once for the rate on the quote.
PER_RATE = signed(a_quote(*(a_line(f"l{n}", "10.10", taxes=[vat("5.5")]) for n in range(3))), "30.30", "1.67", "31.97")
#: 1000.00 at 20 % and 500.00 at 5.5 % less 100.00: by their nets 66.67 and 33.33 (Stripe page, section 17).
MIXED = signed(
    a_quote(a_line("l1", "1000.00", taxes=[vat("20")]), a_line("l2", "500.00", taxes=[vat("5.5")]), discount="100.00"),
    "1400.00",
    "212.34",
    "1612.34",
)
#: A half cent that is taken off: nobody knows where Stripe rounds it. 100.00 less 0.10 at 5 %: 5.00 - 0.005.
NEGATIVE_HALF = signed(a_quote(a_line("l1", "99.90", discount="0.10", taxes=[vat("5")])), "99.90", "4.99", "104.89")

#: Two lines with a tax that is rounded once, and one without any.
PARTLY = signed(
    a_quote(*(a_line(f"l{n}", "10.10", taxes=[vat("5.5")]) for n in range(3)), a_line("l3", "5.00", taxes=[])),
    "35.30",
    "1.67",
    "36.97",
)


def the_invoice(bench: Any) -> dict[str, Any]:
    (invoice,) = bench.stripe.objects("invoices")
    found: dict[str, Any] = invoice
    return found


def taxes(invoice: dict[str, Any]) -> list[list[int]]:
    return [[tax["amount"] for tax in line["taxes"]] for line in invoice["lines"]["data"]]


def names(bench: Any, invoice: dict[str, Any]) -> list[tuple[str, bool]]:
    """The Tax Rates on the invoice by percentage, and whether they can be used again."""
    rates = {rate["id"]: rate for rate in bench.stripe.objects("tax_rates")}
    used = [rates[tax["tax_rate_details"]["tax_rate"]] for tax in invoice["total_taxes"]]
    return [(f"{rate['display_name']} {rate['percentage']:g}", rate["active"]) for rate in used]


def notes(run: dict[str, Any]) -> str:
    return "\n".join(run["outcome"]["notes"])


def test_where_tax_rates_give_the_signed_tax_they_are_used(bench: Any) -> None:
    bench.enable(**OPEN)

    bench.accept(a_quote())

    assert names(bench, the_invoice(bench)) == [("VAT 20", True)]


def test_a_tax_that_is_rounded_once_for_the_rate_is_sent_as_amounts(bench: Any) -> None:
    bench.enable(**OPEN)

    run = bench.accept(PER_RATE)

    invoice = the_invoice(bench)
    assert (run["status"], invoice["status"]) == ("succeeded", "open")
    assert (invoice["subtotal"], invoice["total"] - invoice["subtotal"], invoice["total"]) == (3030, 167, 3197)
    # The largest remainder gets the cent; where all are equal, the earlier.
    assert taxes(invoice) == [[56], [56], [55]]
    assert names(bench, invoice) == [("VAT 5.5", False)]
    assert "The tax is the signed one, 1.67 EUR" in notes(run)


def test_tax_rates_are_resolved_and_saved_back_all_the_same(bench: Any) -> None:
    bench.enable(**OPEN)

    bench.accept(PER_RATE)

    (rate,) = [rate for rate in bench.stripe.objects("tax_rates") if rate["active"]]
    assert (rate["display_name"], rate["percentage"]) == ("VAT", 5.5)
    with bench.host.store.read() as db:
        assert external_ids.of_kind(db, "ws-1", "tax") == {"tax_vat_fr_55": rate["id"]}


def test_a_discount_over_different_taxes_is_one_negative_item(bench: Any) -> None:
    bench.enable(**OPEN)

    run = bench.accept(MIXED)

    invoice = the_invoice(bench)
    lines = [(line["metadata"]["qwoty_line"], line["amount"]) for line in invoice["lines"]["data"]]
    assert lines == [("l1", 100000), ("l2", 50000), ("discount:1", -10000)]
    # One negative amount for each rate, of what falls on its lines: 20 % of 66.67 and 5.5 % of 33.33.
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
        pytest.param(PER_RATE, id="per rate"),
        pytest.param(MIXED, id="mixed"),
        pytest.param(PARTLY, id="a line without tax"),
    ],
)
def test_whatever_stripe_makes_of_the_amounts_the_total_is_the_signed_one(
    bench: Any, quote: dict[str, Any], switches: dict[str, bool], faults: list[str]
) -> None:
    bench.stripe.config.update(**switches)
    for fault in faults:
        bench.stripe.faults.add(fault, path=r"/add_lines$", times=1)
    bench.enable(**OPEN)

    run = bench.accept(quote)

    invoice = the_invoice(bench)  # there is one: the draft before it is gone
    assert (run["status"], invoice["status"]) == ("succeeded", "open"), run
    assert run["outcome"]["total"] == quote["summary"]["one_off"]["total_amount"]


def test_a_refusal_is_said_and_the_draft_is_made_anew_with_tax_rates(bench: Any) -> None:
    bench.stripe.config.update(tax_amounts_refused=True)
    bench.enable(**OPEN)

    run = bench.accept(MIXED)

    invoice = the_invoice(bench)
    lines = [(line["metadata"]["qwoty_line"], line["amount"]) for line in invoice["lines"]["data"]]
    assert lines == [("l1", 100000), ("l2", 50000), ("discount:1", -6667), ("discount:2", -3333)]
    assert [rate["active"] for rate in bench.stripe.objects("tax_rates")] == [True, True]
    assert "Stripe refused the lines with their tax as amounts, so the invoice is made with Tax Rates." in notes(run)
    assert "one item per set" in notes(run)
    # The second draft costs what it must: the first one's removal, and one more of each.
    assert bench.posts("/v1/invoices").count("/v1/invoices") == 2


@pytest.mark.parametrize("rounding", ["half_up", "half_even"])
def test_where_stripe_rounds_a_half_otherwise_the_tax_is_sent_as_amounts_after_all(bench: Any, rounding: str) -> None:
    bench.stripe.config.update(rounding=rounding)
    bench.enable(**OPEN)

    run = bench.accept(NEGATIVE_HALF)

    invoice = the_invoice(bench)
    assert (run["status"], invoice["total"] - invoice["subtotal"], invoice["total"]) == ("succeeded", 499, 10489)
    assert "rounding" not in [line["metadata"]["qwoty_line"] for line in invoice["lines"]["data"]]


@pytest.mark.parametrize("quote", [pytest.param(PER_RATE, id="per rate"), pytest.param(MIXED, id="mixed")])
def test_switched_off_the_taxes_are_told_by_tax_rates(bench: Any, quote: dict[str, Any]) -> None:
    bench.enable(**OPEN, exact_tax=False)

    run = bench.accept(quote)

    assert all(active for _, active in names(bench, the_invoice(bench)))
    assert run["outcome"]["total"] == quote["summary"]["one_off"]["total_amount"]


@pytest.mark.parametrize("fault", ["cut_after", "500_after", "cut_before", "500_before", "409_in_flight", "429"])
@pytest.mark.parametrize("switches", [{}, {"tax_amounts_refused": True}], ids=["taken", "refused"])
@pytest.mark.parametrize("path", [r"/add_lines$", r"^/v1/invoices$", r"^/v1/invoices/in_[^/]*$"])
def test_whatever_happens_to_an_answer_there_is_one_invoice(
    bench: Any, path: str, switches: dict[str, bool], fault: str
) -> None:
    bench.stripe.config.update(**switches)
    bench.stripe.faults.add(fault, path=path)
    bench.enable(**OPEN)

    run = bench.accept(MIXED)

    invoice = the_invoice(bench)
    assert (run["status"], invoice["status"], invoice["total"]) == ("succeeded", "open", 161234), run


def not_yet_final(bench: Any, **settings: Any) -> str:
    """The draft is whole, but cannot be made final yet."""
    bench.stripe.faults.add("500_before", path=r"/finalize$", times=50)
    bench.enable(**OPEN, **settings)
    run = bench.accept(MIXED)
    assert run["status"] == "waiting"
    bench.stripe.faults.reset()
    return str(run["id"])


@pytest.mark.parametrize(
    ("before", "after", "items"),
    [
        pytest.param(True, True, 3, id="amounts stay amounts"),
        pytest.param(True, False, 4, id="amounts become Tax Rates when they are switched off"),
        pytest.param(False, True, 3, id="Tax Rates become amounts when they are switched on"),
    ],
)
def test_a_draft_is_made_anew_only_where_its_taxes_have_to_be_told_otherwise(
    bench: Any, before: bool, after: bool, items: int
) -> None:
    run_id = not_yet_final(bench, exact_tax=before)
    (draft,) = bench.stripe.objects("invoices")
    bench.enable(**EMAIL, exact_tax=after)  # what shapes the invoice changed: the next attempt begins anew

    run = bench.retry(run_id)

    invoice = the_invoice(bench)
    assert (run["status"], invoice["total"], len(invoice["lines"]["data"])) == ("succeeded", 161234, items)
    assert (invoice["id"] == draft["id"]) == (before == after)


def test_an_attempt_that_begins_anew_keeps_the_draft_that_stripe_would_not_have_otherwise(bench: Any) -> None:
    bench.stripe.config.update(tax_amounts_refused=True)
    run_id = not_yet_final(bench)
    (draft,) = bench.stripe.objects("invoices")
    bench.enable(**EMAIL)

    run = bench.retry(run_id)

    assert run["status"] == "succeeded", run
    assert the_invoice(bench)["id"] == draft["id"]


def test_what_is_final_stays_as_it_was_made(bench: Any) -> None:
    bench.stripe.faults.add("500_before", path="^/v1/checkout/sessions$", times=50)
    bench.enable(**LINK)
    run_id = bench.accept({**MIXED, "payment_terms": a_quote(installments=1)["payment_terms"]})["id"]
    (final,) = bench.stripe.objects("invoices")
    assert final["status"] == "open"
    bench.stripe.faults.reset()
    bench.enable(**LINK, exact_tax=False)

    run = bench.retry(run_id)

    assert (run["status"], the_invoice(bench)["id"], len(bench.mails())) == ("succeeded", final["id"], 1), run


@pytest.mark.parametrize("quote", [pytest.param(PER_RATE, id="per rate"), pytest.param(MIXED, id="mixed")])
@pytest.mark.parametrize(("settings", "calls"), [(LINK, 6), ({"invoice_status": "draft"}, 4)], ids=["link", "draft"])
def test_a_warm_quote_takes_as_many_calls_as_with_tax_rates(
    bench: Any, quote: dict[str, Any], settings: dict[str, Any], calls: int
) -> None:
    bench.enable(**settings)
    terms = a_quote(installments=1)["payment_terms"]
    bench.accept({**quote, "payment_terms": terms})
    before = len(bench.stripe.requests)

    run = bench.accept({**quote, "id": "q-8", "number": "Q-8", "payment_terms": terms})

    asked = [request for request in [*bench.stripe.requests][before:] if request.path.startswith("/v1/")]
    assert (run["status"], len(asked)) == ("succeeded", calls), [f"{r.method} {r.path}" for r in asked]


def test_switching_amounts_off_after_an_uncertain_mail_sends_no_second_one(bench: Any) -> None:
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
    """The plugin as it was when there were Tax Rates only, and nothing was said about it."""
    made = InvoiceDraft._create_or_adopt

    def create_or_adopt(self: InvoiceDraft, attempt: Any, why: list[str]) -> dict[str, Any]:
        found = made(self, attempt, why)
        self._ctx.state.set(f"invoice:{found['id']}", self._origin())
        return {name: value for name, value in found.items() if name not in {"taxes", "why"}}

    with monkeypatch.context() as patch:
        patch.setattr(InvoiceDraft, "_create_or_adopt", create_or_adopt)
        patch.setattr(invoicing, "ways", lambda plan, **_: [Way("rates", plan)])
        yield patch


@pytest.mark.parametrize("waits_for", [r"/add_lines$", r"/finalize$", r"/send$"])
@pytest.mark.parametrize("quote", [pytest.param(PER_RATE, id="per rate"), pytest.param(MIXED, id="mixed")])
def test_a_run_that_the_release_before_began_ends_as_it_would_have(
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


def test_what_somebody_did_to_a_draft_is_not_thrown_away_with_it(bench: Any, v1: Any) -> None:
    run_id = not_yet_final(bench)
    (draft,) = bench.stripe.objects("invoices")
    item = {"customer": draft["customer"], "invoice": draft["id"], "currency": "eur", "amount": 900}
    bench.stripe.config.update(tax_amounts_on_every_line=False)
    v1.invoice_items.create(params={**item, "description": "Travel"})
    bench.enable(**EMAIL, exact_tax=False)

    run = bench.retry(run_id)

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "totals_differ")
    assert "Not ours: 'Travel' over 9.00 EUR." in run["error"]["hint"]
    assert the_invoice(bench)["id"] == draft["id"]


def test_an_attempt_that_begins_anew_still_says_why_there_are_tax_rates(bench: Any) -> None:
    bench.stripe.config.update(tax_amounts_refused=True)
    run_id = not_yet_final(bench)
    bench.enable(**EMAIL)

    run = bench.retry(run_id)

    assert "Stripe refused the lines with their tax as amounts" in notes(run)


# -- no signed total ------------------------------------------------------------------------------------


@pytest.mark.parametrize("summary", [None, {}, {"one_off": None}], ids=["no summary", "an empty one", "no totals"])
def test_nothing_becomes_final_without_a_signed_total(bench: Any, summary: Any) -> None:
    bench.enable(**EMAIL)

    run = bench.accept({**a_quote(), "summary": summary})

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "total_missing")
    assert "by its lines it comes to 120.00 EUR, and it stays a draft" in run["error"]["title"]
    assert (the_invoice(bench)["status"], bench.stripe.objects("sent")) == ("draft", [])


def test_accepted_again_with_its_total_the_quote_becomes_its_invoice(bench: Any) -> None:
    bench.enable(**OPEN)
    bench.accept({**a_quote(), "summary": None})

    run = bench.accept(a_quote())

    assert (run["status"], the_invoice(bench)["status"]) == ("succeeded", "open")


def test_an_optional_line_that_was_not_selected_is_not_invoiced_and_said(bench: Any) -> None:
    extra = {**a_line("l2", "50.00", name="Hotline"), "optional": True, "selected": False}
    bench.enable(**OPEN)

    run = bench.accept(signed(a_quote(a_line("l1", "100.00"), extra), "100.00", "20.00", "120.00"))

    assert run["status"] == "succeeded"
    assert "'Hotline' is optional and was not selected: it is not invoiced." in run["outcome"]["notes"]


# -- how real CPQs round --------------------------------------------------------------------------------


def line(net: str, *rates: str) -> dict[str, Any]:
    return a_line(f"{net}@{'+'.join(rates)}", net, taxes=[vat(rate) for rate in rates])


@pytest.mark.parametrize(
    ("currency", "lines", "figures", "items", "tax"),
    [
        pytest.param("TWD", [line("1990", "5")], "1990 100 2090", [199000], 10000, id="a whole dollar: 99.5 is 100"),
        pytest.param("HUF", [line("9990", "27")], "9990 2697 12687", [999000], 269700, id="a whole forint"),
        pytest.param("IDR", [line("10005", "11")], "10005 1101 11106", [1000500], 110100, id="a whole rupiah"),
        pytest.param("IDR", [line("900000000", "11")], "900000000 99000000 999000000", [90000000000], 9900000000, id="twelve digits"),
        pytest.param("ISK", [line("333", "24")], "333 80 413", [33300], 8000, id="a whole króna: 79.92 is 80"),
        pytest.param("UGX", [line("1501", "18")], "1501 270 1771", [150100], 27000, id="a whole shilling"),
        pytest.param("KWD", [line("10.110", "5")], "10.110 0.510 10.620", [10110], 510, id="ten fils: 0.5055 is 0.510"),
        pytest.param("KWD", [line("10.110", "5")], "10.110 0.506 10.620", [10110, 4], 506, id="only the total in ten fils"),
        pytest.param("CHF", [line("99.99", "8.1")], "99.99 8.10 108.10", [9999, 1], 810, id="0.05 francs"),
        pytest.param("SEK", [line("99.90", "25")], "99.90 24.98 125", [9990, 12], 2498, id="a whole krona"),
        pytest.param("NOK", [line("99.50", "25")], "99.50 24.88 124", [9950, -38], 2488, id="a whole krone, down"),
        pytest.param("DKK", [line("99.95", "25")], "99.95 24.99 125.00", [9995, 6], 2499, id="half a krone"),
        pytest.param("EUR", [line("10.09", "5.5"), line("10.10", "5.5")], "20.19 1.10 21.29", [1009, 1010], 110, id="cut off on every line"),
        pytest.param("EUR", [line("0.19", "20"), line("0.39", "10")], "0.58 0.06 0.64", [19, 39], 6, id="cut off for each rate"),
        pytest.param("EUR", [line("1237.0500000000002", "20")], "1237.0500000000002 247.41 1484.46", [123705], 24741, id="binary noise"),
        pytest.param("EUR", [line("10.005", "20"), line("10.006", "20")], "20.01 4.00 24.01", [1000, 1001], 400, id="finer than cents, summed first"),
        pytest.param("EUR", [line("33.335", "20")], "33.335 6.667 40.00", [3333], 667, id="all but the total finer than cents"),
        pytest.param("JPY", [line("10.5", "0"), line("10.50", "0")], "21 0 21", [11, 10], 0, id="half yen that make a yen"),
    ],
)  # fmt: skip
def test_a_quote_that_is_rounded_as_real_ones_are_becomes_final_with_its_signed_figures(
    bench: Any, currency: str, lines: list[dict[str, Any]], figures: str, items: list[int], tax: int
) -> None:
    bench.enable(**OPEN)
    net, signed_tax, total = figures.split()

    run = bench.accept(signed(a_quote(*lines, currency=currency), net, signed_tax, total))

    invoice = the_invoice(bench)
    assert (run["status"], invoice["status"]) == ("succeeded", "open"), run
    assert [found["amount"] for found in invoice["lines"]["data"]] == items
    assert invoice["total"] - invoice["subtotal"] == tax


def percent(*values: str) -> list[dict[str, Any]]:
    """Quote-wide discounts of which only the percentages are told."""
    return [{"type": "percentage", "value": value, "amount": None} for value in values]


@pytest.mark.parametrize(
    ("currency", "lines", "discounts", "figures"),
    [
        pytest.param("EUR", [line("100.00", "20")], percent("10"), "90.00 18.00 108.00", id="a percentage of the whole"),
        pytest.param("TWD", [line("1995", "5")], percent("10"), "1795 90 1885", id="rounded to a whole dollar"),
        pytest.param("EUR", [line("100.10", "20")], percent("7.5"), "92.60 18.52 111.12", id="cut off"),
        pytest.param("EUR", [a_line(f"l{n}", "33.33", taxes=[vat("20")]) for n in range(3)], percent("5"), "94.98 19.00 113.98", id="rounded on every line"),
        pytest.param("EUR", [line("100.00", "20")], percent("10", "5"), "85.50 17.10 102.60", id="one after the other"),
        pytest.param("EUR", [line("100.00", "20")], percent("10", "5"), "85.00 17.00 102.00", id="both of the same sum"),
        pytest.param("EUR", [a_line(f"l{n}", "10.10", taxes=[vat("5.5")]) for n in range(4)], [{"type": "amount", "amount": "4.04"}], "36.36 1.96 38.32", id="taxed and cut off on every line after its share"),
        pytest.param("HUF", [a_line(f"l{n}", "115", taxes=[vat("27")]) for n in range(4)], [{"type": "amount", "amount": "40"}], "420 112 532", id="taxed in whole forints on every line after its share"),
        pytest.param("EUR", [line("100.00", "20"), line("-10.00", "5.5")], [{"type": "amount", "amount": "9.00"}], "81.00 17.51 98.51", id="a trade-in gets its share back"),
    ],
)  # fmt: skip
def test_a_discount_on_the_whole_quote_is_rounded_as_the_signed_net_and_tax_say(
    bench: Any, currency: str, lines: list[dict[str, Any]], discounts: list[dict[str, Any]], figures: str
) -> None:
    bench.enable(**OPEN)

    run = bench.accept(signed(a_quote(*lines, currency=currency, discounts=discounts), *figures.split()))

    net, _, total = map(Decimal, figures.split())
    assert run["status"] == "succeeded", run
    assert (Decimal(run["outcome"]["net"]), Decimal(run["outcome"]["total"])) == (net, total)
    assert the_invoice(bench)["status"] == "open"


def test_a_line_discount_by_percentage_is_rounded_as_the_signed_net_says(bench: Any) -> None:
    given = {"pricing": {"model": "flat", "list_price": "100.10"}, "amounts": None}
    cut = a_line(taxes=[vat("20")], **given) | {"discount": {"type": "percentage", "value": "7.5", "amount": None}}
    bench.enable(**OPEN)

    run = bench.accept(
        signed({**a_quote(), "pricing_table": a_quote(cut, summary=None)["pricing_table"]}, "92.60", "18.52", "111.12")
    )

    assert (run["status"], [each["amount"] for each in the_invoice(bench)["lines"]["data"]]) == (
        "succeeded",
        [10010, -750],
    )


def test_a_discount_on_a_trade_in_is_taken_as_the_quote_gives_it(bench: Any) -> None:
    bench.enable(**OPEN)
    back = a_line("l2", taxes=[vat("20")]) | {"amounts": {"gross": "-10.00", "discount": "-1.00", "net": "-9.00"}}

    run = bench.accept(signed(a_quote(a_line("l1", "100.00"), back, total="0"), "91.00", "18.20", "109.20"))

    assert (run["status"], the_invoice(bench)["total"]) == ("succeeded", 10920), run


def test_two_equal_taxes_of_one_line_are_both_charged_though_no_id_tells_them_apart(bench: Any) -> None:
    bench.enable(**OPEN)
    levy = {"id": None, "name": "Levy", "rate": "20", "country": "FR"}

    run = bench.accept(signed(a_quote(a_line(taxes=[levy, dict(levy)])), "100.00", "40.00", "140.00"))

    assert (run["status"], the_invoice(bench)["total"]) == ("succeeded", 14000), run


def test_where_amounts_are_refused_and_there_is_no_room_for_a_rounding_line_a_person_is_asked(bench: Any) -> None:
    bench.stripe.config.update(tax_amounts_refused=True)
    bench.enable(**OPEN)
    lines = [a_line(f"l{n}", "10.01", taxes=[vat("20")]) for n in range(250)]

    run = bench.accept(signed(a_quote(*lines), "2502.50", "500.50", "3003.00"))

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "too_many_lines"), run
    assert bench.stripe.objects("invoices") == []


@pytest.mark.parametrize(
    ("language", "word"), [("en", "Cash rounding"), ("fr", "Arrondi de caisse"), ("de", "Bargeldrundung")]
)
def test_rounding_to_a_coin_is_one_untaxed_line_in_the_customers_language(bench: Any, language: str, word: str) -> None:
    bench.enable(**OPEN)
    quote = signed(a_quote(line("99.99", "8.1"), currency="CHF", language=language), "99.99", "8.10", "108.10")

    run = bench.accept(quote)

    last = the_invoice(bench)["lines"]["data"][-1]
    assert (last["description"], last["amount"], last["taxes"]) == (word, 1, [])
    assert "The signed total is rounded to a coin in use: the difference is an untaxed line." in notes(run)


@pytest.mark.parametrize(
    ("currency", "figures"),
    [
        pytest.param("CHF", "99.99 8.10 108.14", id="no coin of 0.01"),
        pytest.param("CHF", "99.99 8.10 108.15", id="more than half a coin"),
        pytest.param("EUR", "99.99 8.10 108.10", id="no cash rounding in use"),
        pytest.param("SEK", "99.99 8.10 109", id="the other krona"),
    ],
)
def test_a_total_that_no_coin_explains_stays_a_draft(bench: Any, currency: str, figures: str) -> None:
    bench.enable(**OPEN)

    run = bench.accept(signed(a_quote(line("99.99", "8.1"), currency=currency), *figures.split()))

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "totals_differ")
    assert the_invoice(bench)["status"] == "draft"


# -- the plan alone -------------------------------------------------------------------------------------


def test_two_hundred_and_fifty_items_whose_tax_is_rounded_once_need_no_rounding_line() -> None:
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
