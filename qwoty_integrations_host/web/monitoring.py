"""Monitoring: health checks for load balancers, metrics for Prometheus, and an access log."""

from __future__ import annotations

import logging
import re
from contextlib import ExitStack
from time import perf_counter
from uuid import uuid4

from flask import Blueprint, Flask, Response, g, jsonify, request

from ..errors import DatabaseUnavailable
from ..observability.logs import log_context
from .auth import is_authenticated, the_host
from .unauthenticated_log_limit import LogLimit

blueprint = Blueprint("monitoring", __name__)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
log = logging.getLogger(__name__)


@blueprint.get("/health/live")
def live() -> Response:
    """Return 200 while the process answers."""
    return jsonify({"status": "ok"})


@blueprint.get("/health/ready")
@blueprint.get("/health")
def ready() -> Response:
    """Return 200 when requests can be served, 503 when the database cannot be read; name broken and hanging plugins."""
    host = the_host()
    states = {status.id: status.state for status in host.plugins.statuses}
    hanging = [str(call) for call in host.plugins.calls.abandoned()]
    status = "ok" if set(states.values()) <= {"loaded", "blocked"} and not hanging else "degraded"
    try:
        with host.store.read() as db:
            db.exec_driver_sql("SELECT 1")
    except DatabaseUnavailable as error:
        response = jsonify({"status": "unavailable", "worker": host.worker_lock.held, "reason": error.title})
        response.status_code = 503
        return response
    return jsonify({"status": status, "worker": host.worker_lock.held, "plugins": states, "hanging": hanging})


@blueprint.get("/metrics")
def metrics() -> Response:
    """Return the metrics in Prometheus' text format."""
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest  # noqa: PLC0415 - lazy: few ask

    from ..reports.metrics import registry  # noqa: PLC0415 - lazy, as above

    host = the_host()
    return Response(generate_latest(registry(host.store, host.plugins, host.clock)), content_type=CONTENT_TYPE_LATEST)


def monitor(app: Flask) -> None:
    """Give each request an id for its response and its log lines, measure it, and log it.

    All unauthenticated requests share one log limit, because strangers must not fill the disk or hide other lines. The
    metrics count all requests.
    """
    log_limit = LogLimit(app.extensions["qwoty_host"].clock)

    @app.before_request
    def begin() -> None:
        request_id = request.headers.get("X-Request-Id", "")
        g.request_id = request_id if _REQUEST_ID.fullmatch(request_id) else uuid4().hex
        g.began, g.log_context = perf_counter(), ExitStack()
        g.log_context.enter_context(log_context(request_id=g.request_id))

    @app.after_request
    def end(response: Response) -> Response:
        from ..reports.metrics import HTTP_SECONDS  # noqa: PLC0415 - lazy: the commands need none

        # Log the route and never the path, because a path may contain a token.
        route = request.url_rule.rule if request.url_rule else "(none)"
        seconds = perf_counter() - g.began
        method = request.method if request.url_rule else "(any)"
        HTTP_SECONDS.labels(method, route, response.status_code).observe(seconds)
        facts = {"method": method, "route": route, "status": response.status_code, "ms": round(seconds * 1000)}
        if suppressed := log_limit.take_suppressed():
            log.warning("http.strangers_not_logged", extra={"lines": suppressed})
        if is_authenticated() or log_limit.allows_line():
            log.info("http.answered", extra=facts)
        response.headers["X-Request-Id"] = g.request_id
        return response

    @app.teardown_request
    def close(_error: BaseException | None) -> None:
        if "log_context" in g:
            g.log_context.close()
