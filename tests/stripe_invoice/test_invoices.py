"""The invoice: drafted empty, filled in the quote's order, compared, finalized, delivered."""

from __future__ import annotations

from typing import Any

import pytest

from builders import EMAIL, LINK, a_line, a_quote, the_example, vat

OPEN = {"invoice_status": "open"}


def the_invoice(bench: Any) -> dict[str, Any]:
    (invoice,) = bench.stripe.objects("invoices")
    found: dict[str, Any] = invoice
    return found


def the_lines(bench: Any, v1: Any) -> list[tuple[str, int]]:
    """All lines of the one invoice, in order."""
    lines = v1.invoices.line_items.list(the_invoice(bench)["id"], params={"limit": 100}).auto_paging_iter()
    return [(line.metadata["qwoty_line"], line.amount) for line in lines]


def writes(bench: Any) -> list[str]:
    return [r.path.split("/")[-1] for r in bench.stripe.requests if r.method == "POST"]


def lines(count: int) -> list[dict[str, Any]]:
    return [a_line(f"l{number:03}", f"{number + 1}.00") for number in range(count)]


# -- draft and open ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"send_payment_link": True},
        {"send_invoice_email": True},
        {"send_payment_link": True, "send_invoice_email": True},
    ],
    ids=["nothing set", "link", "email", "both"],
)
def test_a_draft_is_created_and_nothing_is_sent_whatever_else_is_set(bench: Any, settings: dict[str, Any]) -> None:
    bench.enable(**settings)

    run = bench.accept(the_example())

    assert run["status"] == "succeeded"
    assert (run["outcome"]["invoice_status"], run["outcome"]["payment_status"]) == ("draft", "draft")
    assert (run["outcome"]["total"], run["outcome"]["payment_link"]) == ("9102.00", None)
    assert (the_invoice(bench)["status"], the_invoice(bench)["total"]) == ("draft", 910200)
    assert set(writes(bench)) == {"customers", "tax_rates", "invoices", "add_lines"}
    assert bench.mails() == []


def test_an_open_invoice_is_final_and_with_no_way_of_sending_nothing_is_sent(bench: Any) -> None:
    bench.enable(**OPEN)

    run = bench.accept(the_example())

    assert run["status"] == "succeeded"
    assert (run["outcome"]["invoice_status"], run["outcome"]["payment_status"]) == ("open", "unpaid")
    assert the_invoice(bench)["auto_advance"] is False
    assert "send" not in writes(bench)
    assert bench.mails() == []
    assert bench.stripe.objects("sessions") == []


def test_a_warm_draft_takes_four_requests(bench: Any) -> None:
    bench.enable()
    bench.accept(the_example())
    bench.stripe.requests.reset()

    bench.accept(the_example(id="q-2"))

    assert [r.method for r in bench.stripe.requests] == ["GET", "GET", "POST", "POST"]


def test_the_draft_is_asked_for_so_that_nothing_happens_by_itself(bench: Any) -> None:
    bench.enable()

    bench.accept(the_example())

    (create,) = bench.stripe.requests.find("POST", "/v1/invoices")[:1]
    customer = bench.stripe.objects("customers")[0]["id"]
    assert create.params == {
        "customer": customer,
        "currency": "eur",
        "collection_method": "send_invoice",
        "days_until_due": "90",
        "auto_advance": "false",
        "pending_invoice_items_behavior": "exclude",
        "discounts": "",
        "automatic_tax": {"enabled": "false"},
        "custom_fields": [{"name": "Devis", "value": "Q-2026-042"}, {"name": "Société", "value": "Buyer SARL"}],
        "rendering": {"pdf": {"page_size": "a4"}},
        "metadata": {
            "qwoty_workspace": "ws-1",
            "qwoty_quote_id": "q-1",
            "qwoty_quote_number": "Q-2026-042",
            "qwoty_version": create.params["metadata"]["qwoty_version"],
        },
    }


