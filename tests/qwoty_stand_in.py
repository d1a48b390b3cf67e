"""A stand-in for Qwoty over real HTTP: the documented calls, answers and refusals, and switches for faults.

It follows the pages that docs/platform.md names. It was never compared with the real Qwoty.
"""

from __future__ import annotations

import copy
import socket
import threading
from dataclasses import dataclass, field
from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.serving import make_server

TOKEN = "qwt_prod_StandIn0123456789"

#: The quote on Qwoty's page, in the same form and words. ``completed`` adds what the page leaves out.
DOCUMENTED: dict[str, Any] = {
    "id": "7d1f0c1e-5a55-4d8e-9a51-0c5a3f2b7e10",
    "number": "Q-2026-042",
    "status": "sent",
    "publish": True,
    "issue_date": "2026-03-10T09:15:00.000Z",
    "expiration_date": "2026-12-31T23:59:59Z",
    "owner": {
        "id": "0b6c",
        "first_name": "Lea",
        "last_name": "Roux",
        "email": "lea@seller.example",
        "external_ids": {"crm": "C-1", "erp": None, "accounting": None},
    },
    "currency": "EUR",
    "language": "fr",
    "title": "Rollout 2026",
    "opportunity_id": "opp_77",
    "pdf_link": "https://storage.example/quote.pdf?token=SignedPdfToken&expires=1744233600",
    "dealroom_link": "https://dealroom.example/abc",
    "business_unit": {
        "id": "bu_1",
        "type": "company",
        "brand": "Seller",
        "name": "Seller SAS",
        "logo": {"url": "https://logo.example/1.png", "alt": "Seller"},
        "tax_ids": [{"code": "VAT", "value": "FR00000000000"}],
        "address": {
            "line1": "1 rue A",
            "city": "Paris",
            "postal_code": "75001",
            "country": "France",
            "country_code": "FR",
        },
    },
    "customer": {
        "id": "cust_9",
        "type": "company",
        "name": "Buyer SARL",
        "external_ids": {"crm": "C-2", "erp": None, "accounting": None},
        "contacts": [
            {
                "id": "contact_3",
                "first_name": "Ana",
                "last_name": "Diaz",
                "email": "ana@buyer.example",
                "role": "decision_maker",
            }
        ],
        "billing_address": {
            "line1": "2 rue B",
            "line2": None,
            "city": "Lyon",
            "postal_code": "69001",
            "country": "France",
            "country_code": "FR",
        },
        "shipping_address": None,
        "custom_properties": {"industry": "SaaS"},
    },
    "pricing_table": {
        "settings": {"is_prices_hidden": False},
        "sections": [
            {
                "id": "s1",
                "type": "standard",
                "rank": 1,
                "name": "Services",
                "phases": [
                    {
                        "id": "p1",
                        "name": "Year 1",
                        "rank": 1,
                        "line_items": [
                            {
                                "id": "item_001",
                                "rank": 1,
                                "product": {"product_id": "prod_1", "name": "Consulting", "unit_of_measure": "hour"},
                                "quantity": 100,
                                "pricing": {"model": "per_unit", "list_price": 150.0, "currency": "EUR"},
                            }
                        ],
                    }
                ],
            }
        ],
    },
    "summary": {
        "one_off": {"net_amount": 15000.0, "tax_amount": 3000.0, "total_amount": 18000.0},
        "recurring": [{"interval": "month", "interval_count": 1, "net_amount": 500.0, "tax_amount": 100.0}],
    },
}

#: The contact in the form of the REST page: external ids are fields of their own, and roles are a list.
CONTACT: dict[str, Any] = {
    "id": "contact_3",
    "workspace_id": "qwoty-ws",
    "customer_id": "cust_9",
    "first_name": "Ana",
    "last_name": "Diaz",
    "email": "ana@buyer.example",
    "phone": None,
    "role": ["billing"],
    "id_crm": "C-3",
    "id_erp": None,
    "id_accounting": None,
    "address_ids": [],
}


