"""Who may see and do what in the console, where requests may come from, and what a browser may load.

Viewers look, admins act. What changes something must come from the console's own pages: browsers say so by
``Sec-Fetch-Site``, or else by ``Origin``.
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
from .words import gettext as _

#: What stands between two marks of HTML: in attributes "<" and ">" are escaped.
_WORDS = re.compile("(?<=>)[^<]+")

blueprint = Blueprint("console", __name__, url_prefix="/console", template_folder="templates", static_folder="static")
log = logging.getLogger(__name__)
_SAFE = {"GET", "HEAD", "OPTIONS"}
_OPEN = {f"console.{name}" for name in ("login", "log_in", "show_link", "follow_link", "choose_language")}
_PORTS = {"http": 80, "https": 443}
#: No inline code, no inline styles, nothing of anybody else's, and nobody's frame.
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
    """Who is logged in."""
    found: Session = g.session
    return found


@blueprint.before_request
def let_in() -> BaseResponse | None:
    """Let the request pass, or say where to go. Raises: Forbidden."""
    g.acting = ExitStack()
    if request.method not in _SAFE and not _comes_from_here():
        raise Forbidden(_("This request did not come from the console's own pages. Open the console and try again."))
    if any("\0" in text for given in (request.args, request.form) for _name, text in given.items(multi=True)):
        raise BadRequest  # PostgreSQL takes none, and no browser sends one by itself
    if request.endpoint == "console.static":
        return None
    token = request.cookies.get(_cookie_name(), "")
    host = the_host()
    g.session = sessions.find(host.store, host.clock, token) if token else None
    if request.endpoint in _OPEN:
        return None
    if g.session is None:
        return go_to(url_for("console.login"))
    if request.method not in _SAFE and not g.session.may_act and request.endpoint != "console.log_out":
        raise Forbidden(_("You may look, but not change anything. Ask an admin of this workspace."))
    if (name := (request.view_args or {}).get("quote_id")) is not None:
        if "\0" in name:
            raise NotFound
        assert request.view_args is not None
        request.view_args["quote_id"] = quote_id_of(host.store, g.session.workspace, name)
    g.acting.enter_context(acting_as(g.session.actor))
    return None


@blueprint.teardown_request
def forget(_error: BaseException | None) -> None:
    """End what ``let_in`` began."""
    if "acting" in g:
        g.acting.close()


@blueprint.after_request
def protect(answer: Response) -> Response:
    """Say what a browser may do with the page."""
    answer.headers["Content-Security-Policy"] = _POLICY
    answer.headers["X-Content-Type-Options"] = "nosniff"
    if answer.mimetype == "text/html" and not answer.direct_passthrough:
        answer.set_data(_with_everything_seen(answer.get_data(as_text=True)))
    # A login link must not travel on; `no-referrer` would take the Origin from our own forms.
    answer.headers["Referrer-Policy"] = "same-origin"
    if request.endpoint != "console.static":
        answer.headers["Cache-Control"] = "no-store"
    return answer


def _with_everything_seen(page: str) -> str:
    """The page, in whose words nothing is left that nobody sees; what a form sends back stays as it is."""
    return _WORDS.sub(lambda words: visible(words[0]), page)


@blueprint.errorhandler(IntegrationError)
def explain(error: IntegrationError) -> Response:
    """A page that says what happened and what to do."""
    return page_of_error(error.http_status, error.title, error.hint)


@blueprint.errorhandler(HTTPException)
def explain_http(error: HTTPException) -> Response:
    """The same for what HTTP itself refuses."""
    page = page_of_error(error.code or 500, error.name, error.description or "")
    page.headers.extend((name, value) for name, value in error.get_headers() if name == "Retry-After")
    return page


@blueprint.errorhandler(Exception)
def hide(error: Exception) -> Response:
    """The same for a bug: the log says more."""
    log.error("web.crashed", exc_info=error)
    return page_of_error(500, _("The host could not answer."), _("Its log says why; nothing was half-done."))


@blueprint.get("/<path:_unknown>")
def unknown(_unknown: str) -> Response:
    """What there is not."""
    return page_of_error(404, _("There is no such page."), "")


def page_of_error(status: int, title: str, hint: str) -> Response:
    """An error as a page."""
    return make_response(render_template("console/error.html", status=status, title=title, hint=hint), status)


def go_to(address: str) -> BaseResponse:
    """Lead the browser to another page, whoever asks: a form, a link, or htmx."""
    if request.headers.get("HX-Request"):
        # A header takes ASCII alone; redirect() below sees to that by itself.
        return Response(status=204, headers={"HX-Redirect": iri_to_uri(address)})
    return redirect(address, 303)


def let_browser_keep(answer: BaseResponse, token: str) -> BaseResponse:
    """Put the session's cookie on an answer; an empty one takes it away."""
    kept: dict[str, Any] = {"secure": _is_secure(), "httponly": True, "samesite": "Lax", "path": "/"}
    answer.set_cookie(_cookie_name(), token, max_age=SESSION_LASTS if token else 0, **kept)
    return answer


def _comes_from_here() -> bool:
    site, given = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    origin = _origin(given or "")
    if site is not None:
        # Behind a proxy our own name need not be the browser's: but no page of ours is of no origin.
        return site == "same-origin" and (given is None or origin is not None)
    # Browsers leave that out on plain http to other machines.
    return origin is not None and origin in _ours()


def _ours() -> set[tuple[str, str, int]]:
    """Where the console is: at its public address, and under the name by which it was asked for."""
    public = _origin(the_host().config.public_url or "")
    asked = {found for scheme in _PORTS if (found := _origin(f"{scheme}://{request.host}"))}
    if public is None:
        return asked
    # Of the public name, the page over plain http may be anybody's.
    return {public, *(each for each in asked if each[1] != public[1])}


def _origin(address: str) -> tuple[str, str, int] | None:
    """Scheme, host and port; None of what names no host over http(s), such as ``null`` or ``file://``."""
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
