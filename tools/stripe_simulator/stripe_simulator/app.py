"""The Flask application: the API under /v1, the payer's pages, and the controls."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from flask import Flask, Response, request

from stripe_simulator import control, pages
from stripe_simulator.api import ApiRequest, ConnectionCut

if TYPE_CHECKING:
    from stripe_simulator.simulator import StripeSimulator

METHODS = ["GET", "POST", "DELETE", "PUT", "PATCH"]


def create_app(simulator: StripeSimulator) -> Flask:
    app = Flask("stripe_simulator", static_folder=None)
    app.register_blueprint(pages.blueprint(simulator.world))
    app.register_blueprint(control.blueprint(simulator))
    app.add_url_rule("/v1/<path:rest>", view_func=_api_view(simulator), methods=METHODS)
    app.after_request(_mark)
    return app


def _mark(response: Response) -> Response:
    # So that nobody mistakes a recorded answer for Stripe's.
    response.headers["X-Simulated"] = "stripe-simulator"
    return response


def _api_view(simulator: StripeSimulator) -> Callable[..., Response]:
    def api(**_: str) -> Response:
        try:
            answer = simulator.api.answer(_read())
        except ConnectionCut:
            return _cut()
        return Response(answer.body, answer.status, {"Content-Type": "application/json", **answer.headers})

    return api


def _read() -> ApiRequest:
    return ApiRequest(
        method=request.method,
        path=request.path,
        pairs=[*request.args.items(multi=True), *request.form.items(multi=True)],
        key=_key(),
        idempotency_key=request.headers.get("Idempotency-Key"),
        version=request.headers.get("Stripe-Version"),
        answered_before=request.environ.get("simulator.answered_before", False),
    )


def _key() -> str | None:
    given = request.authorization
    if given is None:
        return None
    # The key comes as a bearer token, or as the user name of basic authentication.
    return given.token or given.username


def _cut() -> Response:
    connection: socket.socket = request.environ["werkzeug.socket"]
    connection.shutdown(socket.SHUT_RDWR)
    return Response(status=500)