@pytest.mark.parametrize(
    ("terms", "days"),
    [
        ([], 30),
        (["po_received"], 30),
        (["custom", "something new"], 30),
        (["due_on_receipt"], 0),
        (["due_now"], 0),
        (["due_now", "net30"], 30),
        (["net60", "net15"], 60),
        (["net120", "po_received"], 120),
    ],
)
def test_the_invoice_is_due_with_its_latest_installment(bench: Any, terms: list[str], days: int) -> None:
    bench.enable()
    quote = a_quote(installments=len(terms))
    for part, term in zip((quote["payment_terms"] or {"installments": []})["installments"], terms, strict=True):
        part["term"] = term

    bench.accept(quote)

    (create, *_) = bench.stripe.requests.find("POST", "/v1/invoices")
    assert create.params["days_until_due"] == str(days)


def test_a_strangers_pending_item_and_a_customers_coupon_do_not_slip_in(bench: Any, v1: Any) -> None:
    customer = v1.customers.create(params={"email": "ana@buyer.example"}).id
    v1.invoice_items.create(params={"customer": customer, "amount": 999, "currency": "eur"})
    bench.enable(**OPEN)

    run = bench.accept(a_quote())

    assert (run["outcome"]["customer_id"], run["outcome"]["total"]) == (customer, "120.00")


# -- lines -------------------------------------------------------------------------------------------


def test_lines_are_in_the_quotes_order_each_discount_right_after_its_line(bench: Any, v1: Any) -> None:
    bench.enable()

    bench.accept(a_quote(a_line("b", discount="1.00"), a_line("a"), a_line("c", discount="2.00"), discount="3.00"))

    assert the_lines(bench, v1) == [
        ("b", 10100),
        ("b:discount", -100),
        ("a", 10000),
        ("c", 10200),
        ("c:discount", -200),
        ("discount:1", -300),
    ]


def test_the_worked_example_of_two_rates_reaches_its_total(bench: Any, v1: Any) -> None:
    bench.enable(**OPEN)
    quote = a_quote(
        a_line("l1", "1000.00"), a_line("l2", "500.00", taxes=[vat("5.5")]), discount="100.00", total="1612.34"
    )

    run = bench.accept(quote)

    assert (run["status"], run["outcome"]["total"]) == ("succeeded", "1612.34")
    assert the_lines(bench, v1)[2:] == [("discount:1", -10000)]
    assert any("what the global discount takes off each is given" in note for note in run["outcome"]["notes"])


@pytest.mark.parametrize(
    ("currency", "line", "total", "minor"),
    [
        ("JPY", a_line("l1", "9667", discount="333", taxes=[vat("10", "JP")]), "10634", 10634),
        ("KWD", a_line("l1", "12.340", taxes=[]), "12.340", 12340),
        ("ISK", a_line("l1", "1500", taxes=[vat("24", "IS")]), "1860", 186000),
        ("HUF", a_line("l1", "1000.50", taxes=[]), "1000.50", 100050),
    ],
)
def test_currencies_with_other_decimals_reach_their_totals(
    bench: Any, currency: str, line: dict[str, Any], total: str, minor: int
) -> None:
    bench.enable(**OPEN)

    run = bench.accept(a_quote(line, currency=currency, total=total))

    assert run["status"] == "succeeded", run
    assert the_invoice(bench)["total"] == minor
    assert run["outcome"]["currency"] == currency
    assert bench.quote("q-7")["total"] == run["outcome"]["total"]


@pytest.mark.parametrize(("count", "calls"), [(100, 1), (120, 2), (201, 3)])
def test_many_lines_go_in_chunks_of_a_hundred_and_stay_in_order(bench: Any, v1: Any, count: int, calls: int) -> None:
    bench.enable()

    run = bench.accept(a_quote(*lines(count)))

    assert run["status"] == "succeeded", run
    assert writes(bench).count("add_lines") == calls
    assert the_lines(bench, v1) == [(f"l{number:03}", (number + 1) * 100) for number in range(count)]


