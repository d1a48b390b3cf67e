"""An invoice whose total is not the signed one stays a draft, and the run explains the difference."""

from __future__ import annotations

from typing import Any

import pytest

from builders import BY_RATES, EMAIL, LINK, OPEN, ROUNDED_ONCE, a_line, a_quote, signed, vat
from stripe_invoice.conftest import invoice_lines, notes, the_invoice


def with_plan(quote: dict[str, Any], *lines: dict[str, Any], name: str = "Care") -> dict[str, Any]:
    """The quote with a plan section, which is not invoiced. Without lines it is 50.00 at 20 %."""
    found = list(lines) or [a_line("p1", "50.00")]
    care = {"type": "plan", "name": name, "phases": [{"line_items": found}]}
    other = {"type": "plan", "name": "Other", "phases": [{"line_items": [a_line("p9", "7.77")]}]}
    sections = [*quote["pricing_table"]["sections"], care, *([other] if name != "Care" else [])]
    return {**quote, "pricing_table": {"sections": sections}}


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
#: Lines for plan sections: 40.00 after a discount, with 5.5 % and a fixed tax of 1.00; a unit price; an unknown price.
CARE = a_line("p1", "40.00", discount="10.00", taxes=[vat("5.5"), {**ECO, "amount": "1.00"}])
UNIT_PRICED = a_line("p1", taxes=[], pricing={"model": "per_unit", "list_price": "50.00"}, amounts=None)
UNCLEAR = a_line("p1", pricing={"model": "graduated", "list_price": "9.00"}, amounts=None)


@pytest.mark.parametrize(
    ("quote", "settings", "words"),
    [
        pytest.param(
            ROUNDED_ONCE,
            BY_RATES | {"rounding_line": False},
            ["Tax: the quote says 1.67 EUR, line by line it comes to 1.68 EUR."],
            id="without the rounding line a cent keeps the draft, and the run says by how much the tax differs",
        ),
        pytest.param(
            signed(ROUNDED_ONCE, "30.30", "1.64", "31.94"),
            OPEN,
            ["Tax: the quote says 1.64 EUR"],
            id="four cents are more than three lines at one rate can lose, even cut off",
        ),
        pytest.param(
            signed(ROUNDED_ONCE, "30.29", "1.68", "31.97"),
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
def test_a_differing_total_keeps_the_draft_and_is_explained(
    bench: Any, quote: dict[str, Any], settings: dict[str, Any], words: list[str]
) -> None:
    bench.enable(**settings)

    run = bench.accept(quote)

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "totals_differ")
    assert [word for word in words if word not in notes(run)] == []
    assert run["outcome"]["invoice_status"] == "draft"
    assert "rounding" not in [line["metadata"]["qwoty_line"] for line in invoice_lines(bench)]
    assert bench.mails() == []


@pytest.mark.parametrize("settings", [{}, OPEN, EMAIL, LINK], ids=["draft", "open", "email", "link"])
def test_a_total_that_rounding_does_not_explain_keeps_the_draft_and_names_both_figures(
    bench: Any, settings: dict[str, Any]
) -> None:
    # For one line at one rate, rounding explains a difference of one cent, not of two.
    figures = {"one_off": {"net_amount": "100.00", "tax_amount": "19.98", "total_amount": "119.98"}}
    bench.enable(**settings)

    run = bench.accept(a_quote(installments=2, summary=figures))

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "totals_differ")
    assert "120.00 EUR" in run["error"]["title"]
    assert "119.98 EUR" in run["error"]["title"]
    assert (run["outcome"]["invoice_status"], run["outcome"]["total"]) == ("draft", "120.00")
    assert the_invoice(bench)["status"] == "draft"
    assert bench.stripe.objects("sessions") == []
    assert bench.mails() == []


@pytest.mark.parametrize("summary", [None, {}, {"one_off": None}], ids=["no summary", "an empty one", "no totals"])
def test_nothing_becomes_final_without_a_signed_total(bench: Any, summary: Any) -> None:
    bench.enable(**EMAIL)

    run = bench.accept({**a_quote(), "summary": summary})

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "total_missing")
    assert "by its lines it comes to 120.00 EUR, and it stays a draft" in run["error"]["title"]
    assert (the_invoice(bench)["status"], bench.stripe.objects("sent")) == ("draft", [])


def test_a_quote_that_is_accepted_again_with_its_total_becomes_final(bench: Any) -> None:
    bench.enable(**OPEN)
    bench.accept({**a_quote(), "summary": None})

    run = bench.accept(a_quote())

    assert (run["status"], the_invoice(bench)["status"]) == ("succeeded", "open")
