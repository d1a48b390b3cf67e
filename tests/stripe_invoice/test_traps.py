"""The traps of comparable integrations, one table: each case is named by the sentence that it proves."""

from __future__ import annotations

from typing import Any

import pytest

from builders import EMAIL, LINK, a_line, a_quote, loaded, vat
from qwoty_stripe_invoice.plan import make_plan
from qwoty_stripe_invoice.planned import InvoicePlan

OPEN = {"invoice_status": "open"}
#: As where Stripe does not take tax as amounts: a rounding line makes up for its own rounding.
BY_RATES = OPEN | {"exact_tax": False}
#: 5.5 % of 10.10 is 0.5555: three lines of 0.56 at Stripe, 1.67 once for all on the quote.
ROUNDING = a_quote(*(a_line(f"l{n}", "10.10", taxes=[vat("5.5")]) for n in range(3)))
ROUNDING["summary"] = {"one_off": {"net_amount": "30.30", "tax_amount": "1.67", "total_amount": "31.97"}}


def the_lines(bench: Any) -> list[dict[str, Any]]:
    (invoice,) = bench.stripe.objects("invoices")
    found: list[dict[str, Any]] = invoice["lines"]["data"]
    return found


def notes(run: dict[str, Any]) -> str:
    return "\n".join(run["outcome"]["notes"])


def signed(quote: dict[str, Any], net: str, tax: str, total: str) -> dict[str, Any]:
    return {**quote, "summary": {"one_off": {"net_amount": net, "tax_amount": tax, "total_amount": total}}}


def with_plan(quote: dict[str, Any], *lines: dict[str, Any], name: str = "Care") -> dict[str, Any]:
    """The quote with a plan section, which is not invoiced: 50.00 at 20 %, or these lines."""
    found = list(lines) or [a_line("p1", "50.00")]
    care = {"type": "plan", "name": name, "phases": [{"line_items": found}]}
    other = {"type": "plan", "name": "Other", "phases": [{"line_items": [a_line("p9", "7.77")]}]}
    sections = [*quote["pricing_table"]["sections"], care, *([other] if name != "Care" else [])]
    return {**quote, "pricing_table": {"sections": sections}}


def many(count: int, **changes: Any) -> dict[str, Any]:
    return a_quote(*(a_line(f"l{n}", "1.00", taxes=[]) for n in range(count)), **changes)


# -- refused before anything is asked of Stripe -------------------------------------------------------


