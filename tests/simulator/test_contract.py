"""The simulator's answers and parameters agree with what Stripe publishes."""

from __future__ import annotations

import pytest
import requests
import stripe

from stripe_simulator.contract import check_response, parse
from stripe_simulator.errors import StripeError
from stripe_simulator.form import decode, readable

INVOICE_KEYS = """id object account_country account_name account_tax_ids amount_due amount_overpaid amount_paid
amount_remaining amount_shipping application attempt_count attempted automatic_tax automatically_finalizes_at
billing_reason collection_method created currency custom_fields customer customer_account customer_address
customer_email customer_name customer_phone customer_shipping customer_tax_exempt default_payment_method default_source
default_tax_rates description discounts due_date effective_at ending_balance footer from_invoice issuer
last_finalization_error latest_revision lines livemode metadata next_payment_attempt number on_behalf_of parent
payment_settings period_end period_start post_payment_credit_notes_amount pre_payment_credit_notes_amount receipt_number
rendering shipping_cost shipping_details starting_balance statement_descriptor status status_transitions subtotal
subtotal_excluding_tax test_clock total total_discount_amounts total_excluding_tax total_pretax_credit_amounts
total_taxes webhooks_delivered_at"""
REMOVED_KEYS = "paid charge payment_intent tax total_tax_amounts discount"
LINE_KEYS = """id object amount currency description discount_amounts discountable discounts invoice livemode metadata
parent period pretax_credit_amounts pricing quantity quantity_decimal subtotal taxes"""
SESSION_KEYS = """id object adaptive_pricing after_expiration allow_promotion_codes allowed_payment_method_types
amount_subtotal amount_total automatic_tax billing_address_collection cancel_url client_reference_id client_secret
collected_information consent consent_collection created currency currency_conversion custom_fields custom_text customer
customer_account customer_creation customer_details customer_email discounts expires_at integration_identifier invoice
invoice_creation livemode locale managed_payments metadata mode origin_context payment_intent payment_link
payment_method_collection payment_method_configuration_details payment_method_options payment_method_types
payment_status permissions recovered_from saved_payment_method_options setup_intent shipping_address_collection
shipping_cost shipping_options status submit_type subscription success_url total_details ui_mode url wallet_options"""
RATE_KEYS = """id object active country created description display_name effective_percentage flat_amount inclusive
jurisdiction jurisdiction_level livemode metadata percentage rate_type state tax_type"""
CUSTOMER_KEYS = """id object balance created default_source description email invoice_settings livemode metadata
shipping address name phone currency tax_exempt preferred_locales invoice_prefix next_invoice_sequence delinquent
discount business_name individual_name customer_account test_clock"""
PAYMENT_KEYS = """id object amount_paid amount_requested created currency invoice is_default livemode payment status
status_transitions"""


def test_answers_carry_every_key_that_is_always_present(shop):
    invoice = shop.an_open_invoice()
    rate = shop.v1.tax_rates.retrieve(shop.a_rate())
    payment = shop.v1.invoice_payments.list({"invoice": invoice.id}).data[0]

    for found, keys in (
        (invoice, INVOICE_KEYS),
        (shop.a_session(), SESSION_KEYS),
        (shop.a_customer(), CUSTOMER_KEYS),
        (rate, RATE_KEYS),
    ):
        assert set(keys.split()) - set(found.to_dict()) == set()
    assert set(invoice.lines.data[0].to_dict()) == set(LINE_KEYS.split())
    assert set(payment.to_dict()) == set(PAYMENT_KEYS.split())
    assert set(REMOVED_KEYS.split()) & set(invoice.to_dict()) == set()


def body_of(text):
    return decode(tuple(pair.split("=", 1)) for pair in text.split("&"))


@pytest.mark.parametrize(
    ("params_class", "text", "code", "param"),
    [
        ("CustomerCreateParams", "colour=red", "parameter_unknown", "colour"),
        ("CustomerCreateParams", "api_key=x", "parameter_unknown", "api_key"),
        ("CustomerCreateParams", "address[colour]=red", "parameter_unknown", "address[colour]"),
        ("CustomerCreateParams", "name[first]=a", None, "name"),
        ("CustomerCreateParams", "metadata[a][b]=c", None, "metadata[a]"),
        ("CustomerCreateParams", "tax_exempt=maybe", None, "tax_exempt"),
        (
            "checkout.SessionCreateParams",
            "line_items[0][colour]=1",
            "parameter_unknown",
            "line_items[0][colour]",
        ),
        ("checkout.SessionCreateParams", "line_items=1", None, "line_items"),
        (
            "checkout.SessionCreateParams",
            "payment_method_types[0]=card",
            "parameter_unknown",
            "payment_method_types",
        ),
        ("InvoiceAddLinesParams", "lines[0][currency]=eur", "parameter_unknown", "lines[0][currency]"),
        ("InvoiceAddLinesParams", "lines[0][amount]=1.5", "parameter_invalid_integer", "lines[0][amount]"),
        ("InvoiceAddLinesParams", "lines[0][quantity_decimal]=1E2", None, "lines[0][quantity_decimal]"),
        ("InvoiceAddLinesParams", "invoice_metadata[a]=b", "parameter_missing", "lines"),
        ("InvoiceCreateParams", "auto_advance=0", None, "auto_advance"),
        ("InvoiceCreateParams", "automatic_tax[x]=1", "parameter_unknown", "automatic_tax[x]"),
        ("InvoiceCreateParams", "custom_fields[0][name]=a", "parameter_missing", "custom_fields[0][value]"),
        ("InvoiceListParams", "status=partially_paid", None, "status"),
        ("TaxRateCreateParams", "display_name=x&inclusive=no&percentage=1", None, "inclusive"),
        ("WebhookEndpointCreateParams", "url=u&enabled_events[]=invoice.eaten", None, "enabled_events[0]"),
    ],
)
def test_parameters_that_stripe_does_not_publish_are_refused(params_class, text, code, param):
    with pytest.raises(StripeError) as caught:
        parse(body_of(text), params_class)

    assert (caught.value.status, caught.value.code, caught.value.param) == (400, code, param)


