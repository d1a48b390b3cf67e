"""Keys of the simulator: authentication, permissions, and what the log keeps of them."""

from __future__ import annotations

import pytest
import requests
import stripe

from stripe_simulator import DOCUMENTED_PERMISSIONS

RESTRICTED = "rk_test_0123456789"


def restricted(shop_for, shop, permissions):
    shop.sim.add_key(RESTRICTED, permissions=permissions)
    return shop_for(RESTRICTED)


@pytest.mark.parametrize("key", ["sk_test_revoked01234", "sk_test_!", "nonsense", "pk_test_0123456789", "sk_test_a-b"])
def test_a_bad_key_is_401_without_request_id_and_without_showing_itself(shop_for, shop, key):
    shop.sim.add_key("sk_test_revoked01234", revoked=True)

    with pytest.raises(stripe.AuthenticationError) as caught:
        shop_for(key).v1.customers.list()

    headers = caught.value.headers
    assert "Request-Id" not in headers
    assert "Stripe-Version" not in headers
    assert headers["WWW-Authenticate"] == 'Bearer realm="Stripe"'
    assert key not in caught.value.user_message


def test_an_expired_key_is_401_with_a_code_of_its_own(shop_for, shop):
    shop.sim.add_key(RESTRICTED, expired=True)

    with pytest.raises(stripe.AuthenticationError) as caught:
        shop_for(RESTRICTED).v1.customers.list()

    assert caught.value.error.code == "api_key_expired"
    assert RESTRICTED not in caught.value.user_message


def test_a_request_without_a_key_is_401(shop):
    assert requests.get(f"{shop.sim.url}/v1/customers", timeout=2).status_code == 401


def test_basic_authentication_takes_the_key_as_user_name(shop):
    answer = requests.get(f"{shop.sim.url}/v1/customers", timeout=2, auth=("sk_test_0123456789", ""))

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("permissions", "call", "missing"),
    [
        (set(), lambda v1: v1.customers.list(), "customer_read"),
        ({"customer_read"}, lambda v1: v1.customers.create({"name": "A"}), "customer_write"),
        (
            {"invoice_write"},
            lambda v1: v1.invoice_items.create({"customer": "c", "amount": 1}),
            "invoice_item_write",
        ),
        ({"invoice_read"}, lambda v1: v1.invoices.finalize_invoice("in_probe"), "invoice_write"),
        ({"customer_read"}, lambda v1: v1.checkout.sessions.list(), "checkout_session_read"),
        ({"customer_read"}, lambda v1: v1.webhook_endpoints.delete("we_1"), "webhook_write"),
        (DOCUMENTED_PERMISSIONS, lambda v1: v1.payment_intents.retrieve("pi_1"), "payment_intent_read"),
        (DOCUMENTED_PERMISSIONS, lambda v1: v1.events.list(), "event_read"),
    ],
)
def test_a_missing_permission_is_named(shop_for, shop, permissions, call, missing):
    poor = restricted(shop_for, shop, permissions)

    with pytest.raises(stripe.PermissionError) as caught:
        call(poor.v1)

    assert f"Having the 'rak_{missing}' permission would allow" in caught.value.user_message
    assert caught.value.error.code is None


def test_write_implies_read_of_the_same_resource(shop_for, shop):
    assert restricted(shop_for, shop, {"checkout_session_write"}).v1.checkout.sessions.list().data == []


def test_the_documented_permissions_carry_an_invoice_to_its_end(shop_for, shop):
    documented = restricted(shop_for, shop, DOCUMENTED_PERMISSIONS)
    invoice = documented.an_open_invoice(1000)

    assert documented.attach(invoice, 1000).status == "paid"
    assert len(documented.v1.invoice_payments.list({"invoice": invoice.id}).data) == 2


@pytest.mark.parametrize("switch", [False, True])
def test_search_is_open_to_restricted_keys_unless_switched_off(shop_for, shop, switch):
    shop.sim.config.update(search_refused_to_restricted_keys=switch)
    poor = restricted(shop_for, shop, {"customer_read"})

    if switch:
        with pytest.raises(stripe.PermissionError):
            poor.v1.customers.search({"query": "email:'a'"})
    else:
        assert poor.v1.customers.search({"query": "email:'a'"}).data == []


@pytest.mark.parametrize(("switch", "status"), [(False, 403), (True, 404)])
def test_a_probe_meets_the_permission_or_the_existence_check_first(shop_for, shop, switch, status):
    shop.sim.config.update(existence_before_permission=switch)
    poor = restricted(shop_for, shop, set())

    with pytest.raises(stripe.StripeError) as caught:
        poor.v1.customers.update("cus_probe", {"metadata": {"probe": "1"}})

    assert caught.value.http_status == status


def test_the_log_keeps_fingerprints_of_keys_and_never_a_key(shop):
    shop.a_customer()

    text = repr(list(shop.sim.requests)) + requests.get(f"{shop.sim.url}/_simulator/requests", timeout=2).text
    assert "0123456789abcdef" not in text
    assert shop.sim.requests[0].key_fingerprint


def test_a_key_of_another_form_cannot_be_registered(shop):
    with pytest.raises(ValueError, match="A key looks like"):
        shop.sim.add_key("secret")
