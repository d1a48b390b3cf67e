"""The whole plugin with the simulator and without HTTP, for tests that invoice thousands of quotes.

The SDK encodes every request, and the simulator's API answers it in the same thread. Minimal objects that keep
the same promises replace the services of the host.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import stripe

from builders import loaded
from qwoty_integrations_host import Attempt, HookContext, Outcome, Preview, QuoteRecord
from qwoty_integrations_host.clock import ManualClock
from qwoty_stripe_invoice import gateway
from qwoty_stripe_invoice.invoicing import invoice_quote
from qwoty_stripe_invoice.preview import preview_quote
from stripe_simulator import StripeSimulator
from stripe_simulator.api import ApiRequest

KEY = "sk_test_51InProcess0001"
SETTINGS = {
    "token_scope": "workspace",
    "workspace_api_token": KEY,
    "invoice_status": "open",
    "send_invoice_email": False,
    "send_payment_link": False,
    "send_next_installments": "manual",
    "rounding_line": True,
    "exact_tax": True,
    "void_on_cancel": False,
}


class _InProcess(stripe.HTTPClient):
    """Passes the SDK's requests directly to the simulator's API."""

    name = "in-process"

    def __init__(self, simulator: StripeSimulator) -> None:
        super().__init__()
        self._simulator = simulator

    def request(self, method: str, url: str, headers: Any, post_data: Any = None, **_: Any) -> Any:
        parts = urlsplit(url)
        text = "&".join(filter(None, (parts.query, post_data)))
        pairs = parse_qsl(text, keep_blank_values=True)
        given = ApiRequest(method.upper(), parts.path, pairs, KEY, headers.get("Idempotency-Key"), None)
        answer = self._simulator.api.answer(given)
        return answer.body, answer.status, answer.headers


class _Values(dict[str, Any]):
    def set(self, name: str, value: Any) -> None:
        self[name] = value


class _Records(dict[str, QuoteRecord]):
    def change(self, quote_id: str, change: Callable[[QuoteRecord | None], QuoteRecord]) -> QuoteRecord:
        self[quote_id] = change(self.get(quote_id))
        return self[quote_id]

    update = change  # type: ignore[assignment]


class _Silent:
    """A log and a platform that do nothing, because these tests look at neither."""

    def _nothing(self, *_: Any, **__: Any) -> None:
        return None

    info = warning = save_external_id = send = _nothing


class Desk:
    """One plugin and one Stripe without a network. Each ``invoice`` starts with an empty Stripe."""

    def __init__(self) -> None:
        self.stripe = StripeSimulator()
        self.records = _Records()
        client = stripe.StripeClient(
            KEY, stripe_version=gateway.API_VERSION, http_client=_InProcess(self.stripe), max_network_retries=0
        )
        # Put this key's client where the gateway keeps its clients.
        gateway._clients[gateway.fingerprint(KEY), gateway.DEFAULT_API_BASE, gateway._PATIENT] = client

    def invoice(
        self,
        document: Mapping[str, Any],
        *,
        rounding: str = "half_away_from_zero",
        stripe: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> Outcome:
        """Invoice a quote at an empty Stripe, with these switches of the simulator. Raises the plugin's errors."""
        self.stripe.reset()
        self.stripe.config.update(rounding=rounding, **(stripe or {}))
        self.records.clear()
        return invoice_quote(self._context({**SETTINGS, **settings}), loaded(dict(document)))

    def preview(self, document: Mapping[str, Any], **settings: Any) -> Preview:
        """The preview of a quote, without Stripe. Raises the plugin's errors."""
        found = preview_quote(self._context({**SETTINGS, **settings}), loaded(dict(document)))
        assert isinstance(found, Preview)
        return found

    @property
    def made(self) -> dict[str, Any]:
        """The only invoice."""
        (invoice,) = self.stripe.objects("invoices")
        found: dict[str, Any] = invoice
        return found

    @property
    def lines(self) -> list[dict[str, Any]]:
        """All lines of the only invoice."""
        path = f"/v1/invoices/{self.made['id']}/lines"
        client = gateway._clients[gateway.fingerprint(KEY), gateway.DEFAULT_API_BASE, gateway._PATIENT]
        page = client.raw_request("get", path, limit=100)
        return list(client.deserialize(page, api_mode="V1").to_dict()["data"])

    def _context(self, settings: dict[str, Any]) -> HookContext:
        now = datetime.now(UTC)
        silent: Any = _Silent()
        records: Any = self.records
        return HookContext(
            workspace="ws-1",
            plugin="stripe_invoice",
            settings=settings,
            clock=ManualClock(now),
            log=silent,
            platform=silent,
            mail=silent,
            state=_Values(),
            secrets=_Values(),
            records=records,
            step=lambda _, work: work(Attempt(number=1, key=1, first_started_at=now)),
            lock=lambda _: nullcontext(),
            pace=lambda _, **__: None,
        )
