"""The preview of a quote: its lines, its totals beside the signed ones, and what a run will do."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders import a_line, a_quote, signed, the_example, vat
from in_process import Desk
from qwoty_integrations_host import Preview
from qwoty_integrations_host.cli import main
from random_quotes import RandomQuote, random_quotes


def books(count: int = 3, **changes: Any) -> dict[str, Any]:
    """Lines of 10.10 at 5.5 %. The tax of each is 0.5555, which Stripe rounds to 0.56."""
    lines = (a_line(f"l{n}", "10.10", taxes=[vat("5.5")], name=f"Book {n}") for n in range(1, count + 1))
    return a_quote(*lines, **changes)


ROUNDING = signed(books(), "30.30", "1.67", "31.97")


# -- figures ----------------------------------------------------------------------------------------------


def test_every_line_shows_its_tax_per_rate_and_its_total(desk: Desk) -> None:
    levy = vat("2.1", id="t-levy", api_name="levy_fr_21", name="Levy")

    line, reduction = desk.preview(a_quote(a_line("l1", "99.99", discount="10.00", taxes=[vat(), levy]))).lines

    assert [(tax.name, tax.percentage, str(tax.amount)) for tax in line.taxes] == [
        ("VAT", Decimal(20), "22.00"),
        ("Levy", Decimal("2.1"), "2.31"),
    ]
    assert (str(line.amount), str(line.total)) == ("109.99", "134.30")
    assert [str(tax.amount) for tax in reduction.taxes] == ["-2.00", "-0.21"]


def test_the_preview_shows_the_signed_and_the_planned_figures(desk: Desk) -> None:
    found = desk.preview(ROUNDING, exact_tax=False)

    assert [str(figure) for figure in (found.subtotal, found.tax, found.total)] == ["30.30", "1.68", "31.98"]
    assert [str(figure) for figure in (found.signed_net, found.signed_tax, found.signed_total)] == [
        "30.30",
        "1.67",
        "31.97",
    ]


def test_an_unrounded_signed_tax_is_shown_unrounded(desk: Desk) -> None:
    found = desk.preview(signed(books(), "30.30", "1.6665", "31.97"), exact_tax=False)

    assert str(found.signed_tax) == "1.6665"
    assert not found.needs_attention
    assert found.verdict == "A rounding line of -0.01 EUR will make the total equal."


def test_the_signed_tax_is_shared_over_the_lines(desk: Desk) -> None:
    found = desk.preview(ROUNDING)

    assert [str(figure) for figure in (found.subtotal, found.tax, found.total)] == ["30.30", "1.67", "31.97"]
    # The tax of each is 0.5555. The cents that are left go to the largest remainders, and first to the earlier line.
    assert [str(tax.amount) for line in found.lines for tax in line.taxes] == ["0.56", "0.56", "0.55"]
    (note,) = found.notes
    assert note.startswith("The tax is the signed one, 1.67 EUR: it is given to Stripe as amounts, since by Stripe's")


def test_installments_are_shares_of_the_signed_total(desk: Desk) -> None:
    found = desk.preview({**ROUNDING, "payment_terms": books(installments=2)["payment_terms"]})

    assert [(number, str(amount)) for number, amount, _ in found.installments] == [(1, "15.99"), (2, "15.98")]


# -- verdict ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quote", "settings", "verdict", "needs_attention"),
    [
        pytest.param(the_example(), {}, "Equal: the invoice will come to the signed total.", False, id="equal"),
        pytest.param(
            ROUNDING,
            {},
            "Equal: the invoice will come to the signed total.",
            False,
            id="a tax rounded once for the rate",
        ),
        pytest.param(
            ROUNDING,
            {"exact_tax": False},
            "A rounding line of -0.01 EUR will make the total equal.",
            False,
            id="a cent of rounding",
        ),
        pytest.param(
            ROUNDING,
            {"exact_tax": False, "rounding_line": False},
            "The invoice would stay a draft and need attention: a rounding line of -0.01 EUR would make the total "
            "equal, but rounding lines are off.",
            True,
            id="a cent of rounding without rounding lines",
        ),
        pytest.param(
            signed(a_quote(), "100.00", "20.00", "121.00"),
            {},
            "Not equal: the invoice would stay a draft and need attention.",
            True,
            id="a contradiction",
        ),
        pytest.param(
            {**a_quote(), "summary": None},
            {},
            "The quote has no signed total: the invoice would stay a draft and need attention.",
            True,
            id="no signed total",
        ),
        pytest.param(
            a_quote(a_line("l1", "0.49", taxes=[])),
            {},
            "The invoice would stay a draft and need attention: Stripe charges at least 0.50 EUR.",
            True,
            id="less than Stripe charges",
        ),
    ],
)
def test_the_verdict_says_what_the_run_does(
    desk: Desk, quote: dict[str, Any], settings: dict[str, Any], verdict: str, needs_attention: bool
) -> None:
    found = desk.preview(quote, **settings)
    outcome = desk.invoice(quote, **settings)

    assert (found.verdict, found.needs_attention) == (verdict, needs_attention)
    assert outcome.status == ("needs_attention" if needs_attention else "succeeded")


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.data_too_large])
@given(random_quotes(), st.booleans(), st.booleans(), st.sampled_from([0, 0, 1, 3]))
def test_preview_and_run_never_disagree(
    desk: Desk, quote: RandomQuote, rounding_line: bool, exact_tax: bool, off: int
) -> None:
    document = quote.with_figures(tax=off * quote.step, total=off * quote.step)

    found = desk.preview(document, rounding_line=rounding_line, exact_tax=exact_tax)
    outcome = desk.invoice(document, rounding_line=rounding_line, exact_tax=exact_tax)

    assert found.needs_attention == (outcome.status == "needs_attention")
    rounding = [line["amount"] for line in desk.lines if line["metadata"]["qwoty_line"] == "rounding"]
    assert found.verdict.startswith("A rounding line") == bool(rounding)
    assert len(found.lines) == len(desk.lines) - len(rounding)
    if rounding or outcome.code == "totals_differ":
        assert set(found.differences) <= set(outcome.notes)


# -- differences ------------------------------------------------------------------------------------------


def test_lines_whose_rounding_makes_the_tax_differ_are_shown_one_by_one(desk: Desk) -> None:
    assert desk.preview(ROUNDING, exact_tax=False).differences == (
        "Tax: the quote says 1.67 EUR, line by line it comes to 1.68 EUR.",
        "Rounded once for each rate it is 1.67 EUR, as on the quote; Stripe rounds it on every line.",
        "'Book 1': VAT 5.5 % of 10.10 EUR is 0.5555 EUR, rounded to 0.56 EUR.",
        "'Book 2': VAT 5.5 % of 10.10 EUR is 0.5555 EUR, rounded to 0.56 EUR.",
        "'Book 3': VAT 5.5 % of 10.10 EUR is 0.5555 EUR, rounded to 0.56 EUR.",
    )


def test_only_the_first_of_many_differing_lines_are_shown(desk: Desk) -> None:
    *_, sixth, rest = desk.preview(signed(books(40), "404.00", "22.22", "426.22"), exact_tax=False).differences

    assert sixth.startswith("'Book 6'")
    assert rest == "And so on for 34 more."


@pytest.mark.parametrize(
    ("tax", "way"),
    [
        # Two lines of 0.43 less 0.12 at 15 %. Stripe computes 0.06 - 0.02 = 0.04 for each. Rounded for each line's net
        # it is 0.0465 -> 0.05 each, and rounded once for the rate it is 0.093 -> 0.09.
        pytest.param("0.10", "once for each line after its discount", id="per line"),
        pytest.param("0.09", "once for each rate", id="per rate"),
    ],
)
def test_the_rounding_that_gives_the_signed_tax_is_named(desk: Desk, tax: str, way: str) -> None:
    lines = [a_line(f"l{n}", "0.31", discount="0.12", taxes=[vat("15")]) for n in range(2)]
    quote = signed(a_quote(*lines), "0.62", tax, str(Decimal("0.62") + Decimal(tax)))

    found = desk.preview(quote, exact_tax=False)

    assert found.differences[0] == f"Tax: the quote says {tax} EUR, line by line it comes to 0.08 EUR."
    assert found.differences[1].startswith(f"Rounded {way} it is {tax} EUR, as on the quote;")


def test_a_tax_rounded_once_for_everything_is_recognized(desk: Desk) -> None:
    # 10 % of 0.14 is 0.014, and 20 % of 0.02 is 0.004. Rounded one by one they come to 0.01, and together to 0.02.
    lines = [a_line("l1", "0.14", taxes=[vat("10")]), a_line("l2", "0.02", taxes=[vat("20")])]

    found = desk.preview(signed(a_quote(*lines), "0.16", "0.02", "0.18"), exact_tax=False)

    assert found.differences[1].startswith("Rounded once for everything it is 0.02 EUR")


@pytest.mark.parametrize(
    ("net", "tax", "said"),
    [
        pytest.param("100.00", "30.00", True, id="as tax: Stripe's subtotal and tax are not the quote's"),
        pytest.param("110.00", "20.00", False, id="as goods: nothing differs"),
    ],
)
def test_fixed_taxes_are_explained_however_the_quote_counts_them(desk: Desk, net: str, tax: str, said: bool) -> None:
    eco = {"id": "t-eco", "name": "Eco contribution", "is_percentage": False, "amount": "10.00"}

    found = desk.preview(signed(a_quote(a_line(taxes=[vat(), eco])), net, tax, "130.00"))

    assert found.verdict.startswith("Equal")
    assert [note[:52] for note in found.differences] == ["Taxes of a fixed amount, 10.00 EUR, are lines of the"] * said


def test_a_rounding_line_may_be_smaller_than_the_smallest_coin(desk: Desk) -> None:
    line = a_line("l1", "1501", taxes=[vat("24", "IS")])

    found = desk.preview(signed(a_quote(line, currency="ISK"), "1501", "360", "1861"), exact_tax=False)

    assert found.verdict == "A rounding line of -0.24 ISK will make the total equal."
    assert found.differences[1] == (
        "Rounded once for each rate it is 360.00 ISK, as on the quote; Stripe rounds it on every line, to 0.01 ISK."
    )


def test_a_quote_without_totals_shows_what_its_lines_come_to(desk: Desk) -> None:
    found = desk.preview({**books(), "summary": None})

    assert [str(figure) for figure in (found.signed_net, found.signed_tax, found.signed_total)] == [
        "30.30",
        "1.67",
        "31.97",
    ]
    assert found.verdict.startswith("The quote has no signed total")


def test_installments_too_small_for_a_link_are_noted(desk: Desk) -> None:
    found = desk.preview(a_quote(a_line("l1", "1.00", taxes=[]), installments=["10", "90"]))

    assert not found.needs_attention
    assert found.notes == (
        "Installment 1 of 2 (0.10 EUR) is below the smallest payment that Stripe takes: there will be no link for it.",
    )


def test_a_quote_with_nothing_to_pay_has_no_note_about_its_link(desk: Desk) -> None:
    found = desk.preview(a_quote(a_line("l1", "0.00"), installments=2))

    assert found.notes == ()


# -- on the terminal --------------------------------------------------------------------------------------


@pytest.fixture
def show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run ``qwoty-host preview`` in a workspace without settings, 80 columns wide."""
    monkeypatch.setenv("COLUMNS", "80")

    def run(*args: str, code: int = 0) -> str:
        found = CliRunner().invoke(main, ["--data-dir", str(tmp_path / "data"), *args])
        assert found.exit_code == code, found.output
        return found.stdout

    def preview(quote: dict[str, Any], *options: str, code: int = 0) -> str:
        path = tmp_path / "quote.json"
        path.write_text(json.dumps(quote), "utf-8")
        run("workspace", "add", "ws-1")
        return run("preview", "ws-1", str(path), *options, code=code)

    return preview


