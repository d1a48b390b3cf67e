"""Logging in and out, and choosing a language."""

from __future__ import annotations

import re
from urllib.parse import unquote

from flask import make_response, redirect, render_template, request, url_for
from werkzeug.exceptions import BadRequest, TooManyRequests
from werkzeug.wrappers import Response

from .. import sessions
from ..auth import auth_failures, the_host
from ..rate_limit import Credential
from .access_control import blueprint, error_page, redirect_to, session, set_session_cookie
from .i18n import COOKIE, LANGUAGES
from .i18n import gettext as _

_YEAR = 365 * 24 * 3600
#: Characters that no URL contains; browsers drop some of them, and headers cannot hold the others.
_CONTROLS = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@blueprint.get("/login")
def login() -> str:
    """Show the login page."""
    return render_template("console/login.html", workspace="", wrong=False)


@blueprint.post("/login")
def log_in() -> Response:
    """Log in with a password."""
    host, workspace = the_host(), request.form.get("workspace", "").strip()[:64]
    # Passwords can be guessed, unlike keys: above the rate limit no password is compared.
    counters = ((Credential.PASSWORD, request.remote_addr or ""), (Credential.WORKSPACE, workspace))
    _reject_for(max(auth_failures().wait(*counter) for counter in counters))
    login = sessions.log_in(host.store, host.clock, workspace, request.form.get("password", ""))
    if login is None:
        _reject_for(max(auth_failures().record(*counter) for counter in counters))
        return make_response(render_template("console/login.html", workspace=workspace, wrong=True), 422)
    return set_session_cookie(redirect(url_for("console.integrations"), 303), login[1])


@blueprint.get("/login/<token>")
def show_link(token: str) -> str:
    """Ask for a click, so that a mail scanner that opens the link does not consume it."""
    return render_template("console/login_link.html")


@blueprint.post("/login/<token>")
def follow_link(token: str) -> Response:
    """Log in with a one-time link."""
    host = the_host()
    login = sessions.follow_link(host.store, host.clock, token)
    if login is None:
        _reject_for(auth_failures().record(Credential.LOGIN_LINK, request.remote_addr or ""))
        title = _("This login link does not work any more.")
        return error_page(403, title, _("Each works once, within 15 minutes. Ask the host's operator for a new one."))
    return set_session_cookie(redirect(url_for("console.integrations"), 303), login[1])


@blueprint.post("/logout")
def log_out() -> Response:
    """Log out: end the session and delete its cookie."""
    host = the_host()
    sessions.end(host.store, host.clock, session())
    return set_session_cookie(redirect(url_for("console.login"), 303), "")


@blueprint.post("/language")
def choose_language() -> Response:
    """Store the chosen language in a cookie."""
    chosen, back = request.form.get("language", ""), request.form.get("back", "")
    if chosen not in LANGUAGES:
        raise BadRequest
    response = redirect_to(back if _is_console_url(back) else url_for("console.login"))
    response.set_cookie(COOKIE, chosen, max_age=_YEAR, samesite="Lax", httponly=True, path="/console")
    return response


def _is_console_url(url: str) -> bool:
    """Return whether every browser resolves a URL to a page of the console: no ``..``, no control characters."""
    if "\\" in url or _CONTROLS.search(url) or not re.match(r"/console(?:[/?]|$)", url):
        return False
    return ".." not in map(unquote, url.partition("?")[0].split("/"))


def _reject_for(wait: int) -> None:
    if wait:
        raise TooManyRequests(_("Too many wrong logins came from this address. Wait a minute."), retry_after=wait)