@pytest.mark.parametrize(
    ("quote", "code", "words"),
    [
        pytest.param(many(251), "too_many_lines", ["251", "250"], id="too many items are refused with their count"),
        pytest.param(
            many(250, total="250.01"), "too_many_lines", ["251"], id="a rounding line counts among the items"
        ),
        pytest.param(
            signed(
                a_quote(*(a_line(f"l{n}", "10.10", taxes=[vat("5.5")]) for n in range(250))),
                "2525.00",
                "138.88",
                "2663.88",
            ),
            "too_many_lines",
            ["251 items, the rounding line included"],
            id="250 items that need a rounding line are refused before there is a draft without it",
        ),
        pytest.param(
            a_quote(a_line("l1", "100000000", taxes=[]), currency="JPY", total="100000000"),
            "amount_too_large",
            ["100000000 JPY"],
            id="eight digits are the most that Stripe takes, whatever the decimals",
        ),
        pytest.param(
            a_quote(a_line("l1", "900000.00"), total="900000.00"),
            "amount_too_large",
            [],
            id="a total that only its tax lifts above the maximum is too large",
        ),
        pytest.param(
            a_quote(a_line("l1", "500000.00"), a_line("l2", "400000.00", taxes=[])),
            "amount_too_large",
            ["1000000.00 EUR"],
            id="a total one cent above the maximum is too large",
        ),
        pytest.param(
            a_quote(a_line("l1", "100.50", taxes=[]), currency="UGX"),
            "amount_precision",
            ["100.50", "UGX"],
            id="half a shilling is refused, although Stripe counts in hundredths of it",
        ),
        pytest.param(
            a_quote(currency="IQD", total="120.00"), "currency_unsupported", ["IQD"], id="IQD is refused, not guessed"
        ),
        pytest.param(
            a_quote(currency="LYD", total="120.00"), "currency_unsupported", ["LYD"], id="LYD is refused, not guessed"
        ),
        pytest.param(
            a_quote(a_line(taxes=[vat("10", api_name="vat_fr_200")]), total="110.00"),
            "tax_unclear",
            ["vat_fr_200", "rate is 10,", "says 20"],
            id="a rate that contradicts its API name is refused, and both are named",
        ),
        pytest.param(
            a_quote(a_line(taxes=[vat(country="DE", api_name="vat_fr_200")]), total="120.00"),
            "tax_unclear",
            ["vat_fr_200", "country is DE,", "says FR"],
            id="a country that contradicts the API name is refused, and both are named",
        ),
        pytest.param(
            a_quote(a_line("l1", "10.5", taxes=[]), currency="JPY"),
            "amount_precision",
            ["10.5", "JPY"],
            id="half a yen is refused, not rounded",
        ),
        pytest.param(
            a_quote(a_line("l1", "1.234", taxes=[]), currency="KWD"),
            "amount_precision",
            ["1.234", "KWD"],
            id="a dinar amount whose last digit is not 0 is refused, not rounded",
        ),
    ],
)  # fmt: skip
def test_refused_before_any_request(bench: Any, quote: dict[str, Any], code: str, words: list[str]) -> None:
    bench.enable(**BY_RATES)

    run = bench.accept(quote)

    assert (run["status"], run["error"]["code"]) == ("needs_attention", code)
    assert [word for word in words if word not in run["error"]["title"]] == []
    assert len(bench.stripe.requests) == 0


# -- compared before it is final ----------------------------------------------------------------------

DISCOUNTED = a_quote(a_line(net="100.00"), discount="10.00")
TWO_DISCOUNTS = a_quote(
    discounts=[
        {"type": "amount", "label": "Welcome", "amount": "10.00"},
        {"type": "amount", "label": "Spring", "amount": "5.00"},
    ]
)
TWIN_DISCOUNTS = a_quote(
    discounts=[
        {"type": "amount", "label": "Welcome", "amount": "10.00"},
        {"type": "amount", "label": "Spring", "amount": "10.00"},
    ]
)
LEVY = vat("2", id="t-levy", api_name="levy_fr_20", name="Levy")
ECO = {"id": "t-eco", "name": "Eco contribution", "is_percentage": False, "amount": "10.00"}
#: Plan lines: 40.00 after their discount at 5.5 %, with a tax of 1.00; and one whose price nobody can tell.
CARE = a_line("p1", "40.00", discount="10.00", taxes=[vat("5.5"), {**ECO, "amount": "1.00"}])
UNIT_PRICED = a_line("p1", taxes=[], pricing={"model": "per_unit", "list_price": "50.00"}, amounts=None)
UNCLEAR = a_line("p1", pricing={"model": "graduated", "list_price": "9.00"}, amounts=None)