def test_the_documented_example_is_shown_as_a_table(show: Any) -> None:
    assert (
        show({**the_example(), "payment_terms": None})
        == """\
stripe_invoice, in EUR (not switched on):
  line                                      net  tax                  total
  ────────────────────────────────────  ───────  ────────  ───────  ───────
  Implementation (12 day × 650.00 EUR)  7800.00  VAT 20 %  1560.00  9360.00
  Remise\u00a0: Implementation (10%)         -780.00  VAT 20 %  -156.00  -936.00
  Training                               765.00  VAT 20 %   153.00   918.00
  Remise\u00a0: Welcome                      -200.00  VAT 20 %   -40.00  -240.00
  ────────────────────────────────────  ───────  ────────  ───────  ───────
  The invoice                           7585.00            1517.00  9102.00
  The signed quote                      7585.00            1517.00  9102.00

  ✔ Equal: the invoice will come to the signed total.

  Billed: Ana Diaz, Buyer SARL, ana@buyer.example, 2 rue B, Lyon, 69001, FR
  Mailed: Nothing would be mailed: the invoice stays a draft.
  Customer: the first of these that is there
  1. The Stripe customer that was made for contact 'contact_3'.
  2. The oldest Stripe customer with the e-mail address ana@buyer.example,
    unless it is another company's.
  3. A new Stripe customer.
"""
    )