@pytest.mark.parametrize(("kind", "count"), [("404", 103), ("403", 3), ("unknown_parameter", 3)])
def test_where_add_lines_is_not_to_be_had_the_same_lines_go_one_by_one(
    bench: Any, v1: Any, kind: str, count: int
) -> None:
    bench.stripe.faults.add(kind, path=r"/add_lines$", times=50)
    bench.enable(**OPEN)

    run = bench.accept(a_quote(*lines(count)))

    assert run["status"] == "succeeded", run
    assert writes(bench).count("invoiceitems") == count
    assert writes(bench).count("add_lines") == 1
    assert the_lines(bench, v1) == [(f"l{number:03}", (number + 1) * 100) for number in range(count)]


def test_the_second_chunk_alone_can_go_one_by_one(bench: Any, v1: Any) -> None:
    bench.stripe.faults.add("404", path=r"/add_lines$", times=50, skip=1)
    bench.enable(**OPEN)

    run = bench.accept(a_quote(*lines(103)))

    assert run["status"] == "succeeded", run
    assert len(the_lines(bench, v1)) == 103
    assert writes(bench).count("invoiceitems") == 3


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_one_by_one_adds_only_what_a_half_done_add_lines_left_out(bench: Any, v1: Any, kept: int) -> None:
    bench.stripe.config.update(add_lines_atomic=False)
    bench.stripe.faults.add("500_midway", path=r"/add_lines$", lines=kept)
    bench.stripe.faults.add("403", path=r"/add_lines$", times=50, skip=1)
    bench.enable(**OPEN)

    run = bench.accept(a_quote(*lines(3)))

    assert run["status"] == "succeeded", run
    assert sorted(the_lines(bench, v1)) == [("l000", 100), ("l001", 200), ("l002", 300)]


@pytest.mark.parametrize("atomic", [True, False])
def test_an_add_lines_that_breaks_off_in_the_middle_is_completed(bench: Any, v1: Any, atomic: bool) -> None:
    bench.stripe.config.update(add_lines_atomic=atomic)
    bench.stripe.faults.add("500_midway", path=r"/add_lines$", lines=2)
    bench.enable(**OPEN)

    run = bench.accept(a_quote(*lines(5)))

    assert run["status"] == "succeeded", run
    assert the_lines(bench, v1) == [(f"l{number:03}", (number + 1) * 100) for number in range(5)]


@pytest.mark.parametrize("fault", ["cut_after", "500_after", "500_before", "cut_before", "429"])
def test_items_that_go_one_by_one_survive_a_fault_each(bench: Any, v1: Any, fault: str) -> None:
    bench.stripe.faults.add("404", path=r"/add_lines$", times=50)
    bench.stripe.faults.add(fault, method="POST", path="/v1/invoiceitems", skip=1)
    bench.enable(**OPEN)

    run = bench.accept(a_quote(*lines(3)))

    assert run["status"] == "succeeded", run
    assert the_lines(bench, v1) == [("l000", 100), ("l001", 200), ("l002", 300)]


# -- the comparison ----------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, OPEN, EMAIL, LINK], ids=["draft", "open", "email", "link"])
def test_a_total_that_differs_by_more_than_rounding_stays_a_draft_and_says_both_figures(
    bench: Any, settings: dict[str, Any]
) -> None:
    # One line at one rate: rounding explains a cent, not two.
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


@pytest.mark.parametrize("rounding", ["half_away_from_zero", "half_up", "half_even"])
def test_however_stripe_rounds_the_total_is_the_signed_one(bench: Any, v1: Any, rounding: str) -> None:
    # 10.10 and -0.10 at 5 %: 50.5 and -0.5 cents, which round to 51 - 1, 51 - 0 or 50 - 0
    bench.stripe.config.update(rounding=rounding)
    bench.enable(**OPEN)

    run = bench.accept(a_quote(a_line("l1", "10.00", discount="0.10", taxes=[vat("5")]), total="10.50"))

    assert (run["status"], run["outcome"]["total"]) == ("succeeded", "10.50")
    assert [key for key, _ in the_lines(bench, v1)] == ["l1", "l1:discount"]


