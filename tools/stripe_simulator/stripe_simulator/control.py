"""Controls over HTTP, for tests and demos in other processes: everything that ``StripeSimulator`` can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, jsonify, request

from stripe_simulator.errors import StripeError
from stripe_simulator.keys import DEFAULT_ACCOUNT

if TYPE_CHECKING:
    from stripe_simulator.simulator import StripeSimulator

PAYER_ACTS = ("pay", "pay_later", "settle", "fail", "expire")


def blueprint(simulator: StripeSimulator) -> Blueprint:
    """Return the routes under /_simulator/."""
    routes = Blueprint("control", __name__, url_prefix="/_simulator")
    _add_readings(routes, simulator)
    _add_settings(routes, simulator)
    _add_acts(routes, simulator)
    routes.register_error_handler(StripeError, lambda error: _refused(error.status, error.message))
    for wrong in (ValueError, TypeError, KeyError):
        routes.register_error_handler(wrong, lambda error: _refused(400, str(error)))
    return routes


def _refused(status: int, message: str) -> tuple[Response, int]:
    return jsonify({"error": message}), status


def _given() -> dict[str, Any]:
    data = request.get_json(silent=True)
    return data if isinstance(data, dict) else {}


def _done(**facts: Any) -> Response:
    return jsonify({"ok": True, **facts})


def _add_readings(routes: Blueprint, simulator: StripeSimulator) -> None:
    @routes.get("/health")
    def health() -> Response:
        return _done(now=simulator.clock.now(), url=simulator.url)

    @routes.get("/requests")
    def requests_seen() -> Response:
        return jsonify([entry.as_dict() for entry in simulator.requests])

    @routes.get("/deliveries")
    def deliveries() -> Response:
        return jsonify(simulator.deliveries)

    @routes.get("/objects/<kind>")
    def objects(kind: str) -> Response:
        account = request.args.get("account", DEFAULT_ACCOUNT)
        livemode = request.args.get("livemode", "false") == "true"
        return jsonify(simulator.objects(kind, account=account, livemode=livemode))


def _add_settings(routes: Blueprint, simulator: StripeSimulator) -> None:
    @routes.delete("/requests")
    def forget_requests() -> Response:
        simulator.requests.reset()
        return _done()

    @routes.post("/faults")
    def add_fault() -> Response:
        simulator.faults.add(**_given())
        return _done()

    @routes.delete("/faults")
    def forget_faults() -> Response:
        simulator.faults.reset()
        return _done()

    @routes.post("/clock")
    def move_clock() -> Response:
        given = _given()
        if "set" in given:
            simulator.clock.set(given["set"])
        simulator.clock.advance(given.get("advance", 0))
        return _done(now=simulator.clock.now())

    @routes.post("/config")
    def configure() -> Response:
        simulator.config.update(**_given())
        return _done(**simulator.config.as_dict())

    @routes.post("/keys")
    def add_key() -> Response:
        simulator.add_key(**_given())
        return _done()

    @routes.post("/reset")
    def reset() -> Response:
        simulator.reset()
        return _done()


def _add_acts(routes: Blueprint, simulator: StripeSimulator) -> None:
    @routes.post("/sessions/<session_id>/<act>")
    def payer(session_id: str, act: str) -> Response:
        if act not in PAYER_ACTS:
            raise ValueError(f"A payer can {', '.join(PAYER_ACTS)}.")
        return jsonify(getattr(simulator, act)(session_id))

    @routes.post("/invoices/<invoice_id>/pay")
    def pay_invoice(invoice_id: str) -> Response:
        return jsonify(simulator.pay_hosted(invoice_id))

    @routes.post("/invoices/<invoice_id>/mark_paid")
    def mark_paid(invoice_id: str) -> Response:
        return jsonify(simulator.mark_paid(invoice_id))

    @routes.post("/payments/<payment_intent>/refund")
    def refund(payment_intent: str) -> Response:
        return jsonify(simulator.refund(payment_intent, _given().get("amount")))

    @routes.post("/endpoints/<endpoint_id>/roll")
    def roll(endpoint_id: str) -> Response:
        return _done(secret=simulator.roll_secret(endpoint_id, keep_old=_given().get("keep_old", True)))

    @routes.post("/deliver")
    def deliver() -> Response:
        return _done(all_delivered=simulator.deliver(**_given()), deliveries=simulator.deliveries)
