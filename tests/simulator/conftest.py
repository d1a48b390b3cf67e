"""A shop that talks to the simulator through the real SDK."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import stripe

from stripe_simulator import StripeSimulator
from stripe_simulator.api import ApiRequest, Response
from stripe_simulator.contract import check_response

stripe.enable_telemetry = False

KEY = "sk_test_0123456789abcdef"
Json = dict[str, Any]


@dataclass
class Shop:
    """The SDK's client with a builder for each object that tests need."""

    sim: StripeSimulator
    client: stripe.StripeClient

    @property
    def v1(self) -> Any:
        return self.client.v1

    def a_customer(self, **params: Any) -> Any:
        return self.v1.customers.create({"name": "Ada", "email": "ada@example.com"} | params)

    def a_rate(self, percentage: str = "20", **params: Any) -> str:
        given = {"display_name": "VAT", "inclusive": False, "percentage": percentage} | params
        return str(self.v1.tax_rates.create(given).id)

    def a_draft(self, *lines: Json, customer: str | None = None, **params: Any) -> Any:
        given = {
            "customer": customer or self.a_customer().id,
            "currency": "eur",
            "collection_method": "send_invoice",
            "days_until_due": 30,
            "auto_advance": False,
        }
        draft = self.v1.invoices.create(given | params)
        return self.v1.invoices.add_lines(draft.id, {"lines": list(lines)}) if lines else draft

    def an_open_invoice(self, amount: int = 10_000, **params: Any) -> Any:
        draft = self.a_draft({"amount": amount, "description": "Work"}, **params)
        return self.v1.invoices.finalize_invoice(draft.id, {"auto_advance": False})

    def a_session(self, amount: int = 5_000, currency: str = "eur", **params: Any) -> Any:
        price = {"currency": currency, "unit_amount": amount, "product_data": {"name": "Deposit"}}
        line = {"quantity": 1, "price_data": price}
        given = {"mode": "payment", "line_items": [line], "success_url": "https://shop.example/thanks"}
        return self.v1.checkout.sessions.create(given | params)

    def a_payment(self, amount: int, customer: str, currency: str = "eur") -> str:
        session = self.a_session(amount, currency, customer=customer)
        return str(self.sim.pay(session.id)["payment_intent"])

    def attach(self, invoice: Any, amount: int) -> Any:
        payment = self.a_payment(amount, invoice.customer)
        return self.v1.invoices.attach_payment(invoice.id, {"payment_intent": payment})


def refused(call: Callable[..., Any], *args: Any, **kwargs: Any) -> stripe.InvalidRequestError:
    """Ask for what the simulator refuses; give its error."""
    with pytest.raises(stripe.InvalidRequestError) as caught:
        call(*args, **kwargs)
    return caught.value


ClientFor = Callable[..., Shop]


@pytest.fixture
def shop_for(stripe_simulator: StripeSimulator) -> Iterator[ClientFor]:
    """Make shops with other keys, or with retries."""
    made: list[stripe.RequestsClient] = []

    def build(key: str = KEY, *, retries: int = 0, timeout: float = 5) -> Shop:
        http = stripe.RequestsClient(timeout=timeout)
        made.append(http)
        client = stripe.StripeClient(
            key, base_addresses={"api": stripe_simulator.url}, http_client=http, max_network_retries=retries
        )
        return Shop(stripe_simulator, client)

    yield build
    for http in made:
        http.close()


@pytest.fixture
def shop(shop_for: ClientFor) -> Shop:
    return shop_for()


@pytest.fixture(autouse=True)
def every_answer_fits_the_sdk(stripe_simulator: StripeSimulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Compare each good answer in each test with the SDK's resource classes."""
    strange: list[str] = []
    answer = stripe_simulator.api.answer

    def checked(request: ApiRequest) -> Response:
        given = answer(request)
        # Stripe's answers have a request id. An odd answer, which is ordered as a fault, has none.
        if given.status == 200 and "Request-Id" in given.headers:
            strange.extend(check_response(json.loads(given.body)))
        return given

    monkeypatch.setattr(stripe_simulator.api, "answer", checked)
    yield
    assert strange == []