@pytest.mark.parametrize(
    ("quote", "settings", "words"),
    [
        pytest.param(
            ROUNDING,
            BY_RATES | {"rounding_line": False},
            ["Tax: the quote says 1.67 EUR, line by line it comes to 1.68 EUR."],
            id="without the rounding line a cent keeps the draft, and the run says by how much the tax differs",
        ),
        pytest.param(
            signed(ROUNDING, "30.30", "1.64", "31.94"),
            OPEN,
            ["Tax: the quote says 1.64 EUR"],
            id="four cents are more than three lines at one rate can lose, even cut off",
        ),
        pytest.param(
            signed(ROUNDING, "30.29", "1.68", "31.97"),
            OPEN,
            ["Net: the quote says 30.29 EUR, the lines come to 30.30 EUR."],
            id="a cent in the net is no rounding, though the total is a cent off",
        ),
        pytest.param(
            signed(with_plan(a_quote()), "150.00", "30.00", "180.00"),
            OPEN,
            [
                "The difference of 50.00 EUR is just the plan section 'Care' (not invoiced).",
                "The difference of 10.00 EUR is the tax on that.",
            ],
            id="a summary that includes the plan section is explained by it, tax and all",
        ),
        pytest.param(
            signed(DISCOUNTED, "100.00", "20.00", "120.00"),
            OPEN,
            [
                "The difference of 10.00 EUR is just the quote-wide discount.",
                "The difference of 2.00 EUR is the tax on that.",
            ],
            id="a summary that leaves out the global discount is explained by it",
        ),
        pytest.param(
            signed(with_plan(DISCOUNTED), "150.00", "30.00", "180.00"),
            OPEN,
            [
                "The difference of 60.00 EUR is just the plan section 'Care' (not invoiced) and the quote-wide discount together.",
                "The difference of 12.00 EUR is the tax on that.",
            ],
            id="a summary with the plan section and without the discount is explained by both",
        ),
        pytest.param(
            signed(with_plan(a_quote()), "150.00", "25.00", "175.00"),
            OPEN,
            ["just the plan section 'Care'", "The difference of 5.00 EUR is not the tax on that (10.00 EUR)."],
            id="a plan section that explains the net and not the tax is said to do just that",
        ),
        pytest.param(
            signed(with_plan(a_quote(), CARE), "140.00", "23.20", "163.20"),
            OPEN,
            ["The difference of 40.00 EUR is just the plan section 'Care'", "The difference of 3.20 EUR is the tax on"],
            id="a plan section counts after its own discounts and with its own taxes",
        ),
        pytest.param(
            signed(with_plan(a_quote(), CARE, name="Support"), "140.00", "23.20", "163.20"),
            OPEN,
            ["The difference of 40.00 EUR is just the plan section 'Support' (not invoiced)."],
            id="of several plan sections the one that explains is named",
        ),
        pytest.param(
            signed(with_plan(a_quote(), UNCLEAR), "150.00", "30.00", "180.00"),
            OPEN,
            ["Neither plan sections nor quote-wide discounts explain the difference of 50.00 EUR."],
            id="a plan section whose price nobody can tell explains nothing and stops nothing",
        ),
        pytest.param(
            signed(with_plan(a_quote(), UNIT_PRICED), "150.00", "20.00", "170.00"),
            OPEN,
            ["The difference of 50.00 EUR is just the plan section 'Care' (not invoiced)."],
            id="a plan section that only its unit prices tell explains as well",
        ),
        pytest.param(
            signed(TWO_DISCOUNTS, "95.00", "19.00", "114.00"),
            OPEN,
            [
                "The difference of 10.00 EUR is just the quote-wide discount 'Welcome'.",
                "The difference of 2.00 EUR is the tax on that.",
            ],
            id="of several global discounts the one that explains is named",
        ),
        pytest.param(
            signed(TWO_DISCOUNTS, "100.00", "20.00", "120.00"),
            OPEN,
            ["is just the quote-wide discount 'Welcome' and the quote-wide discount 'Spring' together."],
            id="global discounts that explain only together are named together",
        ),
        pytest.param(
            signed(with_plan(TWO_DISCOUNTS), "140.00", "28.00", "168.00"),
            OPEN,
            [
                "difference of 55.00 EUR is just the plan section 'Care' (not invoiced) and the quote-wide discount 'Spring'"
            ],
            id="a plan section and one of several global discounts are named together",
        ),
        pytest.param(
            signed(TWIN_DISCOUNTS, "90.00", "18.00", "108.00"),
            OPEN,
            [
                "may be one of several things, and nothing tells which: the quote-wide discount 'Welcome'; or the quote-wide discount 'Spring'."
            ],
            id="where two explain equally well neither is chosen",
        ),
        pytest.param(
            signed(with_plan(a_quote(a_line(taxes=[vat(), ECO]))), "160.00", "30.00", "190.00"),
            OPEN,
            ["just the plan section 'Care' (not invoiced) and the taxes of a fixed amount together."],
            id="fixed taxes that the quote counts as goods are part of the explanation",
        ),
        pytest.param(
            signed(a_quote(a_line(taxes=[vat(), LEVY])), "100.00", "20.00", "120.00"),
            OPEN,
            ["No way of rounding gives it.", "is just Levy 2 %, as if the quote's totals lacked it."],
            id="a tax that the summary lacks is named",
        ),
        pytest.param(
            signed(a_quote(a_line(taxes=[vat(), ECO])), "100.00", "20.00", "120.00"),
            OPEN,
            ["The difference of 10.00 EUR is just the taxes of a fixed amount"],
            id="fixed taxes that the summary lacks are named",
        ),
        pytest.param(
            signed(a_quote(a_line(taxes=[])), "100.00", "20.00", "120.00"),
            OPEN,
            ["Tax: the quote says 20.00 EUR, line by line it comes to 0.00 EUR.", "No line has a tax rate."],
            id="a quote with tax on lines without is told so",
        ),
        pytest.param(
            signed(a_quote(), "100.00", "20.00", "121.00"),
            OPEN,
            [
                "The quote contradicts itself: its net of 100.00 EUR and its tax of 20.00 EUR come to 120.00 EUR, its total says 121.00 EUR.",
                "Total: the quote says 121.00 EUR, the lines come to 120.00 EUR.",
            ],
            id="a quote whose net and tax are not its total contradicts itself, with all three figures",
        ),
        pytest.param(
            signed(a_quote(), "99.00", "20.00", "120.00"),
            OPEN,
            ["The quote contradicts itself", "Net: the quote says 99.00 EUR, the lines come to 100.00 EUR."],
            id="a contradiction is never equal, though the total is",
        ),
        pytest.param(
            signed(with_plan(DISCOUNTED), "101.00", "20.20", "121.20"),
            OPEN,
            ["Neither plan sections nor quote-wide discounts explain the difference of 11.00 EUR."],
            id="what nothing explains is said to be unexplained, and nothing is split by guess",
        ),
    ],
)
def test_stays_a_draft_and_says_why(
    bench: Any, quote: dict[str, Any], settings: dict[str, Any], words: list[str]
) -> None:
    bench.enable(**settings)

    run = bench.accept(quote)

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "totals_differ")
    assert [word for word in words if word not in notes(run)] == []
    assert run["outcome"]["invoice_status"] == "draft"
    assert "rounding" not in [line["metadata"]["qwoty_line"] for line in the_lines(bench)]
    assert bench.mails() == []