def test_a_customer_for_whom_manual_rates_count_as_nothing_is_caught(bench: Any, v1: Any) -> None:
    v1.customers.create(params={"email": "ana@buyer.example", "tax_exempt": "reverse"})
    bench.enable(**OPEN)

    run = bench.accept(a_quote())

    assert run["error"]["code"] == "totals_differ"
    assert the_invoice(bench)["status"] == "draft"


# -- once --------------------------------------------------------------------------------------------


def test_the_same_quote_accepted_again_makes_no_second_invoice(bench: Any) -> None:
    bench.enable(**OPEN)
    first = bench.accept(the_example())
    before = len(bench.stripe.requests)

    again = bench.host.runs.acceptance.accept("ws-1", the_example())
    bench.work()

    assert (again.duplicate, again.run_ids) == (True, (first["id"],))
    assert len(bench.stripe.requests) == before


def test_a_run_that_begins_anew_adopts_the_invoice_and_its_lines(bench: Any, v1: Any) -> None:
    bench.stripe.faults.add("500_before", path=r"/finalize$", times=50)
    bench.enable(**OPEN)
    run = bench.accept(a_quote(*lines(3)))
    assert (run["status"], run["error"]["code"]) == ("waiting", "stripe_error")
    bench.stripe.faults.reset()
    bench.enable(**EMAIL)  # what shapes the invoice changed: the next attempt starts at its first step

    run = bench.retry(run["id"])

    assert run["status"] == "succeeded", run
    assert the_lines(bench, v1) == [("l000", 100), ("l001", 200), ("l002", 300)]
    assert the_invoice(bench)["status"] == "open"
    assert len(bench.stripe.objects("sent")) == 1


@pytest.mark.parametrize("count", [130, 240])
def test_a_half_filled_draft_is_adopted_and_completed_in_order(bench: Any, v1: Any, count: int) -> None:
    bench.stripe.faults.add("500_before", path=r"/add_lines$", times=50, skip=1)
    bench.enable(**OPEN)
    run = bench.accept(a_quote(*lines(count)))
    assert run["status"] == "waiting"
    bench.stripe.faults.reset()
    bench.enable(**EMAIL)

    run = bench.retry(run["id"])

    assert run["status"] == "succeeded", run
    assert [key for key, _ in the_lines(bench, v1)] == [f"l{number:03}" for number in range(count)]


def test_an_adopted_draft_whose_add_lines_is_now_refused_gets_no_line_twice(bench: Any, v1: Any) -> None:
    bench.stripe.faults.add("500_before", path=r"/add_lines$", times=50, skip=1)
    bench.enable(**OPEN)
    run = bench.accept(a_quote(*lines(103)))
    bench.stripe.faults.reset()
    customer = the_invoice(bench)["customer"]
    item = {"customer": customer, "invoice": the_invoice(bench)["id"], "amount": 10200, "currency": "eur"}
    rate = bench.stripe.objects("tax_rates")[0]["id"]
    v1.invoice_items.create(params={**item, "tax_rates": [rate], "metadata": {"qwoty_line": "l101"}})
    bench.stripe.faults.add("403", path=r"/add_lines$", times=50)
    bench.enable(**EMAIL)

    run = bench.retry(run["id"])

    assert run["status"] == "succeeded", run
    assert sorted(key for key, _ in the_lines(bench, v1)) == [f"l{number:03}" for number in range(103)]


