"""A corrected quote replaces its draft; after the invoice is final, the correction is only noted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from builders import EMAIL, KEY, LINK, OPEN, a_line, a_quote, over, vat
from stripe_invoice.conftest import accept_again, the_invoice, totals

OTHER_KEY = "sk_test_51OtherAccount0002"


def fails_at(bench: Any, path: str, quote: dict[str, Any], fault: str = "500_before") -> dict[str, Any]:
    """Accept the quote while a request always fails, then remove the fault; give the waiting run."""
    bench.stripe.faults.add(fault, method="POST", path=path, times=99)
    _, run = accept_again(bench, quote)
    bench.stripe.faults.reset()
    assert run["status"] == "waiting"
    return run


# -- the invoice is a draft -------------------------------------------------------------------------------


def test_a_corrected_quote_replaces_the_draft(bench: Any) -> None:
    bench.enable()
    first = bench.accept(a_quote(a_line(net="100.00"), installments=2))
    draft = the_invoice(bench)["id"]

    accepted, run = accept_again(bench, a_quote(a_line(net="250.00"), installments=2))

    assert accepted.corrected and not accepted.duplicate
    assert run["id"] == first["id"]
    assert (run["status"], run["outcome"]["total"]) == ("succeeded", "300.00")
    assert totals(bench) == [("draft", 30000)]
    assert [part["amount"] for part in bench.quote("q-7")["installments"]] == ["150.00", "150.00"]
    assert f"The draft {draft} that was made before is deleted." in run["outcome"]["notes"]


def test_only_the_draft_of_the_last_correction_is_left(bench: Any) -> None:
    bench.enable()
    bench.accept(over("100.00"))

    for net, total in [("250.00", 30000), ("100.00", 12000)] * 2:
        _, run = accept_again(bench, over(net))
        assert run["status"] == "succeeded", run
        assert totals(bench) == [("draft", total)]


def in_days(days: int) -> dict[str, Any]:
    part = {"percentage": "100", "term": f"net{days}", "order_number": 1}
    return {"payment_terms": {"name": "terms", "installments": [part]}}


@pytest.mark.parametrize(
    ("correction", "look", "shown"),
    [
        pytest.param({"number": "N-NEW"}, lambda i: i["custom_fields"][0]["value"], "N-NEW", id="a corrected number"),
        pytest.param(
            in_days(60), lambda i: round((i["due_date"] - i["created"]) / 86400), 60, id="corrected payment terms"
        ),
        pytest.param({"language": "fr"}, lambda i: i["custom_fields"][0]["name"], "Devis", id="a corrected language"),
    ],
)
def test_a_correction_that_changes_no_amount_reaches_the_invoice(
    bench: Any, correction: dict[str, Any], look: Callable[[dict[str, Any]], Any], shown: Any
) -> None:
    bench.enable(**OPEN)
    fails_at(bench, "/finalize$", a_quote(**in_days(15)))

    accepted, run = accept_again(bench, a_quote(**{**in_days(15), **correction}))

    assert accepted.corrected
    assert run["status"] == "succeeded", run
    assert (the_invoice(bench)["status"], look(the_invoice(bench))) == ("open", shown)


def nothing_to_invoice() -> dict[str, Any]:
    quote = a_quote()
    quote["pricing_table"]["sections"][0]["type"] = "plan"
    return quote


@pytest.mark.parametrize(
    ("quote", "status"),
    [
        pytest.param(nothing_to_invoice(), "skipped", id="nothing to invoice any more"),
        pytest.param(
            a_quote(a_line(taxes=[vat("10", api_name="vat_fr_200")]), total="110.00"),
            "needs_attention",
            id="a tax that contradicts itself now",
        ),
    ],
)
def test_a_corrected_quote_that_cannot_be_invoiced_deletes_the_earlier_draft(
    bench: Any, quote: dict[str, Any], status: str
) -> None:
    bench.enable()
    bench.accept(a_quote())

    _, run = accept_again(bench, quote)

    assert run["status"] == status
    assert totals(bench) == []
    assert (run["outcome"]["invoice_id"], run["outcome"]["total"]) == (None, None)


def test_a_draft_stays_when_only_its_sending_needs_attention(bench: Any) -> None:
    bench.enable(**OPEN)
    run = fails_at(bench, "/finalize$", a_quote(contact={"email": None}))
    bench.enable(**EMAIL)

    run = bench.retry(run["id"])

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "email_missing")
    assert totals(bench) == [("draft", 12000)]


def test_a_correction_during_a_switched_off_integration_is_worked_when_it_is_accepted_again(bench: Any) -> None:
    bench.enable()
    bench.accept(over("100.00"))
    bench.host.settings.disable("ws-1", "stripe_invoice")
    accept_again(bench, over("250.00"))
    assert totals(bench) == [("draft", 12000)]
    bench.enable()

    _, run = accept_again(bench, over("250.00"))

    assert (run["status"], run["outcome"]["total"]) == ("succeeded", "300.00")
    assert totals(bench) == [("draft", 30000)]


@pytest.mark.parametrize("corrected_again", [True, False], ids=["corrected once more", "settings changed and retried"])
def test_a_run_goes_on_after_an_outage_between_two_drafts(bench: Any, corrected_again: bool) -> None:
    bench.enable()
    bench.accept(over("100.00"))
    run = fails_at(bench, "^/v1/invoices$", over("250.00"), "cut_before")
    assert totals(bench) == [], "the old draft is deleted, the new one not made"

    if corrected_again:
        _, run = accept_again(bench, over("300.00"))
    else:
        bench.enable(**OPEN)  # a changed setting makes the next attempt begin anew
        run = bench.retry(run["id"])

    assert run["status"] == "succeeded", run
    assert totals(bench) == [("draft", 36000) if corrected_again else ("open", 30000)]


# -- another key sees another account ----------------------------------------------------------


def by_units(bench: Any, **keys: str) -> None:
    given = {"token_scope": "business_unit", "business_unit_api_tokens": keys}
    bench.host.settings.save("ws-1", "stripe_invoice", given)
    bench.host.settings.enable("ws-1", "stripe_invoice")


@pytest.mark.parametrize("moves", ["the quote", "the key", "the key after the draft was finalized by hand"])
def test_a_draft_that_stays_in_another_account_is_named_in_a_note(bench: Any, v1: Any, moves: str) -> None:
    bench.stripe.add_key(OTHER_KEY, account="acct_other")
    by_units(bench, bu_1=KEY, bu_2=OTHER_KEY)
    bench.accept(over("100.00"))
    draft = the_invoice(bench)["id"]
    if moves == "the key after the draft was finalized by hand":
        v1.invoices.finalize_invoice(draft)
    if moves == "the quote":
        corrected = over("250.00", business_unit={"id": "bu_2", "name": "Other SAS"})
    else:
        corrected = over("250.00")
        by_units(bench, bu_1=OTHER_KEY)

    _, run = accept_again(bench, corrected)

    assert run["status"] == "succeeded", run
    assert [i["total"] for i in bench.stripe.objects("invoices", account="acct_other")] == [30000]
    (note,) = [note for note in run["outcome"]["notes"] if draft in note]
    assert "made with another key and is still there" in note


# -- the invoice is final ------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [OPEN, LINK], ids=["open", "link"])
def test_a_correction_of_a_final_invoice_is_only_noted(bench: Any, settings: dict[str, Any]) -> None:
    bench.enable(**settings)
    bench.accept(a_quote(a_line(net="100.00"), installments=2))
    bench.stripe.requests.reset()

    accepted, run = accept_again(bench, a_quote(a_line(net="250.00"), installments=2))
    accept_again(bench, a_quote(a_line(net="250.00"), installments=2))
    again = bench.run(run["id"])

    assert accepted.duplicate and not accepted.corrected
    assert len(bench.stripe.requests) == 0
    assert totals(bench) == [("open", 12000)]
    assert [note for note in again["outcome"]["notes"] if "changed quote arrived" in note] == [
        run["outcome"]["notes"][-1]
    ]
    assert bench.quote("q-7")["total"] == "120.00"


def test_a_corrected_quote_resolves_a_run_that_needed_attention(bench: Any) -> None:
    bench.enable(**OPEN)
    wrong = bench.accept(a_quote(total="999.00"))
    assert wrong["error"]["code"] == "totals_differ"

    _, run = accept_again(bench, a_quote())

    assert (run["status"], run["error"]) == ("succeeded", None)
    assert totals(bench) == [("open", 12000)]


@pytest.mark.parametrize(
    "resent",
    [
        {"accepted_at": "2026-03-11T00:00:00Z"},
        {"pdf_link": "https://storage.example/quote.pdf?token=2"},
        {"colour": "green"},
        {"contact": {"external_ids": {"accounting": "cus_elsewhere"}}},
        {"owner": {"id": "o-2", "first_name": "Max"}},
        {"title": "Consulting, as discussed"},
    ],
    ids=["another time", "another link", "an unknown field", "an id handed back", "another sales person", "a title"],
)
@pytest.mark.parametrize("settings", [{}, OPEN], ids=["draft", "open"])
def test_a_resent_quote_without_a_relevant_change_is_a_duplicate(
    bench: Any, resent: dict[str, Any], settings: dict[str, Any]
) -> None:
    bench.enable(**settings)
    first = bench.accept(a_quote())
    bench.stripe.requests.reset()

    accepted, run = accept_again(bench, a_quote(**resent))

    assert accepted.duplicate and not accepted.corrected
    assert run["outcome"] == first["outcome"]
    assert len(bench.stripe.requests) == 0


def test_a_draft_that_somebody_changed_stays_when_only_the_sales_person_changes(bench: Any, v1: Any) -> None:
    bench.enable()
    bench.accept(a_quote(owner={"id": "o-1"}))
    draft = the_invoice(bench)["id"]
    v1.invoices.add_lines(draft, params={"lines": [{"amount": 900, "description": "Travel"}]})

    _, run = accept_again(bench, a_quote(owner={"id": "o-2"}))

    assert run["status"] == "succeeded"
    assert the_invoice(bench)["id"] == draft
    assert totals(bench) == [("draft", 12900)]


def test_a_correction_that_is_resent_every_day_is_noted_once(bench: Any) -> None:
    bench.enable(**OPEN)
    bench.accept(over("100.00"))

    for _ in range(3):
        _, run = accept_again(bench, over("250.00"))
        bench.clock.sleep(86400)

    assert len([note for note in run["outcome"]["notes"] if "changed quote arrived" in note]) == 1


def test_the_note_of_a_correction_survives_a_retry(bench: Any) -> None:
    bench.enable(**LINK)
    fails_at(bench, "^/v1/checkout/sessions$", over("100.00", installments=2))
    _, noted = accept_again(bench, over("250.00", installments=2))

    run = bench.retry(noted["id"])

    assert run["status"] == "succeeded", run
    assert "changed quote arrived" in noted["outcome"]["notes"][-1]
    assert run["outcome"]["notes"][-1] == noted["outcome"]["notes"][-1]
    assert run["outcome"]["payment_link"]["amount"] == "60.00"


def test_a_deleted_customer_is_not_reported_as_a_correction(bench: Any, v1: Any) -> None:
    bench.enable(**LINK)
    run = fails_at(bench, "^/v1/checkout/sessions$", over("100.00", installments=2))
    v1.customers.delete(the_invoice(bench)["customer"])
    bench.enable(**{**LINK, "rounding_line": False})  # a changed setting makes the run look for the customer again

    run = bench.retry(run["id"])

    assert run["status"] == "needs_attention"
    assert "No such customer" in run["error"]["title"]
    assert "changed" not in " ".join([run["error"]["title"], *run["outcome"]["notes"]])


# -- somebody finalizes the draft in Stripe ------------------------------------------------------------


def _finalize(bench: Any, v1: Any, invoice: str) -> None:
    v1.invoices.finalize_invoice(invoice)


def _finalize_and_void(bench: Any, v1: Any, invoice: str) -> None:
    v1.invoices.finalize_invoice(invoice)
    v1.invoices.void_invoice(invoice)


def _finalize_and_pay(bench: Any, v1: Any, invoice: str) -> None:
    v1.invoices.finalize_invoice(invoice)
    bench.stripe.pay_hosted(invoice)


@pytest.mark.parametrize(
    ("by_hand", "status"),
    [
        pytest.param(_finalize, "open", id="open"),
        pytest.param(_finalize_and_void, "void", id="void"),
        pytest.param(_finalize_and_pay, "paid", id="paid"),
    ],
)
def test_a_draft_that_somebody_finalized_is_not_replaced_and_its_version_is_restored(
    bench: Any, v1: Any, by_hand: Callable[..., None], status: str
) -> None:
    bench.enable()
    bench.accept(over("100.00", installments=2))
    invoice = the_invoice(bench)["id"]
    by_hand(bench, v1, invoice)

    _, run = accept_again(bench, over("250.00", installments=3))
    accepted, again = accept_again(bench, over("100.00", installments=2))

    assert (run["status"], run["error"]) == ("succeeded", None)
    assert f"Invoice {invoice} is {status} already." in run["outcome"]["notes"][-1]
    assert totals(bench) == [(status, 12000)]
    assert bench.quote("q-7")["invoice"]["status"] == status, "the record says what Stripe says"
    assert [part["amount"] for part in bench.quote("q-7")["installments"]] == ["60.00", "60.00"]
    assert accepted.duplicate and again["outcome"] == run["outcome"], "the first version is the stored one again"


def test_a_correction_of_an_invoice_that_was_finalized_and_paid_by_hand_is_only_noted(bench: Any, v1: Any) -> None:
    bench.enable(**LINK)
    wrong = bench.accept(a_quote(total="999.00", installments=2))
    assert wrong["error"]["code"] == "totals_differ"
    _finalize_and_pay(bench, v1, the_invoice(bench)["id"])
    bench.stripe.deliver()  # its webhooks are queued when the correction comes

    _, run = accept_again(bench, over("250.00"))

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "totals_differ")
    assert "is paid already." in run["outcome"]["notes"][-1]
    assert "changed quote arrived" in run["outcome"]["notes"][-1]
    assert run["outcome"]["payment_status"] == "paid"
    assert totals(bench) == [("paid", 12000)]
    assert bench.quote("q-7")["payment_status"] == "paid"


# -- faults ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["500_after", "cut_after", "cut_before", "500_before"])
def test_replacing_a_draft_survives_a_fault_at_every_request(bench: Any, fault: str) -> None:
    bench.enable()
    bench.accept(a_quote(a_line(net="100.00")))
    bench.stripe.requests.reset()
    accept_again(bench, a_quote(a_line(net="110.00")))
    seen = len(bench.stripe.requests)

    for number in range(seen):
        bench.stripe.faults.add(fault, skip=number)
        _, run = accept_again(bench, a_quote(a_line(net=f"{200 + number}.00")))
        bench.stripe.faults.reset()
        assert run["status"] == "succeeded", run
        assert totals(bench) == [("draft", (200 + number) * 120)]


def test_a_correction_of_a_final_invoice_sends_nothing_although_sending_is_switched_on(bench: Any, v1: Any) -> None:
    bench.enable()
    bench.accept(a_quote(a_line(net="100.00"), installments=2))
    v1.invoices.finalize_invoice(the_invoice(bench)["id"])
    bench.enable(**LINK)

    _, run = accept_again(bench, a_quote(a_line(net="200.00"), installments=2))

    assert run["status"] == "succeeded"
    assert "over 240.00 EUR" in run["outcome"]["notes"][-1]
    assert (bench.mails(), bench.stripe.objects("sessions")) == ([], [])


def test_two_different_corrections_of_a_final_invoice_are_two_notes(bench: Any) -> None:
    bench.enable(**OPEN)
    bench.accept(a_quote(a_line(net="100.00")))

    accept_again(bench, a_quote(a_line(net="200.00")))
    _, run = accept_again(bench, a_quote(a_line(net="300.00")))

    assert [note.partition(", over ")[2][:10] for note in run["outcome"]["notes"][-2:]] == ["240.00 EUR", "360.00 EUR"]


def test_a_correction_that_cannot_be_invoiced_names_the_draft_that_is_deleted(bench: Any) -> None:
    bench.enable()
    bench.accept(a_quote())
    (draft,) = bench.stripe.objects("invoices")

    _, run = accept_again(bench, a_quote(currency="IQD", total="120.00"))

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "currency_unsupported")
    assert f"The draft {draft['id']} that was made before is deleted." in run["outcome"]["notes"]
    assert bench.stripe.objects("invoices") == []