@pytest.mark.parametrize(
    ("language", "word"),
    [
        pytest.param("en", "Rounding", id="the rounding line is named in English"),
        pytest.param("fr", "Arrondi", id="the rounding line is named in French"),
        pytest.param("nl", "Rounding", id="where a language is missing the rounding line is named in English"),
    ],
)
def test_one_untaxed_line_makes_the_total_equal(bench: Any, language: str, word: str) -> None:
    bench.enable(**BY_RATES)

    run = bench.accept({**ROUNDING, "language": language})

    assert (run["status"], run["outcome"]["total"], run["outcome"]["invoice_status"]) == ("succeeded", "31.97", "open")
    *_, last = the_lines(bench)
    assert (last["metadata"]["qwoty_line"], last["description"], last["amount"], last["taxes"]) == (
        "rounding",
        word,
        -1,
        [],
    )
    assert "One untaxed line of -0.01 EUR" in notes(run)
    assert "Tax: the quote says 1.67 EUR, line by line it comes to 1.68 EUR." in notes(run)


def test_the_rounding_line_goes_the_way_of_the_other_lines_where_add_lines_is_refused(bench: Any) -> None:
    bench.stripe.faults.add("403", path=r"/add_lines$", times=50)
    bench.enable(**BY_RATES)

    run = bench.accept(ROUNDING)

    assert (run["status"], run["outcome"]["total"]) == ("succeeded", "31.97")
    assert [line["amount"] for line in the_lines(bench)] == [1010, 1010, 1010, -1]