def completed(**changes: Any) -> dict[str, Any]:
    """The documented quote, accepted. Taxes and payment terms, which no page shows, have the canonical names."""
    quote = copy.deepcopy(DOCUMENTED)
    (line,) = quote["pricing_table"]["sections"][0]["phases"][0]["line_items"]
    line["amounts"] = {"gross": 15000.0, "discount": 0.0, "net": 15000.0}
    line["taxes"] = [{"id": "tax_1", "api_name": "vat_fr_200", "name": "TVA 20%", "rate": 20.0, "country": "FR"}]
    terms = [{"id": "i1", "name": "1/1", "percentage": 100, "term": "net30", "order_number": 1}]
    quote["payment_terms"] = {"name": "Net 30", "api_name": "net_30", "installments": terms}
    return {**quote, "status": "accepted", **changes}


@dataclass
class QwotyStandIn:
    """One workspace of Qwoty. ``trouble`` has one fault for each of the next requests: a status, ``cut``, ``half``, …"""

    token: str = TOKEN
    quotes: dict[str, dict[str, Any]] = field(default_factory=dict)
    contacts: dict[str, dict[str, Any]] = field(default_factory=dict)
    trouble: list[int | str | None] = field(default_factory=list)
    #: Actions that the token may not do, such as ``PATCH contacts``.
    forbidden: set[str] = field(default_factory=set)
    retry_after: str | None = None
    #: The method and the path of each request.
    requests: list[str] = field(default_factory=list)

    def put(self, quote: dict[str, Any]) -> None:
        """Store a quote and its contact."""
        self.quotes[str(quote["id"])] = quote
        self.contacts.setdefault(CONTACT["id"], dict(CONTACT))

    def start(self) -> None:
        self._server = make_server("127.0.0.1", 0, self._app(), threaded=True)
        self._server.daemon_threads = False  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/api"

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    # -- the application -----------------------------------------------------------------------------

    def _app(self) -> Flask:
        app = Flask("qwoty_stand_in", static_folder=None)
        app.before_request(self._meet)
        app.add_url_rule("/api/quote/<path:quote_id>", view_func=self._quote)
        app.add_url_rule("/api/contacts/<contact_id>", view_func=self._contact)
        app.add_url_rule("/api/contacts/<contact_id>", view_func=self._change_contact, methods=["PATCH"])
        return app

    def _meet(self) -> Any:
        self.requests.append(f"{request.method} {request.path.removeprefix('/api/')}")
        if self.trouble and (trouble := self.trouble.pop(0)):
            return self._troubled(trouble)
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return _refused(401, "Missing or invalid token")
        if f"{request.method} {request.path.split('/')[2]}" in self.forbidden:
            return _refused(403, "Token lacks permission")
        return None

    def _troubled(self, trouble: int | str) -> Any:
        if trouble == "cut":
            request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        if trouble == "half":
            half = Response(b'{"success": true, "data"')
            half.headers["Content-Length"] = "5000"
            return half
        if trouble == "empty":
            return Response()
        if trouble == "huge":
            return Response(b"[" * 5_000_001, mimetype="application/json")
        if trouble == "page":
            return Response("<!doctype html><title>Qwoty</title>", mimetype="text/html")
        if isinstance(trouble, int):
            answer = _refused(trouble, "Trouble")
            if trouble == 302:
                answer.headers["Location"] = request.path  # a client that follows it gets the answer
            if self.retry_after:
                answer.headers["Retry-After"] = self.retry_after
            return answer
        return Response()

    def _quote(self, quote_id: str) -> Response:
        if quote_id not in self.quotes:
            return _refused(404, "Quote not found")
        return jsonify({"success": True, "data": {"quote": self.quotes[quote_id]}})

    def _contact(self, contact_id: str) -> Response:
        if contact_id not in self.contacts:
            return _refused(404, "Contact not found")
        return jsonify({"success": True, "data": self.contacts[contact_id]})

    def _change_contact(self, contact_id: str) -> Response:
        if contact_id not in self.contacts:
            return _refused(404, "Contact not found")
        self.contacts[contact_id] |= request.get_json()
        return self._contact(contact_id)


def _refused(status: int, error: str) -> Response:
    answer = jsonify({"success": False, "error": error})
    answer.status_code = status
    return answer
