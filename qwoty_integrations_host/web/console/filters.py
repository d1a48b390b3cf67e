"""Template filters: labels, tones and symbols of states, kinds and actions; color is never the only mark."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from flask import Flask
from markupsafe import Markup, escape

from ...plugins.catalogs import STATE, STEP
from ...plugins.settings_migrations import UNFIT
from ...quotes.run import UNFINISHED, RunKind, RunStatus, StepStatus, lacks_something
from ...workspaces.connection_status import ConnectionStatus
from ..auth import the_host
from .i18n import gettext, language
from .i18n import gettext_noop as _

_CODE = re.compile(r"`([^`]+)`")
_GOOD, _BUSY, _ATTENTION, _BAD, _QUIET = "good", "busy", "attention", "bad", "quiet"
_SYMBOLS = {_GOOD: "✓", _BUSY: "◌", _ATTENTION: "!", _BAD: "✕", _QUIET: "–"}
_TONES = {
    "nothing_open": _GOOD,
    **dict.fromkeys((RunStatus.SUCCEEDED, "paid", "on", "ok", "loaded", "allowed", "sent_mail", "verified"), _GOOD),
    **dict.fromkeys((*UNFINISHED, StepStatus.RETRYING, "processing", "sent", "open"), _BUSY),
    **dict.fromkeys(("without_invoice", "not_done"), _ATTENTION),
    **dict.fromkeys(
        (
            RunStatus.NEEDS_ATTENTION,
            "on_untested",
            ConnectionStatus.SETTINGS_INCOMPLETE,
            "partially_paid",
            "unpaid",
            "expired",
            "linked",
            "missing",
            ConnectionStatus.UNREACHABLE,
        ),
        _ATTENTION,
    ),
    **dict.fromkeys(
        (RunStatus.FAILED, "load_failed", "refused", "incompatible", "uncollectible", "refused_delivery"), _BAD
    ),
}

# -- labels: `_` marks them for the catalog, and they are translated when they are shown ----------------

#: The labels of states.
_STATES: Mapping[str, str] = {
    RunStatus.QUEUED: _("Queued"),
    RunStatus.RUNNING: _("Running"),
    StepStatus.RETRYING: _("Trying again"),
    RunStatus.WAITING: _("Waiting"),
    RunStatus.SUCCEEDED: _("Succeeded"),
    RunStatus.SKIPPED: _("Nothing to do"),
    "without_invoice": _("No invoice"),
    "not_done": _("Not done"),
    RunStatus.NEEDS_ATTENTION: _("Needs attention"),
    RunStatus.FAILED: _("Failed"),
    RunStatus.DISMISSED: _("Dismissed"),
    "open_runs": _("A person is needed"),
    "draft": _("Draft"),
    "open": _("Open"),
    "unpaid": _("Unpaid"),
    "processing": _("Payment in progress"),
    "partially_paid": _("Partially paid"),
    "paid": _("Paid"),
    "void": _("Void"),
    "uncollectible": _("Uncollectible"),
    "scheduled": _("Scheduled"),
    "sent": _("Link sent"),
    "linked": _("Link made, mail not sent"),
    "expired": _("Link expired"),
    "closed": _("Closed"),
    "on": _("On"),
    "nothing_open": _("On, nothing is open"),
    "on_untested": _("On, not tested"),
    ConnectionStatus.SETTINGS_INCOMPLETE: _("Settings incomplete"),
    "off": _("Off"),
    "incompatible": _("Failed to load"),
    "blocked": _("Blocked"),
    "ok": _("Works"),
    "missing": _("Missing"),
    "allowed": _("Allowed"),
    "unclear": _("Unclear"),
    "refused": _("Refused"),
    ConnectionStatus.UNREACHABLE: _("Not reachable"),
    ConnectionStatus.UNTESTED: _("Not tested"),
    "sending": _("Leaving"),
    "sent_mail": _("Sent"),
    "load_failed": _("Failed to load"),
    "verified": _("Verified"),
    "refused_delivery": _("Refused"),
}
#: The labels of the filters for deliveries.
_RESULTS: Mapping[str, str] = {
    "received": _("All received"),
    "verified": _("Verified ones"),
    "duplicate": _("Duplicates"),
    "refused": _("Refused ones"),
}
#: The labels of the reasons why a delivery was rejected.
_REJECTIONS: Mapping[str, str] = {
    "wrong_signature": _("Wrong signature"),
    "wrong_time": _("Too old, or a clock is wrong"),
    "no_event": _("Not an event"),
    "unknown_address": _("Unknown address"),
    "plugin_not_loaded": _("The integration was not loaded"),
    "plugin_bug": _("The integration failed"),
    **dict.fromkeys(UNFIT, _("Settings incomplete")),
    "database_unavailable": _("The host could not work"),
}
#: The labels of a service's modes.
_MODES: Mapping[str, str] = {"test": _("test mode"), "live": _("live mode")}
#: The labels of the kinds of runs.
_KINDS: Mapping[str, str] = {
    RunKind.QUOTE_ACCEPTED: _("Quote accepted"),
    RunKind.INSTALLMENT: _("Installment"),
    RunKind.WEBHOOK: _("Webhook"),
    RunKind.UNDO: _("Undo"),
    RunKind.CANCEL: _("Quote cancelled"),
    RunKind.VOID: _("Void the invoice"),
    RunKind.UPKEEP: _("Upkeep"),
    RunKind.PLATFORM_EVENT: _("Fetch the quote"),
}
#: The labels of the actions in the audit log.
_ACTIONS: Mapping[str, str] = {
    "settings.saved": _("Settings saved"),
    "integration.enabled": _("Integration switched on"),
    "integration.disabled": _("Integration switched off"),
    "api_key.made": _("API key made"),
    "api_key.revoked": _("API key revoked"),
    "run.retried": _("Run tried again"),
    "quote.run": _("Quote run"),
    "quote.dismissed": _("Quote dismissed"),
    "run.undone": _("Undo asked for"),
    "quote.cancelled": _("Quote cancelled"),
    "invoice.voided": _("Voiding asked for"),
    "run.dismissed": _("Run dismissed"),
    "installment.asked_for": _("Installment asked for"),
    "workspace.set": _("Workspace set"),
    "platform.set": _("Platform set"),
    "platform.removed": _("Platform removed"),
    "signing_secret.added": _("Signing secret added"),
    "signing_secret.removed": _("Signing secret removed"),
    "alerts.set": _("Alerts set"),
    "login_link.made": _("Login link made"),
    "session.began": _("Logged in"),
    "session.ended": _("Logged out"),
    "session.revoked": _("Session revoked"),
    "password.set": _("Password set"),
    "password.removed": _("Password removed"),
}
#: The labels of the subjects in the audit log that are no ids.
_SUBJECTS: Mapping[str, str] = {
    "by a link": _("by a link"),
    "by a password": _("by a password"),
    "admin": _("Admin"),
    "viewer": _("Viewer"),
}


def set_up(app: Flask) -> None:
    """Register the filters for templates."""
    app.jinja_env.globals.update(symbols=_SYMBOLS)
    filters = (tone, symbol, state, status, result, rejection, mode, kind, action, subject, translated, standing, step)
    app.jinja_env.filters.update({one.__name__: one for one in filters}, plugin=plugin_title)


def tone(word: str) -> str:
    """Return a state's CSS class: good, busy, attention, bad or quiet."""
    return _TONES.get(word, _QUIET)