def test_a_draft_that_somebody_deleted_is_made_anew_although_stripe_replays(bench: Any, v1: Any) -> None:
    bench.stripe.faults.add("500_before", path=r"/finalize$", times=50)
    bench.enable(**OPEN)
    run = bench.accept(a_quote())
    bench.stripe.faults.reset()
    v1.invoices.delete(the_invoice(bench)["id"])

    run = bench.retry(run["id"])
    if run["status"] != "succeeded":  # the resumed step saw that its invoice is gone: the next attempt starts anew
        run = bench.retry(run["id"])

    assert run["status"] == "succeeded", run
    assert (the_invoice(bench)["status"], the_invoice(bench)["total"]) == ("open", 12000)


def test_an_invoice_that_somebody_finalized_meanwhile_is_a_success(bench: Any, v1: Any) -> None:
    bench.stripe.faults.add("500_before", path=r"/finalize$", times=50)
    bench.enable(**LINK)
    run = bench.accept(a_quote(installments=2))
    bench.stripe.faults.reset()
    v1.invoices.finalize_invoice(the_invoice(bench)["id"])

    run = bench.retry(run["id"])

    assert run["status"] == "succeeded", run
    assert run["outcome"]["payment_link"]["amount"] == "60.00"


@pytest.mark.parametrize("settings", [EMAIL, LINK], ids=["email", "link"])
def test_for_an_invoice_that_somebody_voided_meanwhile_nothing_is_sent(
    bench: Any, v1: Any, settings: dict[str, Any]
) -> None:
    bench.stripe.faults.add("500_before", path=r"(/send|checkout/sessions)$", times=50)
    bench.enable(**settings)
    run = bench.accept(a_quote(installments=2))
    assert run["status"] == "waiting"
    bench.stripe.faults.reset()
    v1.invoices.void_invoice(the_invoice(bench)["id"])

    run = bench.retry(run["id"])

    assert run["status"] == "needs_attention", run
    assert run["outcome"]["invoice_status"] == "void"
    assert bench.stripe.objects("sessions") == []
    assert bench.mails() == []


def test_an_invoice_voided_before_a_new_attempt_is_not_delivered(bench: Any, v1: Any) -> None:
    bench.stripe.faults.add("500_before", path=r"checkout/sessions$", times=50)
    bench.enable(**LINK)
    run = bench.accept(a_quote(installments=2))
    bench.stripe.faults.reset()
    v1.invoices.void_invoice(the_invoice(bench)["id"])
    bench.enable(**EMAIL)

    run = bench.retry(run["id"])

    assert run["status"] == "needs_attention", run
    assert bench.stripe.objects("sent") == []
    assert bench.stripe.objects("sessions") == []


# -- sent by Stripe ----------------------------------------------------------------------------------


def test_the_email_goes_by_stripe_and_test_mode_is_said(bench: Any) -> None:
    bench.enable(**EMAIL)

    run = bench.accept(the_example())

    assert run["status"] == "succeeded", run
    assert len(bench.stripe.objects("sent")) == 1
    assert any("ana@buyer.example" in note for note in run["outcome"]["notes"])
    assert any("test mode" in note for note in run["outcome"]["notes"])
    assert bench.mails() == []
    assert bench.stripe.objects("sessions") == []


@pytest.mark.parametrize("settings", [EMAIL, LINK], ids=["email", "link"])
def test_a_contact_without_email_stops_a_delivery_before_any_request(bench: Any, settings: dict[str, Any]) -> None:
    bench.enable(**settings)

    run = bench.accept(a_quote(contact={"email": None}, installments=2))

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "email_missing")
    assert len(bench.stripe.requests) == 0


def test_a_saved_customer_without_email_stops_before_the_invoice_is_final(bench: Any, v1: Any) -> None:
    customer = v1.customers.create(params={"name": "No mail"}).id
    bench.enable(**EMAIL)

    run = bench.accept(a_quote(contact={"external_ids": {"accounting": customer}}))

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "email_missing")
    assert customer in run["error"]["title"]
    assert the_invoice(bench)["status"] == "draft"


