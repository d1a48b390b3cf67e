"""Access control of the console: sessions and roles, CSRF protection, and the content security policy.

Viewers read, admins act. A request that changes something must come from the console's own pages, as the browser's
``Sec-Fetch-Site`` or else ``Origin`` says.
"""

from __future__ import annotations

import logging
import re
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, g, make_response, redirect, render_template, request, url_for
from werkzeug.exceptions import BadRequest, Forbidden, HTTPException, NotFound
from werkzeug.urls import iri_to_uri
from werkzeug.wrappers import Response as BaseResponse

from ...contract.visible_text import visible
from ...errors import IntegrationError
from ...observability.actor import acting_as
from ...reports.search import quote_id_of
from .. import sessions
from ..auth import the_host
from ..sessions import SESSION_LASTS, Session
from .i18n import gettext as _

#: The text between two tags: in attributes "<" and ">" are escaped.
_TEXT = re.compile("(?<=>)[^<]+")

blueprint = Blueprint("console", __name__, url_prefix="/console", template_folder="templates", static_folder="static")
log = logging.getLogger(__name__)
_SAFE = {"GET", "HEAD", "OPTIONS"}
_OPEN = {f"console.{name}" for name in ("login", "log_in", "show_link", "follow_link", "choose_language")}
_PORTS = {"http": 80, "https": 443}
#: No inline code, no inline styles, nothing of another origin, and no framing.
_POLICY = "; ".join(
    [
        "default-src 'none'",
        *(f"{kind}-src 'self'" for kind in ("script", "style", "img", "connect")),
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)


def session() -> Session:
    """Return the request's session."""
    current: Session = g.session
    return current


@blueprint.before_request
def authorize() -> BaseResponse | None:
    """Let the request pass, or redirect to the login. Raises: Forbidden."""
    g.actor_context = ExitStack()
    if request.method not in _SAFE and not _is_same_origin():
        raise Forbidden(_("This request did not come from the console's own pages. Open the console and try again."))
    if any("\0" in text for values in (request.args, request.form) for _name, text in values.items(multi=True)):
        raise BadRequest  # PostgreSQL stores no NUL, and no browser sends one by itself
    if request.endpoint == "console.static":
        return None
    token = request.cookies.get(_cookie_name(), "")
    host = the_host()
    g.session = sessions.find(host.store, host.clock, token) if token else None
    if request.endpoint in _OPEN:
        return None
    if g.session is None:
        return redirect_to(url_for("console.login"))
    if request.method not in _SAFE and not g.session.may_act and request.endpoint != "console.log_out":
        raise Forbidden(_("You may look, but not change anything. Ask an admin of this workspace."))
    if (name := (request.view_args or {}).get("quote_id")) is not None:
        if "\0" in name:
            raise NotFound
        assert request.view_args is not None
        request.view_args["quote_id"] = quote_id_of(host.store, g.session.workspace, name)
    g.actor_context.enter_context(acting_as(g.session.actor))
    return None


@blueprint.teardown_request
def end_actor_context(_error: BaseException | None) -> None:
    """Leave the actor's context that ``authorize`` entered."""
    if "actor_context" in g:
        g.actor_context.close()


@blueprint.after_request
def add_security_headers(response: Response) -> Response:
    """Add the security headers, and spell out invisible characters in the page's text."""
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    if response.mimetype == "text/html" and not response.direct_passthrough:
        response.set_data(_with_visible_text(response.get_data(as_text=True)))
    # A login link must not leak to other sites; `no-referrer` would drop the Origin of our own forms.
    response.headers["Referrer-Policy"] = "same-origin"
    if request.endpoint != "console.static":
        response.headers["Cache-Control"] = "no-store"
    return response


def _with_visible_text(page: str) -> str:
    """Spell out the invisible characters of a page's text; attributes, and so the values of forms, stay unchanged."""
    return _TEXT.sub(lambda text: visible(text[0]), page)


@blueprint.errorhandler(IntegrationError)
def handle_integration_error(error: IntegrationError) -> Response:
    """Return an error page with the error's title and hint."""
    return error_page(error.http_status, error.title, error.hint)


@blueprint.errorhandler(HTTPException)
def handle_http_error(error: HTTPException) -> Response:
    """Return an error page for an HTTP error."""
    page = error_page(error.code or 500, error.name, error.description or "")
    page.headers.extend((name, value) for name, value in error.get_headers() if name == "Retry-After")
    return page


@blueprint.errorhandler(Exception)
def handle_crash(error: Exception) -> Response:
    """Log a bug, and return an error page without details."""
    log.error("web.crashed", exc_info=error)
    return error_page(500, _("The host could not answer."), _("Its log says why; nothing was half-done."))


@blueprint.get("/<path:_unknown>")
def unknown(_unknown: str) -> Response:
    """Return the 404 page."""
    return error_page(404, _("There is no such page."), "")


def error_page(status: int, title: str, hint: str) -> Response:
    """Return an error as a page."""
    return make_response(render_template("console/error.html", status=status, title=title, hint=hint), status)


def redirect_to(address: str) -> BaseResponse:
    """Redirect the browser to another page, also after a request by htmx."""
    if request.headers.get("HX-Request"):
        # A header is ASCII; redirect() below encodes the address by itself.
        return Response(status=204, headers={"HX-Redirect": iri_to_uri(address)})
    return redirect(address, 303)


def set_session_cookie(response: BaseResponse, token: str) -> BaseResponse:
    """Set the session's cookie on a response; an empty token deletes it."""
    attributes: dict[str, Any] = {"secure": _is_secure(), "httponly": True, "samesite": "Lax", "path": "/"}
    response.set_cookie(_cookie_name(), token, max_age=SESSION_LASTS if token else 0, **attributes)
    return response


def _is_same_origin() -> bool:
    site, header = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    origin = _origin(header or "")
    if site is not None:
        # Do not compare the host names: behind a proxy, ours may differ from the browser's. But an opaque origin is
        # never ours.
        return site == "same-origin" and (header is None or origin is not None)
    # Browsers omit Sec-Fetch-Site over plain http to other machines.
    return origin is not None and origin in _own_origins()


def _own_origins() -> set[tuple[str, str, int]]:
    """Return the console's origins: the public URL's, and those of the requested host name."""
    public = _origin(the_host().config.public_url or "")
    requested = {origin for scheme in _PORTS if (origin := _origin(f"{scheme}://{request.host}"))}
    if public is None:
        return requested
    # Of the public host name, accept only the public URL's scheme: a page over plain http may come from anybody.
    return {public, *(each for each in requested if each[1] != public[1])}


def _origin(address: str) -> tuple[str, str, int] | None:
    """Return scheme, host and port; None for an opaque origin such as ``null`` or ``file://``."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname:
        return None
    return parts.scheme, parts.hostname, port or _PORTS[parts.scheme]


def _is_secure() -> bool:
    return request.is_secure or (the_host().config.public_url or "").startswith("https://")


def _cookie_name() -> str:
    return "__Host-qwoty_session" if _is_secure() else "qwoty_session"