def symbol(word: str) -> str:
    """Return a state's symbol."""
    return _SYMBOLS[tone(word)]


def state(run: Mapping[str, Any]) -> str:
    """Return a run's status; of a run that lacked something, ``without_invoice`` or ``not_done``."""
    if not lacks_something(run["kind"], run["status"], run["error"]):
        return str(run["status"])
    return "without_invoice" if run["plugin"] in the_host().plugins.makers() else "not_done"


def status(word: str) -> str:
    """Return the label of a state; an unknown state unchanged."""
    return _label(_STATES, word)


def result(word: str) -> str:
    """Return the label of a filter for deliveries."""
    return gettext(_RESULTS[word])


def rejection(reason: str) -> str:
    """Return why a delivery was rejected; for an unknown reason just that it was."""
    return gettext(_REJECTIONS.get(reason, _("Refused")))


def mode(word: str) -> str:
    """Return the label of a service's mode: test or live."""
    return _label(_MODES, word)


def kind(word: str) -> str:
    """Return the label of a run's kind."""
    return _label(_KINDS, word)


def action(word: str) -> str:
    """Return the label of an action in the audit log."""
    return _label(_ACTIONS, word)


def subject(word: str) -> str:
    """Return the label of an action's subject in the audit log; an id unchanged."""
    return gettext(_SUBJECTS[word]) if word in _SUBJECTS else plugin_title(word)


def translated(text: str, plugin: str = "") -> Markup:
    """Translate a recorded sentence into the reader's language, with `commands` as code."""
    translation = the_host().catalogs.say(text, language(), plugin)
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(translation))))  # noqa: S704 - escaped right here


def standing(label: str) -> str:
    """Translate the label of a quote's standing."""
    return the_host().catalogs.say(label, language(), "", kind=STATE)


def step(name: str, plugin: str) -> str:
    """Translate a step's name; return it unchanged without a translation."""
    return the_host().catalogs.say(name, language(), plugin, kind=STEP)


def plugin_title(plugin_id: str) -> str:
    """Return a plugin's title, or its id while it is not loaded."""
    plugins = the_host().plugins
    return plugins.manifest(plugin_id).title if plugins.is_loaded(plugin_id) else plugin_id


def _label(labels: Mapping[str, str], word: str) -> str:
    """Return the label of a word in the reader's language; a word without one unchanged."""
    return gettext(labels[word]) if word in labels else word