@pytest.mark.parametrize("fault", ["cut_after", "500_after", "cut_before", "500_before"])
def test_whatever_happens_to_the_answer_there_is_one_rounding_line(bench: Any, fault: str) -> None:
    bench.stripe.faults.add(fault, path=r"/add_lines$", skip=1)
    bench.enable(**BY_RATES)

    run = bench.accept(ROUNDING)

    assert (run["status"], run["outcome"]["total"]) == ("succeeded", "31.97")
    assert [line["amount"] for line in the_lines(bench)] == [1010, 1010, 1010, -1]


def test_a_run_that_begins_anew_adds_no_second_rounding_line(bench: Any) -> None:
    run_id = not_yet_final(bench, ROUNDING, exact_tax=False)
    bench.enable(**EMAIL, exact_tax=False)  # what shapes the invoice changed: the next attempt starts at its first step

    run = bench.retry(run_id)

    assert (run["status"], run["outcome"]["total"]) == ("succeeded", "31.97")
    assert [line["amount"] for line in the_lines(bench)] == [1010, 1010, 1010, -1]


def test_a_rounding_line_that_may_not_be_any_more_keeps_the_draft(bench: Any) -> None:
    run_id = not_yet_final(bench, ROUNDING, exact_tax=False)
    bench.enable(**BY_RATES, rounding_line=False)

    run = bench.retry(run_id)

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "totals_differ")
    assert "as signed, but what it is made of is not; it stays a draft" in run["error"]["title"]
    assert run["outcome"]["invoice_status"] == "draft"


def test_a_rounding_line_that_may_be_later_is_added_where_add_lines_is_refused(bench: Any) -> None:
    bench.stripe.faults.add("403", path=r"/add_lines$", times=50)
    bench.enable(**BY_RATES, rounding_line=False)
    without = bench.accept(ROUNDING)
    assert without["error"]["code"] == "totals_differ"
    bench.enable(**BY_RATES)

    run = bench.retry(without["id"])

    assert (run["status"], run["outcome"]["total"], run["outcome"]["invoice_status"]) == ("succeeded", "31.97", "open")
    assert [line["amount"] for line in the_lines(bench)] == [1010, 1010, 1010, -1]


@pytest.mark.parametrize("fault", ["404", "unknown_parameter", "403"])
def test_where_only_the_rounding_line_is_refused_it_goes_as_an_item(bench: Any, fault: str) -> None:
    bench.stripe.faults.add(fault, path=r"/add_lines$", times=50, skip=1)
    bench.enable(**BY_RATES)

    run = bench.accept(ROUNDING)

    assert (run["status"], run["outcome"]["total"]) == ("succeeded", "31.97")
    assert [line["amount"] for line in the_lines(bench)] == [1010, 1010, 1010, -1]


def test_a_run_that_begins_anew_item_by_item_adds_the_rounding_line_that_it_lacked(bench: Any) -> None:
    bench.stripe.faults.add("404", path=r"/add_lines$", times=50)
    bench.stripe.faults.add("500_before", method="POST", path="^/v1/invoiceitems$", times=50, skip=3)
    bench.enable(**BY_RATES)
    failed = bench.accept(ROUNDING)
    assert failed["status"] == "waiting"
    bench.stripe.faults.reset()
    bench.stripe.faults.add("404", path=r"/add_lines$", times=50)
    bench.enable(**EMAIL, exact_tax=False)  # what shapes the invoice changed: the next attempt starts at its first step

    run = bench.retry(failed["id"])

    assert (run["status"], run["outcome"]["total"]) == ("succeeded", "31.97")
    assert [line["amount"] for line in the_lines(bench)] == [1010, 1010, 1010, -1]


# -- touched by hand between two attempts -------------------------------------------------------------


def not_yet_final(bench: Any, quote: dict[str, Any], **settings: Any) -> str:
    """Accept the quote so that its draft is whole, but cannot be made final yet; give the run's id."""
    bench.stripe.faults.add("500_before", path=r"/finalize$", times=50)
    bench.enable(**OPEN, **settings)
    run = bench.accept(quote)
    assert run["status"] == "waiting"
    bench.stripe.faults.reset()
    return str(run["id"])


@pytest.fixture
def halted(bench: Any) -> tuple[Any, str]:
    """A bench on which the draft is whole, but could not be made final: 100.00 and 20 % VAT."""
    return bench, not_yet_final(bench, a_quote())


