"""Invoices of the simulator: drafts, lines, finalizing, sending and lists."""

from __future__ import annotations

import pytest
import stripe

from simulator.conftest import refused


def test_a_draft_has_no_number_no_page_and_no_pdf(shop):
    draft = shop.a_draft()

    assert (draft.status, draft.total) == ("draft", 0)
    assert (draft.number, draft.hosted_invoice_url, draft.invoice_pdf, draft.effective_at) == (None,) * 4
    assert draft.due_date == draft.created + 30 * 86_400


def test_lines_keep_the_order_in_which_they_were_added(shop):
    draft = shop.a_draft({"amount": 3, "description": "a"}, {"amount": 2, "description": "b"})

    draft = shop.v1.invoices.add_lines(draft.id, {"lines": [{"amount": -1, "description": "c"}]})

    assert [line.description for line in draft.lines.data] == ["a", "b", "c"]
    assert (draft.subtotal, draft.total, draft.amount_due) == (4, 4, 4)


def test_pending_items_come_newest_first_and_before_added_lines(shop):
    customer = shop.a_customer().id
    for name in ("old", "new"):
        shop.v1.invoice_items.create({"customer": customer, "currency": "eur", "amount": 1, "description": name})

    draft = shop.a_draft(
        {"amount": 1, "description": "added"}, customer=customer, pending_invoice_items_behavior="include"
    )

    assert [line.description for line in draft.lines.data] == ["new", "old", "added"]


def test_strangers_pending_items_stay_out_by_default(shop):
    customer = shop.a_customer().id
    shop.v1.invoice_items.create({"customer": customer, "currency": "eur", "amount": 1})

    draft = shop.a_draft(customer=customer)

    assert draft.lines.total_count == 0
    assert len(shop.v1.invoice_items.list({"customer": customer, "pending": True}).data) == 1


def test_an_item_can_go_straight_onto_a_draft_and_off_again(shop):
    draft = shop.a_draft()
    item = shop.v1.invoice_items.create({"customer": draft.customer, "invoice": draft.id, "amount": 1900})
    assert shop.v1.invoices.retrieve(draft.id).total == 1900

    shop.v1.invoice_items.delete(item.id)

    assert shop.v1.invoices.retrieve(draft.id).total == 0


def test_only_the_description_and_the_metadata_of_an_item_can_be_changed(shop):
    item = shop.v1.invoice_items.create({"customer": shop.a_customer().id, "currency": "eur", "amount": 1})

    changed = shop.v1.invoice_items.update(item.id, {"description": "new", "metadata": {"a": "b"}})

    assert (changed.description, changed.metadata.to_dict()) == ("new", {"a": "b"})
    with pytest.raises(stripe.InvalidRequestError, match="does not model"):
        shop.v1.invoice_items.update(item.id, {"amount": 2})


def test_the_answer_shows_ten_lines_and_the_rest_is_paged(shop):
    draft = shop.a_draft(*({"amount": n, "description": str(n)} for n in range(25)))

    assert (len(draft.lines.data), draft.lines.has_more, draft.lines.total_count) == (10, True, 25)
    lines = shop.v1.invoices.line_items.list(draft.id, {"limit": 20})
    assert [line.description for line in lines.auto_paging_iter()] == [str(n) for n in range(25)]


def test_an_invoice_holds_at_most_250_items(shop):
    draft = shop.a_draft()
    for _ in range(5):
        shop.v1.invoices.add_lines(draft.id, {"lines": [{"amount": 1}] * 50})

    refused(shop.v1.invoices.add_lines, draft.id, {"lines": [{"amount": 1}]})

    assert shop.v1.invoices.retrieve(draft.id).lines.total_count == 250


def test_price_data_multiplies_and_shows_its_price(shop):
    price = {"currency": "eur", "unit_amount_decimal": "33.35", "product_data": {"name": "Screw"}}

    draft = shop.a_draft({"price_data": price, "quantity": 3})

    line = draft.lines.data[0]
    assert (line.amount, line.quantity, line.description) == (100, 3, "Screw")
    assert str(line.pricing.unit_amount_decimal) == "33.35"


@pytest.mark.parametrize(
    ("line", "param"),
    [
        ({"amount": 1, "quantity": 1}, "lines[0][quantity]"),
        ({"description": "no price"}, "lines[0][amount]"),
        ({"pricing": {"price": "price_1"}}, "lines[0][pricing[price]]"),
        ({"price_data": {"currency": "usd", "unit_amount": 1, "product_data": {"name": "x"}}}, None),
        ({"price_data": {"currency": "eur", "unit_amount": -1, "product_data": {"name": "x"}}}, None),
        (
            {"price_data": {"currency": "eur", "unit_amount": 1, "product": "prod_1"}},
            "lines[0][price_data][product]",
        ),
        ({"amount": 1, "tax_rates": ["txr_gone"]}, "lines[0][tax_rates][0]"),
        ({"amount": 1, "description": "x" * 5001}, "lines[0][description]"),
    ],
)
def test_a_bad_line_is_refused_and_nothing_is_added(shop, line, param):
    draft = shop.a_draft()

    error = refused(shop.v1.invoices.add_lines, draft.id, {"lines": [{"amount": 5}, line][::-1]})

    assert error.http_status == 400
    assert param is None or error.param == param
    assert shop.v1.invoices.retrieve(draft.id).lines.total_count == 0