def test_long_descriptions_and_second_taxes_keep_the_table_aligned(show: Any) -> None:
    levy = vat("2", id="t-levy", api_name="levy_fr_20", name="Levy")

    found = show(a_quote(a_line(name="word " * 100, taxes=[vat(), levy])))

    assert "  word word word word word word word word…  100.00  VAT 20 %  20.00  122.00\n" in found
    assert "\n                                                    Levy 2 %   2.00\n" in found


def test_differences_and_notes_break_between_words(show: Any) -> None:
    found = show(signed(books(discount="3.00"), "30.30", "1.67", "31.97"), code=1)

    assert max(len(line) for line in found.splitlines()) <= 80
    assert "  ! Not equal: the invoice would stay a draft and need attention.\n  · Net: the quote says" in found


def test_the_json_carries_money_as_decimal_strings(show: Any) -> None:
    (found,) = json.loads(show(ROUNDING, "--json"))["previews"]

    assert found["lines"][0] == {
        "key": "l1",
        "description": "Book 1",
        "amount": "10.10",
        "taxes": [{"name": "VAT", "percentage": "5.5", "amount": "0.56"}],
        "total": "10.66",
    }
    assert {name: found[name] for name in ("signed_net", "signed_tax", "signed_total", "total")} == {
        "signed_net": "30.30",
        "signed_tax": "1.67",
        "signed_total": "31.97",
        "total": "31.97",
    }
    assert found["verdict"] == "Equal: the invoice will come to the signed total."
    assert found["needs_attention"] is False
    assert len(found["notes"]) == 1
    assert (found["ends"], found["ends_well"], found["problems"]) == ("succeeded", True, [])
    assert set(found) == {"plugin", "enabled", "status", "ends", "ends_well"} | set(Preview.__dataclass_fields__)