def _add(v1: Any, invoice: dict[str, Any]) -> None:
    item = {"customer": invoice["customer"], "invoice": invoice["id"], "currency": "eur"}
    v1.invoice_items.create(params={**item, "amount": 900, "description": "Travel"})


def _remove(v1: Any, invoice: dict[str, Any]) -> None:
    item = invoice["lines"]["data"][0]["parent"]["invoice_item_details"]["invoice_item"]
    v1.invoice_items.delete(item)


def _exchange(v1: Any, invoice: dict[str, Any]) -> None:
    _remove(v1, invoice)
    item = {"customer": invoice["customer"], "invoice": invoice["id"], "currency": "eur"}
    v1.invoice_items.create(params={**item, "amount": 12000, "description": "Travel"})


@pytest.mark.parametrize(
    ("touch", "there", "words"),
    [
        pytest.param(_add, "129.00 EUR", "Not ours: 'Travel' over 9.00 EUR.", id="a line that somebody added is named"),
        pytest.param(
            _remove,
            "0.00 EUR",
            "Missing: 'Consulting' over 100.00 EUR.",
            id="a line that somebody took out is missed",
        ),
        pytest.param(
            _exchange,
            "120.00 EUR",
            "Not ours: 'Travel' over 120.00 EUR.",
            id="a change that keeps the total is seen all the same",
        ),
    ],
)
def test_a_draft_touched_by_hand_is_never_made_final(
    halted: tuple[Any, str], v1: Any, touch: Any, there: str, words: str
) -> None:
    bench, run_id = halted
    (invoice,) = bench.stripe.objects("invoices")
    touch(v1, invoice)

    first = bench.retry(run_id)
    second = bench.retry(run_id)

    assert (first["status"], first["error"]["code"]) == ("needs_attention", "totals_differ")
    assert f"was changed in Stripe: it comes to {there}" in first["error"]["title"]
    assert bench.stripe.objects("invoices")[0]["status"] == "draft"
    assert (second["status"], second["error"]["code"]) == ("needs_attention", "totals_differ")
    assert words in notes(second) + second["error"]["title"]


def test_a_line_that_somebody_took_out_is_not_put_back_a_day_later(bench: Any, v1: Any) -> None:
    run_id = not_yet_final(bench, a_quote(a_line("l1", name="Advice"), a_line("l2", "50.00")))
    _remove(v1, bench.stripe.objects("invoices")[0])

    for _ in range(3):
        run = bench.retry(run_id)
        assert (run["status"], run["error"]["code"]) == ("needs_attention", "totals_differ")
        bench.stripe.clock.advance(86400)  # Stripe forgets what it was asked the day before

    assert "Missing: 'Advice' over 100.00 EUR." in notes(run)
    assert [line["metadata"]["qwoty_line"] for line in the_lines(bench)] == ["l2"]


def test_taxes_that_somebody_exchanged_between_two_lines_are_seen_though_the_total_is_right(
    bench: Any, v1: Any
) -> None:
    taxed = [a_line("l1", taxes=[vat("20")]), a_line("l2", name="Books", taxes=[vat("5.5")])]
    run_id = not_yet_final(bench, a_quote(*taxed, total="225.50"))
    (invoice,) = bench.stripe.objects("invoices")
    for line, other in zip(the_lines(bench), reversed(the_lines(bench)), strict=True):
        v1.invoice_items.delete(line["parent"]["invoice_item_details"]["invoice_item"])
        rates = [tax["tax_rate_details"]["tax_rate"] for tax in other["taxes"]]
        exchanged = {**{name: line[name] for name in ("amount", "description", "metadata")}, "tax_rates": rates}
        v1.invoices.add_lines(invoice["id"], params={"lines": [exchanged]})
    assert bench.stripe.objects("invoices")[0]["total"] == 22550

    run = bench.retry(run_id)

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "totals_differ")
    assert "'Consulting' has other taxes than planned." in run["error"]["hint"]
    assert "'Books' has other taxes than planned." in run["error"]["hint"]
    assert bench.stripe.objects("invoices")[0]["status"] == "draft"