@pytest.mark.parametrize(
    ("params_class", "text", "typed"),
    [
        ("InvoiceCreateParams", "discounts=&metadata=", {"discounts": "", "metadata": ""}),
        ("InvoiceCreateParams", "metadata[0]=a", {"metadata": {"0": "a"}}),
        ("InvoiceAddLinesParams", "lines[][amount]=-5", {"lines": [{"amount": -5}]}),
        (
            "InvoiceAddLinesParams",
            "lines[1][amount]=2&lines[0][amount]=1",
            {"lines": [{"amount": 1}, {"amount": 2}]},
        ),
        ("CustomerListParams", "created[gte]=5", {"created": {"gte": 5}}),
        ("CustomerListParams", "created=5&expand[]=data", {"created": 5, "expand": ["data"]}),
        ("WebhookEndpointCreateParams", "url=u&enabled_events[]=*", {"url": "u", "enabled_events": ["*"]}),
    ],
)
def test_published_parameters_become_typed_values(params_class, text, typed):
    assert parse(body_of(text), params_class) == typed


def test_refusals_reach_the_client_with_their_parameter(shop):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.v1.customers.create({"address": {"colour": "red"}})

    assert (caught.value.code, caught.value.param) == ("parameter_unknown", "address[colour]")


@pytest.mark.parametrize("key", ["metadata[a]", "metadata%5Ba%5D"])
def test_brackets_in_names_may_be_encoded(shop, key):
    requests.post(
        f"{shop.sim.url}/v1/customers",
        data=f"{key}=b",
        headers={"Authorization": "Bearer sk_test_1", "Content-Type": "application/x-www-form-urlencoded"},
        timeout=2,
    )

    assert shop.sim.objects("customers")[0]["metadata"] == {"a": "b"}
    assert shop.sim.requests[0].params == {"metadata": {"a": "b"}}


@pytest.mark.parametrize("name", ["a[b", "a]b[", "[a]"])
def test_a_garbled_name_is_refused(name):
    with pytest.raises(StripeError):
        decode([(name, "1")])


def test_a_name_that_is_both_a_value_and_a_hash_is_refused():
    with pytest.raises(StripeError):
        decode([("a", "1"), ("a[b]", "2")])


def test_logged_parameters_show_lists_as_lists():
    assert readable(decode([("a[10]", "z"), ("a[9]", "y"), ("b[c]", "1")])) == {
        "a": ["y", "z"],
        "b": {"c": "1"},
    }


def test_the_check_of_answers_finds_strange_keys_at_every_depth():
    line = {"object": "line_item", "id": "il_1", "tax_rates": []}
    invoice = {
        "object": "invoice",
        "paid": True,
        "lines": {"object": "list", "data": [line]},
        "issuer": {"x": 1},
    }

    assert check_response(invoice) == ["paid", "lines.data[0].tax_rates", "issuer.x"]
    assert check_response({"object": "unicorn"}) != []


def test_answers_are_marked_as_simulated_and_carry_stripes_headers(shop):
    headers = shop.a_customer().last_response.headers

    assert headers["X-Simulated"] == "stripe-simulator"
    assert headers["Request-Id"].startswith("req_sim_")
    assert len(headers["Request-Id"]) == len("req_sim_") + 14
    assert headers["Original-Request"] == headers["Request-Id"]
    assert headers["Stripe-Version"] == stripe.api_version
    assert headers["Stripe-Should-Retry"] == "false"
    assert headers["Idempotency-Key"]


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/charges"), ("PUT", "/v1/customers"), ("POST", "/v1/x/y")])
def test_an_unknown_route_is_404(shop, method, path):
    answer = requests.request(method, shop.sim.url + path, headers={"Authorization": "Bearer sk_test_1"}, timeout=2)

    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "invalid_request_error")


def test_the_account_can_be_read(shop):
    assert shop.v1.accounts.retrieve_current().id == "acct_sim_default"