@pytest.mark.parametrize(
    ("currency", "amounts", "code"),
    [
        ("eur", [99_999_999, 1], "amount_too_large"),
        ("idr", [999_999_999_999, 1], "amount_too_large"),
        ("isk", [150], None),
        ("ugx", [100, 1], None),
        ("kwd", [1234], None),
    ],
)
def test_a_total_that_no_payment_can_have_is_not_finalized(shop, currency, amounts, code):
    draft = shop.a_draft(*({"amount": amount} for amount in amounts), currency=currency)

    error = refused(shop.v1.invoices.finalize_invoice, draft.id)

    assert (error.http_status, error.code) == (400, code)
    assert shop.v1.invoices.retrieve(draft.id).status == "draft"


@pytest.mark.parametrize(
    ("currency", "amounts"),
    [
        ("eur", [100_000_000, -1]),
        ("idr", [999_999_999_999]),
        ("isk", [150, -50]),
        ("ugx", [1, 99]),
        ("kwd", [1234, 6]),
        ("isk", [-150]),
    ],
)
def test_lines_are_free_where_their_total_can_be_paid(shop, currency, amounts):
    draft = shop.a_draft(*({"amount": amount} for amount in amounts), currency=currency)

    assert shop.v1.invoices.finalize_invoice(draft.id).total == sum(amounts)


def test_an_item_that_its_draft_refuses_does_not_stay_pending(shop):
    draft = shop.a_draft(*[{"amount": 1}] * 250)

    refused(shop.v1.invoice_items.create, {"customer": draft.customer, "invoice": draft.id, "amount": 1})

    assert shop.v1.invoice_items.list({"customer": draft.customer, "pending": True}).data == []


def test_add_lines_keeps_what_came_before_a_bad_line_when_it_is_not_atomic(shop):
    shop.sim.config.update(add_lines_atomic=False)
    draft = shop.a_draft()

    refused(shop.v1.invoices.add_lines, draft.id, {"lines": [{"amount": 5}, {"amount": 1, "quantity": 1}]})

    assert shop.v1.invoices.retrieve(draft.id).total == 5


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"collection_method": "charge_automatically"}, "days_until_due"),
        ({"due_date": 1_900_000_000}, "due_date"),
        ({"currency": "iqd"}, "currency"),
        ({"customer": "cus_gone"}, "customer"),
        ({"description": "x" * 1501}, "description"),
        ({"default_tax_rates": ["txr_gone"]}, "default_tax_rates[0]"),
        ({"metadata": {"k" * 41: "v"}}, "metadata"),
        ({"discounts": [{"coupon": "c"}]}, "discounts[0][coupon]"),
    ],
)
def test_a_draft_with_a_bad_parameter_is_refused(shop, params, param):
    given = {
        "customer": shop.a_customer().id,
        "collection_method": "send_invoice",
        "days_until_due": 1,
        **params,
    }

    error = refused(shop.v1.invoices.create, given)

    assert (error.http_status, error.param) == (400, param)


def test_finalize_opens_the_invoice_and_its_default_payment(shop):
    invoice = shop.an_open_invoice(910_200)

    assert (invoice.status, invoice.amount_due, invoice.amount_remaining) == ("open", 910_200, 910_200)
    assert invoice.number.endswith("-0001")
    assert invoice.invoice_pdf == invoice.hosted_invoice_url.replace("/invoice/", "/pdf/")
    assert invoice.status_transitions.finalized_at
    payment = shop.v1.invoice_payments.list({"invoice": invoice.id}).data[0]
    assert (payment.is_default, payment.status, payment.amount_requested) == (True, "open", 910_200)


def test_finalize_refuses_twice_and_without_lines(shop):
    invoice = shop.an_open_invoice()

    assert refused(shop.v1.invoices.finalize_invoice, invoice.id).code == "invoice_not_editable"
    empty = shop.a_draft()
    assert refused(shop.v1.invoices.finalize_invoice, empty.id).code == "invoice_no_customer_line_items"