@pytest.mark.parametrize("settings", [OPEN, EMAIL, LINK], ids=["open", "email", "link"])
def test_a_draft_touched_in_the_moment_before_it_is_made_final_is_not_sent(
    bench: Any, v1: Any, meanwhile: Any, settings: dict[str, Any]
) -> None:
    bench.enable(**settings)
    waiting = meanwhile("POST", "/add_lines$", lambda: _add(v1, bench.stripe.objects("invoices")[0]))

    run = bench.accept(a_quote(installments=2))

    assert not waiting
    assert (run["status"], run["error"]["code"]) == ("needs_attention", "totals_differ")
    assert "it comes to 129.00 EUR, the signed quote says 120.00 EUR. Nothing was sent." in run["error"]["title"]
    assert (bench.stripe.objects("sent"), bench.stripe.objects("sessions"), bench.mails()) == ([], [], [])


def test_a_change_that_somebody_took_back_is_no_hindrance(halted: tuple[Any, str], v1: Any) -> None:
    bench, run_id = halted
    (invoice,) = bench.stripe.objects("invoices")
    _add(v1, invoice)
    bench.retry(run_id)
    v1.invoice_items.delete(bench.stripe.objects("items")[-1]["id"])

    run = bench.retry(run_id)

    assert (run["status"], run["outcome"]["invoice_status"], run["outcome"]["total"]) == ("succeeded", "open", "120.00")


# -- what may be, and is -----------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["eur", "Eur", "EUR", "eUr"])
def test_a_currency_may_be_written_in_any_case(bench: Any, code: str) -> None:
    bench.enable(**OPEN)

    run = bench.accept(a_quote(currency=code))

    assert (run["status"], run["outcome"]["currency"], run["outcome"]["total"]) == ("succeeded", "EUR", "120.00")
    assert bench.stripe.objects("invoices")[0]["currency"] == "eur"


@pytest.mark.parametrize(
    ("quote", "total"),
    [
        pytest.param(
            a_quote(a_line("l1", "500000.00"), a_line("l2", "399999.99", taxes=[])),
            "999999.99",
            id="the largest total in euro is taken",
        ),
        pytest.param(
            a_quote(a_line("l1", "99999999", taxes=[]), currency="JPY"),
            "99999999",
            id="the largest total in yen is taken",
        ),
        pytest.param(
            a_quote(a_line("l1", "99999.990", taxes=[]), currency="KWD"),
            "99999.990",
            id="the largest total in dinar is taken",
        ),
        pytest.param(
            a_quote(a_line("l1", "46550", taxes=[vat("18", "UG")]), currency="UGX"),
            "54929.00",
            id="whole shillings reach Stripe as hundredths",
        ),
        pytest.param(
            a_quote(a_line("l1", "1000.50", taxes=[vat("5", "TW")]), currency="TWD", total="1050.53"),
            "1050.53",
            id="charges in TWD have two decimals, only payouts have none",
        ),
        pytest.param(
            a_quote(a_line("l1", "12.34", taxes=[]), currency="BHD"), "12.340", id="two decimals of three are enough"
        ),
        pytest.param(many(250), "250.00", id="250 items are taken"),
    ],
)
def test_what_stripe_takes_reaches_its_total(bench: Any, quote: dict[str, Any], total: str) -> None:
    bench.enable(**OPEN)

    run = bench.accept(quote)

    assert (run["status"], run["outcome"]["total"], run["outcome"]["invoice_status"]) == ("succeeded", total, "open")


# -- customers who pay no tax ---------------------------------------------------------------------------


@pytest.mark.parametrize("tax_exempt", ["exempt", "reverse"])
@pytest.mark.parametrize(
    "taxes", [pytest.param([], id="without tax"), pytest.param([vat("0")], id="at a real rate of 0 %")]
)
def test_a_quote_that_charges_an_exempt_customer_no_tax_becomes_final(
    bench: Any, v1: Any, taxes: list[dict[str, Any]], tax_exempt: str
) -> None:
    v1.customers.create(params={"email": "ana@buyer.example", "tax_exempt": tax_exempt})
    bench.enable(**OPEN)

    run = bench.accept(a_quote(a_line(taxes=taxes)))

    assert (run["status"], run["outcome"]["total"], run["outcome"]["invoice_status"]) == ("succeeded", "100.00", "open")


