"""Logging in and out, and choosing a language."""

from __future__ import annotations

import re
from urllib.parse import unquote

from flask import make_response, redirect, render_template, request, url_for
from werkzeug.exceptions import BadRequest, TooManyRequests
from werkzeug.wrappers import Response

from .. import sessions
from ..auth import the_host, wrong_keys
from ..throttle import Kind
from .guard import blueprint, go_to, let_browser_keep, page_of_error, session
from .words import COOKIE, LANGUAGES
from .words import gettext as _

_YEAR = 365 * 24 * 3600
#: What no address holds; a browser leaves some of them out, and no header takes the others.
_CONTROLS = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@blueprint.get("/login")
def login() -> str:
    """Say how to log in."""
    return render_template("console/login.html", workspace="", wrong=False)


@blueprint.post("/login")
def log_in() -> Response:
    """Log in by a password."""
    host, workspace = the_host(), request.form.get("workspace", "").strip()[:64]
    # A password can be guessed, unlike a key: whoever was wrong too often is not even compared.
    tries = ((Kind.PASSWORD, request.remote_addr or ""), (Kind.WORKSPACE, workspace))
    _refuse_for(max(wrong_keys().wait(*one) for one in tries))
    found = sessions.log_in(host.store, host.clock, workspace, request.form.get("password", ""))
    if found is None:
        _refuse_for(max(wrong_keys().note(*one) for one in tries))
        return make_response(render_template("console/login.html", workspace=workspace, wrong=True), 422)
    return let_browser_keep(redirect(url_for("console.integrations"), 303), found[1])


@blueprint.get("/login/<token>")
def show_link(token: str) -> str:
    """Ask for a click: whatever looks at a link before a person does, such as a mail scanner, does not use it up."""
    return render_template("console/login_link.html")


@blueprint.post("/login/<token>")
def follow_link(token: str) -> Response:
    """Log in by a link, which works once."""
    host = the_host()
    found = sessions.follow_link(host.store, host.clock, token)
    if found is None:
        _refuse_for(wrong_keys().note(Kind.LOGIN_LINK, request.remote_addr or ""))
        title = _("This login link does not work any more.")
        return page_of_error(
            403, title, _("Each works once, within 15 minutes. Ask the host's operator for a new one.")
        )
    return let_browser_keep(redirect(url_for("console.integrations"), 303), found[1])


@blueprint.post("/logout")
def log_out() -> Response:
    """End the session, here and on the host."""
    host = the_host()
    sessions.end(host.store, host.clock, session())
    return let_browser_keep(redirect(url_for("console.login"), 303), "")


@blueprint.post("/language")
def choose_language() -> Response:
    """Remember a language."""
    chosen, back = request.form.get("language", ""), request.form.get("back", "")
    if chosen not in LANGUAGES:
        raise BadRequest
    answer = go_to(back if _is_page(back) else url_for("console.login"))
    answer.set_cookie(COOKIE, chosen, max_age=_YEAR, samesite="Lax", httponly=True, path="/console")
    return answer


def _is_page(address: str) -> bool:
    """Whether it leads to a page of the console, whatever a browser makes of it: no dots that lead out, no controls."""
    if "\\" in address or _CONTROLS.search(address) or not re.match(r"/console(?:[/?]|$)", address):
        return False
    return ".." not in map(unquote, address.partition("?")[0].split("/"))


def _refuse_for(wait: int) -> None:
    if wait:
        raise TooManyRequests(_("Too many wrong logins came from this address. Wait a minute."), retry_after=wait)