@pytest.mark.parametrize("fault", ["cut_after", "cut_before", "429", "409_in_flight", "500_before"])
def test_the_email_is_sent_once_whatever_happens_to_the_answer(bench: Any, fault: str) -> None:
    bench.stripe.faults.add(fault, path=r"/send$")
    bench.enable(**EMAIL)

    run = bench.accept(the_example())

    assert run["status"] == "succeeded", run
    assert len(bench.stripe.objects("sent")) == 1


def test_where_nobody_can_know_whether_stripe_mailed_it_is_not_mailed_again(bench: Any) -> None:
    bench.stripe.faults.add("500_after", path=r"/send$")
    bench.enable(**EMAIL)

    run = bench.accept(the_example())
    bench.clock.advance(25 * 3600)
    bench.stripe.clock.advance(25 * 3600)
    run = bench.retry(run["id"])

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "send_unsure")
    assert len(bench.stripe.objects("sent")) == 1


# -- nothing to pay ----------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [OPEN, EMAIL, LINK], ids=["open", "email", "link"])
def test_a_total_of_nothing_is_paid_at_once_and_nothing_is_sent(bench: Any, settings: dict[str, Any]) -> None:
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
def test_a_quote_with_nothing_to_invoice_is_skipped_without_any_request(
    bench: Any, quote: dict[str, Any], reason: str
) -> None:
    bench.enable(**LINK)

    run = bench.accept(quote)

    assert run["status"] == "skipped"
    assert any(reason in note for note in run["outcome"]["notes"])
    assert len(bench.stripe.requests) == 0


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (a_line(amounts={"gross": "1.00", "discount": "2.00", "net": "-1.00"}), "discount_above_line"),
        (a_line(taxes=[vat(rate="10")]), "tax_unclear"),
    ],
)
def test_what_a_person_has_to_correct_stops_before_any_request(bench: Any, line: dict[str, Any], code: str) -> None:
    bench.enable(**LINK)

    run = bench.accept(
        a_quote({**line, "taxes": [vat() | {"rate": "10"}]} if code == "tax_unclear" else line, total="1.00")
    )

    assert (run["status"], run["error"]["code"]) == ("needs_attention", code)
    assert len(bench.stripe.requests) == 0


def test_a_plan_section_is_named_in_the_outcome(bench: Any) -> None:
    quote = a_quote()
    quote["pricing_table"]["sections"].append(
        {"type": "plan", "name": "Care", "phases": [{"line_items": [a_line("p1", "9.00")]}]}
    )
    bench.enable()

    run = bench.accept(quote)

    assert (run["status"], run["outcome"]["total"]) == ("succeeded", "120.00")
    assert any("'Care'" in note for note in run["outcome"]["notes"])


# -- what is written ---------------------------------------------------------------------------------


def test_every_idempotency_key_names_workspace_step_and_entity_and_fits(bench: Any) -> None:
    bench.enable(**LINK)
    long = "q" * 240
    bench.accept(a_quote(a_line("i" * 240), id=long, number=long, contact={"id": "c" * 255}, installments=2))

    keys = [r.idempotency_key for r in bench.stripe.requests if r.method == "POST"]
    assert len(keys) == 7
    assert all(key.startswith("qwoty:ws-1:") and len(key) <= 255 for key in keys)
    assert len(set(keys)) == len(keys)


def test_metadata_is_the_promised_interface(bench: Any) -> None:
    bench.enable(**LINK)

    bench.accept(the_example())

    (session,) = bench.stripe.objects("sessions")
    mine = {"qwoty_workspace": "ws-1", "qwoty_quote_id": "q-1", "qwoty_quote_number": "Q-2026-042"}
    version = the_invoice(bench)["metadata"]["qwoty_version"]
    assert the_invoice(bench)["metadata"] == {**mine, "qwoty_version": version}
    assert session["metadata"] == {**mine, "qwoty_installment": "1"}
    assert bench.stripe.objects("customers")[0]["metadata"]["qwoty_contact"] == "contact_3"
    assert bench.stripe.objects("tax_rates")[0]["metadata"]["qwoty_tax"] == "tax_1"