@pytest.mark.parametrize("tax_exempt", ["exempt", "reverse"])
@pytest.mark.parametrize(
    "net", [pytest.param("100.00", id="much tax"), pytest.param("0.60", id="a cent, which no rounding line may hide")]
)
def test_a_quote_that_charges_an_exempt_customer_tax_stays_a_draft_and_says_why(
    bench: Any, v1: Any, net: str, tax_exempt: str
) -> None:
    v1.customers.create(params={"email": "ana@buyer.example", "tax_exempt": tax_exempt})
    bench.enable(**OPEN)

    run = bench.accept(a_quote(a_line("l1", net, taxes=[vat("1")])))

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "totals_differ")
    assert run["outcome"]["invoice_status"] == "draft"
    assert f"The customer is tax-exempt in Stripe ({tax_exempt}), so no tax is added there." in notes(run)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        pytest.param("x" * 5000, "x" * 5000, id="a description of just the longest length is left whole"),
        pytest.param(("word " * 2000).strip(), "word " * 998 + "word…", id="a longer one is cut between two words"),
        pytest.param("x" * 6000, "x" * 4999 + "…", id="a single word that is too long is cut where it must be"),
    ],
)
def test_descriptions_longer_than_stripe_takes_are_cut_at_a_word(bench: Any, name: str, shown: str) -> None:
    bench.enable()

    run = bench.accept(a_quote(a_line(name=name)))

    assert run["status"] == "succeeded"
    assert the_lines(bench)[0]["description"] == shown


def test_the_end_of_a_description_that_is_cut_stays_whole() -> None:
    line = a_line("l1", "100.00", quantity="2.50", pricing={"model": "per_unit", "list_price": "40.00"})
    line["product"]["name"] = "word " * 2000

    plan = make_plan(loaded(a_quote(line)))

    assert isinstance(plan, InvoicePlan)
    assert plan.lines[0].description.endswith("word… (2.5 unit × 40.00 EUR)")
    assert len(plan.lines[0].description) <= 5000


@pytest.mark.parametrize(
    ("currency", "line", "total", "parts"),
    [
        pytest.param(
            "ISK", a_line("l1", "1000", taxes=[]), "1000", ["334.00", "333.00", "333.00"], id="kronur are paid whole"
        ),
        pytest.param(
            "KWD", a_line("l1", "10.000", taxes=[]), "10.000", ["3.340", "3.330", "3.330"], id="dinars end in a 0"
        ),
        pytest.param("JPY", a_line("l1", "1000", taxes=[]), "1000", ["334", "333", "333"], id="yen are paid whole"),
    ],
)
def test_every_installment_is_an_amount_that_can_be_paid(
    bench: Any, currency: str, line: dict[str, Any], total: str, parts: list[str]
) -> None:
    bench.enable(invoice_status="open", send_payment_link=True)

    run = bench.accept(a_quote(line, currency=currency, total=total, installments=["33.34", "33.33", "33.33"]))

    assert run["status"] == "succeeded", run
    assert [part["amount"] for part in bench.quote("q-7")["installments"]] == parts
    assert run["outcome"]["payment_link"]["amount"] == parts[0]


@pytest.mark.parametrize("currency", ["EUR", "USD"])
@pytest.mark.parametrize(
    ("net", "final"), [pytest.param("0.49", False, id="below"), pytest.param("0.50", True, id="at")]
)
def test_a_total_below_the_least_that_stripe_charges_stays_a_draft(
    bench: Any, currency: str, net: str, final: bool
) -> None:
    bench.enable(**OPEN)

    run = bench.accept(a_quote(a_line("l1", net, taxes=[]), currency=currency))

    assert (run["status"], run["outcome"]["invoice_status"]) == (
        ("succeeded", "open") if final else ("needs_attention", "draft")
    )
    assert final or run["error"]["code"] == "amount_too_small"
