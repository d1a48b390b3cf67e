"""Webhook endpoints and events of the simulator."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import stripe

from builders import LIVE
from simulator.conftest import refused
from stripe_simulator import DOCUMENTED_PERMISSIONS


class Receiver:
    """A small web server that stores what it receives and answers as the test wants."""

    def __init__(self):
        self.received = []
        self.answers = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.received.append((body, self.headers["Stripe-Signature"]))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def types(self):
        return [json.loads(body)["type"] for body, _ in self.received]

    def stop(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.stop()


def an_endpoint(shop, url, *events, **params):
    given = {"url": url, "enabled_events": list(events) or ["*"], "api_version": "2026-10-28.endive"}
    return shop.v1.webhook_endpoints.create(given | params)


def test_the_secret_shows_only_when_the_endpoint_is_made(shop):
    made = an_endpoint(shop, "http://127.0.0.1:9/hook", "invoice.paid", metadata={"ours": "1"})

    assert made.secret.startswith("whsec_")
    assert "secret" not in shop.v1.webhook_endpoints.retrieve(made.id)
    (listed,) = shop.v1.webhook_endpoints.list({"limit": 100}).data
    assert "secret" not in listed
    assert (listed.status, listed.metadata["ours"]) == ("enabled", "1")


def test_a_payment_arrives_signed(shop, receiver):
    endpoint = an_endpoint(shop, receiver.url, "checkout.session.completed")
    session = shop.a_session()

    shop.sim.pay(session.id)

    assert shop.sim.wait_for_webhooks(2)
    ((body, header),) = receiver.received
    event = stripe.Webhook.construct_event(body, header, endpoint.secret)
    assert (event.type, event.data.object.id, event.livemode) == (
        "checkout.session.completed",
        session.id,
        False,
    )
    assert event.api_version == "2026-10-28.endive"
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body, header, "whsec_other")


def test_the_signature_is_dated_by_the_simulated_clock(shop, receiver):
    endpoint = an_endpoint(shop, receiver.url, "customer.created")
    shop.sim.clock.advance(-3600)

    shop.a_customer()

    shop.sim.wait_for_webhooks(2)
    ((body, header),) = receiver.received
    with pytest.raises(stripe.SignatureVerificationError, match="tolerance"):
        stripe.Webhook.construct_event(body, header, endpoint.secret)


def test_the_event_names_the_request_that_caused_it(shop, receiver):
    an_endpoint(shop, receiver.url, "customer.created")

    made = shop.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k1"})

    shop.sim.wait_for_webhooks(2)
    event = json.loads(receiver.received[0][0])
    assert event["request"] == {"id": made.last_response.headers["Request-Id"], "idempotency_key": "k1"}


def test_only_subscribed_enabled_endpoints_are_called(shop, receiver):
    endpoint = an_endpoint(shop, receiver.url, "invoice.paid")
    shop.a_customer()
    shop.v1.webhook_endpoints.update(endpoint.id, {"enabled_events": ["customer.created"]})
    shop.a_customer()
    shop.v1.webhook_endpoints.update(endpoint.id, {"disabled": True})
    shop.a_customer()

    shop.sim.wait_for_webhooks(2)

    assert receiver.types == ["customer.created"]


def test_an_endpoint_can_be_deleted(shop, receiver):
    endpoint = an_endpoint(shop, receiver.url)

    assert shop.v1.webhook_endpoints.delete(endpoint.id).deleted
    shop.a_customer()

    assert shop.sim.wait_for_webhooks(2)
    assert receiver.received == []
    assert refused(shop.v1.webhook_endpoints.retrieve, endpoint.id).http_status == 404


def test_a_failed_delivery_is_tried_again(shop, receiver):
    receiver.answers = [500, 302]
    an_endpoint(shop, receiver.url, "customer.created")

    shop.a_customer()

    assert shop.sim.wait_for_webhooks(3)
    assert shop.sim.deliveries[0]["attempts"] == ["500", "302", "200"]
    assert shop.v1.events.list({"delivery_success": True}).data[0].type == "customer.created"


def test_an_event_that_was_given_up_can_be_delivered_later(shop, receiver, monkeypatch):
    monkeypatch.setattr("stripe_simulator.delivery.RETRY_GAPS", ())
    receiver.answers = [500]
    an_endpoint(shop, receiver.url, "customer.created")
    shop.a_customer()
    shop.sim.wait_for_webhooks(2)
    assert shop.sim.deliveries[0]["status"] == "undelivered"
    assert len(shop.v1.events.list({"type": "customer.created", "delivery_success": False}).data) == 1

    assert shop.sim.deliver()

    assert shop.sim.deliveries[0]["status"] == "delivered"


def test_held_events_can_arrive_in_reverse_order_and_again(shop, receiver):
    shop.sim.config.update(webhooks_held=True)
    an_endpoint(shop, receiver.url, "customer.created", "customer.updated")
    customer = shop.a_customer()
    shop.v1.customers.update(customer.id, {"name": "Eve"})
    assert shop.sim.wait_for_webhooks(1)
    assert receiver.received == []

    shop.sim.deliver(newest_first=True)
    shop.sim.deliver(again=True)

    assert receiver.types == ["customer.updated", "customer.created", "customer.created", "customer.updated"]


def test_an_event_can_arrive_twice(shop, receiver):
    shop.sim.config.update(webhook_copies=2)
    an_endpoint(shop, receiver.url, "customer.created")

    shop.a_customer()

    shop.sim.wait_for_webhooks(2)
    assert len({json.loads(body)["id"] for body, _ in receiver.received}) == 1
    assert len(receiver.received) == 2


def test_a_rolled_secret_signs_beside_the_old_one(shop, receiver):
    endpoint = an_endpoint(shop, receiver.url, "customer.created")

    new_secret = shop.sim.roll_secret(endpoint.id)
    shop.a_customer()

    shop.sim.wait_for_webhooks(2)
    ((body, header),) = receiver.received
    for secret in (endpoint.secret, new_secret):
        assert stripe.Webhook.construct_event(body, header, secret).type == "customer.created"


def test_a_wrong_signature_can_be_ordered(shop, receiver):
    shop.sim.config.update(webhook_bad_signature=True)
    endpoint = an_endpoint(shop, receiver.url, "customer.created")

    shop.a_customer()

    shop.sim.wait_for_webhooks(2)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(*receiver.received[0], endpoint.secret)


def test_nothing_is_delivered_beyond_loopback(shop):
    an_endpoint(shop, "https://shop.example/hook")

    shop.a_customer()

    assert shop.sim.wait_for_webhooks(1)
    assert shop.sim.deliveries[0]["status"] == "not delivered: not loopback"
    assert shop.sim.deliveries[0]["attempts"] == []


def test_live_endpoints_need_https_and_test_ones_do_not(shop, shop_for):
    live = shop_for(f"sk_{LIVE}_0123456789")

    assert refused(an_endpoint, live, "http://127.0.0.1:9/hook").param == "url"
    assert refused(an_endpoint, shop, "ftp://127.0.0.1/hook").param == "url"
    assert an_endpoint(live, "https://127.0.0.1:9/hook").livemode


def test_an_account_holds_at_most_16_endpoints(shop):
    for _ in range(16):
        an_endpoint(shop, "http://127.0.0.1:9/hook", "invoice.paid")

    refused(an_endpoint, shop, "http://127.0.0.1:9/hook")


def test_events_are_listed_by_type(shop):
    shop.a_customer()
    shop.a_rate()

    (event,) = shop.v1.events.list({"types": ["customer.created"]}).data

    assert shop.v1.events.retrieve(event.id).type == "customer.created"


@pytest.mark.parametrize("end", ["deleted", "disabled"])
def test_an_event_for_an_endpoint_that_is_gone_is_dropped_and_counts_as_undelivered(shop, receiver, end):
    shop.sim.config.update(webhooks_held=True)
    endpoint = an_endpoint(shop, receiver.url, "customer.created")
    shop.a_customer()
    if end == "deleted":
        shop.v1.webhook_endpoints.delete(endpoint.id)
    else:
        shop.v1.webhook_endpoints.update(endpoint.id, {"disabled": True})

    assert shop.sim.deliver()

    assert (receiver.received, shop.sim.deliveries[0]["status"]) == ([], "dropped")
    (missed,) = shop.v1.events.list({"types": ["customer.created"], "delivery_success": False}).data
    assert missed.type == "customer.created"


def test_an_event_without_an_endpoint_counts_as_delivered(shop):
    shop.a_customer()

    assert shop.v1.events.list({"delivery_success": False}).data == []
    assert len(shop.v1.events.list({"delivery_success": True}).data) == 1


def test_events_are_listed_newest_first_between_two_times_and_page_by_page(shop):
    start = shop.sim.clock.set(1_800_000_000)
    for _ in range(4):
        shop.a_customer()
        shop.sim.clock.advance(60)

    found = shop.v1.events.list({"created": {"gte": start + 60, "lte": start + 120}, "limit": 1})
    rest = shop.v1.events.list(
        {"created": {"gte": start + 60, "lte": start + 120}, "limit": 1, "starting_after": found.data[0].id}
    )

    assert [found.data[0].created - start, rest.data[0].created - start] == [120, 60]
    assert (found.has_more, rest.has_more) == (True, False)


def test_events_older_than_thirty_days_are_not_listed(shop):
    shop.a_customer()
    shop.sim.clock.advance(30 * 24 * 3600 + 10)
    shop.a_rate()
    shop.a_customer()

    assert len(shop.v1.events.list({"type": "customer.created"}).data) == 1


@pytest.mark.parametrize("extra", [set(), {"event_read"}])
def test_events_have_a_permission_of_their_own(shop_for, stripe_simulator, extra):
    key = stripe_simulator.add_key("rk_test_Documented0001", permissions=DOCUMENTED_PERMISSIONS | extra)
    limited = shop_for(key)

    if extra:
        assert limited.v1.events.list({}).data == []
        return
    with pytest.raises(stripe.PermissionError, match="rak_event_read"):
        limited.v1.events.list({})
