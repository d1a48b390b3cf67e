"""How a host is watched: health for balancers, metrics for Prometheus, and a line in the log for each request."""

from __future__ import annotations

import logging
import re
from contextlib import ExitStack
from time import perf_counter
from uuid import uuid4

from flask import Blueprint, Flask, Response, g, jsonify, request

from ..errors import DatabaseUnavailable
from ..observability.logs import log_context
from .auth import is_proved, the_host
from .ceiling import LogCeiling

blueprint = Blueprint("watching", __name__)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
log = logging.getLogger(__name__)


@blueprint.get("/health/live")
def live() -> Response:
    """Whether the process answers at all."""
    return jsonify({"status": "ok"})


@blueprint.get("/health/ready")
@blueprint.get("/health")
def ready() -> Response:
    """Whether requests can be taken: 503 while the database cannot be read. Plugins that failed or hang are named."""
    host = the_host()
    states = {status.id: status.state for status in host.plugins.statuses}
    hanging = [str(call) for call in host.plugins.calls.abandoned()]
    well = "ok" if set(states.values()) <= {"loaded", "blocked"} and not hanging else "degraded"
    try:
        with host.store.read() as db:
            db.exec_driver_sql("SELECT 1")
    except DatabaseUnavailable as error:
        answer = jsonify({"status": "unavailable", "worker": host.worker_lock.held, "reason": error.title})
        answer.status_code = 503
        return answer
    return jsonify({"status": well, "worker": host.worker_lock.held, "plugins": states, "hanging": hanging})


@blueprint.get("/metrics")
def metrics() -> Response:
    """For Prometheus, in its text format."""
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest  # noqa: PLC0415 - lazy: few ask

    from ..metrics import registry  # noqa: PLC0415

    host = the_host()
    return Response(generate_latest(registry(host.store, host.plugins, host.clock)), content_type=CONTENT_TYPE_LATEST)


def watch(app: Flask) -> None:
    """Give each request an id, which its answer and every line of its log carry, and measure it.

    Who proved nothing gets a line only up to a ceiling: strangers must not fill a disk, or hide what matters.
    All of them are counted in the metrics.
    """
    ceiling = LogCeiling(app.extensions["qwoty_host"].clock)

    @app.before_request
    def begin() -> None:
        given = request.headers.get("X-Request-Id", "")
        g.request_id = given if _REQUEST_ID.fullmatch(given) else uuid4().hex
        g.began, g.about = perf_counter(), ExitStack()
        g.about.enter_context(log_context(request_id=g.request_id))

    @app.after_request
    def end(answer: Response) -> Response:
        from ..metrics import HTTP_SECONDS  # noqa: PLC0415 - lazy: the commands need none

        # The route and not the address: an address may hold a token.
        route = request.url_rule.rule if request.url_rule else "(none)"
        seconds = perf_counter() - g.began
        method = request.method if request.url_rule else "(any)"
        HTTP_SECONDS.labels(method, route, answer.status_code).observe(seconds)
        facts = {"method": method, "route": route, "status": answer.status_code, "ms": round(seconds * 1000)}
        if left_out := ceiling.left_out():
            log.warning("http.strangers_not_logged", extra={"lines": left_out})
        if is_proved() or ceiling.lets_through():
            log.info("http.answered", extra=facts)
        answer.headers["X-Request-Id"] = g.request_id
        return answer

    @app.teardown_request
    def forget(_error: BaseException | None) -> None:
        if "about" in g:
            g.about.close()