@pytest.mark.parametrize(
    ("amount", "currency", "balance", "status", "due", "ending"),
    [
        (0, "eur", 0, "paid", 0, 0),
        (49, "eur", 0, "paid", 0, 49),
        (49, "usd", 0, "paid", 0, 49),
        (50, "eur", 0, "open", 50, 0),
        (-700, "eur", 0, "paid", 0, -700),
        (1000, "eur", -400, "open", 600, 0),
        (1000, "eur", -1500, "paid", 0, -500),
        (1000, "eur", 250, "open", 1250, 0),
    ],
)
def test_finalize_settles_an_amount_of_nothing_or_below_the_minimum(
    shop, amount, currency, balance, status, due, ending
):
    customer = shop.a_customer(balance=balance).id

    invoice = shop.an_open_invoice(amount, customer=customer, currency=currency)

    assert (invoice.status, invoice.amount_due, invoice.amount_remaining) == (status, due, due)
    assert (invoice.starting_balance, invoice.ending_balance) == (balance, ending)
    assert shop.v1.customers.retrieve(customer).balance == ending


def test_send_finalizes_a_draft_and_records_the_mail_that_test_mode_does_not_send(shop):
    draft = shop.a_draft({"amount": 1000})

    sent = shop.v1.invoices.send_invoice(draft.id)

    assert sent.status == "open"
    assert [mail["to"] for mail in shop.sim.objects("sent")] == ["ada@example.com"]
    assert "invoice.sent" in [event["type"] for event in shop.sim.objects("events")]


def test_send_is_refused_without_an_email(shop):
    invoice = shop.an_open_invoice(customer=shop.a_customer(email="").id)

    error = refused(shop.v1.invoices.send_invoice, invoice.id)

    assert "Missing email" in error.user_message
    assert shop.sim.objects("sent") == []


def test_a_draft_can_be_deleted_and_its_items_go_with_it(shop):
    draft = shop.a_draft({"amount": 1000})

    assert shop.v1.invoices.delete(draft.id).deleted
    assert refused(shop.v1.invoices.retrieve, draft.id).http_status == 404
    assert shop.sim.objects("items") == []


def test_an_open_invoice_can_be_voided_and_then_nothing_more(shop):
    invoice = shop.an_open_invoice()

    assert shop.v1.invoices.void_invoice(invoice.id).status == "void"
    for act in (shop.v1.invoices.void_invoice, shop.v1.invoices.send_invoice, shop.v1.invoices.delete):
        assert refused(act, invoice.id).http_status == 400


def test_an_uncollectible_invoice_can_still_be_paid(shop):
    invoice = shop.an_open_invoice(1000)
    shop.v1.invoices.mark_uncollectible(invoice.id)

    assert shop.attach(invoice, 1000).status == "paid"


def test_a_final_invoice_takes_metadata_but_no_other_change(shop):
    invoice = shop.an_open_invoice()

    assert shop.v1.invoices.update(invoice.id, {"metadata": {"a": "1"}}).metadata["a"] == "1"
    assert refused(shop.v1.invoices.update, invoice.id, {"footer": "x"}).code == "invoice_not_editable"
    assert refused(shop.v1.invoices.add_lines, invoice.id, {"lines": [{"amount": 1}]}).code == "invoice_not_editable"


def test_a_draft_can_be_changed(shop):
    draft = shop.a_draft({"amount": 1000})

    draft = shop.v1.invoices.update(draft.id, {"description": "Memo", "default_tax_rates": [shop.a_rate("20")]})

    assert (draft.description, draft.total) == ("Memo", 1200)


def test_invoices_are_listed_by_customer_and_status_newest_first(shop):
    customer = shop.a_customer().id
    first, second = shop.a_draft(customer=customer), shop.a_draft(customer=customer)
    shop.an_open_invoice(customer=customer)
    shop.a_draft()

    found = shop.v1.invoices.list({"customer": customer, "status": "draft"})

    assert [invoice.id for invoice in found.data] == [second.id, first.id]


def test_metadata_merges_and_unsets(shop):
    draft = shop.a_draft(metadata={"a": "1", "b": "2"})

    draft = shop.v1.invoices.update(draft.id, {"metadata": {"a": "", "c": "3"}})

    assert draft.metadata.to_dict() == {"b": "2", "c": "3"}
    assert shop.v1.invoices.update(draft.id, {"metadata": ""}).metadata.to_dict() == {}


@pytest.mark.parametrize(
    ("switch", "customer", "first_currency"),
    [
        ("refuse_missing_email_at_create", {"email": ""}, "eur"),
        ("refuse_other_currency_than_customers", {}, "usd"),
    ],
)
def test_a_switch_makes_the_creation_of_invoices_stricter(shop, switch, customer, first_currency):
    customer_id = shop.a_customer(**customer).id
    shop.a_draft(customer=customer_id, currency=first_currency)
    assert shop.a_draft(customer=customer_id).id

    shop.sim.config.update(**{switch: True})

    assert refused(shop.a_draft, customer=customer_id).http_status == 400
