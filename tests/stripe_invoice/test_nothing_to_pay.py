"""A total of zero is paid at once, a negative one is refused, and a quote without product lines is skipped."""

from __future__ import annotations

from typing import Any

import pytest

from builders import EMAIL, LINK, OPEN, a_line, a_quote
from stripe_invoice.conftest import notes, parts

DRAFT: dict[str, Any] = {}
FREE = a_quote(a_line("l1", "0.00", taxes=[]), installments=2)


@pytest.mark.parametrize(
    ("settings", "status", "said"),
    [
        pytest.param(DRAFT, "draft", "left as a draft; nothing was sent", id="a draft over nothing stays a draft"),
        pytest.param(OPEN, "paid", "paid at once; nothing was sent", id="an open invoice over nothing is paid at once"),
        pytest.param(EMAIL, "paid", "paid at once; nothing was sent", id="Stripe is not asked to mail a paid invoice"),
        pytest.param(LINK, "paid", "paid at once; nothing was sent", id="no link is made where nothing is to be paid"),
    ],
)
def test_a_quote_with_a_total_of_zero_is_never_sent(
    bench: Any, settings: dict[str, Any], status: str, said: str
) -> None:
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


@pytest.mark.parametrize("settings", [OPEN, EMAIL, LINK], ids=["open", "email", "link"])
def test_a_total_that_discounts_make_zero_is_paid_at_once(bench: Any, settings: dict[str, Any]) -> None:
    bench.enable(**settings)

    run = bench.accept(a_quote(a_line("l1", "0.00", discount="100.00"), installments=2))

    assert run["status"] == "succeeded", run
    assert (run["outcome"]["invoice_status"], run["outcome"]["total"]) == ("paid", "0.00")
    assert (run["outcome"]["payment_status"], run["outcome"]["payment_link"]) == ("paid", None)
    assert bench.stripe.objects("sent") == []
    assert bench.stripe.objects("sessions") == []
    assert bench.mails() == []
    assert any("nothing was sent" in note for note in run["outcome"]["notes"])


@pytest.mark.parametrize(
    ("quote", "reason"),
    [
        (a_quote(pricing_table={"sections": []}), "no product lines"),
        (
            a_quote(
                pricing_table={"sections": [{"type": "plan", "name": "Care", "phases": [{"line_items": [a_line()]}]}]}
            ),
            "'Care'",
        ),
    ],
    ids=["no lines", "only a plan"],
)
def test_a_quote_without_product_lines_is_skipped_without_any_request(
    bench: Any, quote: dict[str, Any], reason: str
) -> None:
    bench.enable(**LINK)

    run = bench.accept(quote)

    assert run["status"] == "skipped"
    assert any(reason in note for note in run["outcome"]["notes"])
    assert len(bench.stripe.requests) == 0


def test_a_plan_section_is_not_invoiced_and_is_named_in_a_note(bench: Any) -> None:
    quote = a_quote()
    quote["pricing_table"]["sections"].append(
        {"type": "plan", "name": "Care", "phases": [{"line_items": [a_line("p1", "9.00")]}]}
    )
    bench.enable()

    run = bench.accept(quote)

    assert (run["status"], run["outcome"]["total"]) == ("succeeded", "120.00")
    assert any("'Care'" in note for note in run["outcome"]["notes"])
