"""Internationalization: gettext catalogs, and the formats of money, dates and times.

Texts are English in code and templates; ``translations/<language>.po`` holds a language's translations, which are
compiled at their first use.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_currency
from babel.support import NullTranslations, Translations
from flask import Flask, g, request

from ...contract.timezones import offset_name
from ...store.workspaces import timezone_of
from ..auth import the_host

LANGUAGES = {"en": "English", "fr": "Français"}
COOKIE = "qwoty_language"


def set_up(app: Flask) -> None:
    """Register gettext, the filters for money, dates and times, and the languages for templates."""
    app.jinja_env.add_extension("jinja2.ext.i18n")
    app.jinja_env.install_gettext_callables(gettext, ngettext, newstyle=True)  # type: ignore[attr-defined]
    app.jinja_env.filters.update(money=money, moment=moment, day=day, duration=duration)
    app.jinja_env.globals.update(gettext_language=language, languages=LANGUAGES, of_schema=of_schema)
    app.jinja_env.globals.update(session_timezone=session_timezone)


def language() -> str:
    """Return the language of the cookie, or else the best match of the browser's languages."""
    if "language" not in g:
        chosen = request.cookies.get(COOKIE, "")
        g.language = chosen if chosen in LANGUAGES else request.accept_languages.best_match(LANGUAGES) or "en"
    current: str = g.language
    return current


def gettext(text: str, **variables: Any) -> str:
    """Translate a text into the reader's language, and fill in ``%(name)s``."""
    translation = str(_catalog(language()).ugettext(text))
    return translation % variables if variables else translation


def gettext_noop(text: str) -> str:
    """Return the text unchanged; this marks it for the catalog, and another place translates it."""
    return text


def ngettext(singular: str, plural: str, number: int, **variables: Any) -> str:
    """Translate a text with a number, ``%(num)s``."""
    return str(_catalog(language()).ungettext(singular, plural, number)) % {"num": number, **variables}


def of_schema(part: Mapping[str, Any], name: str) -> str:
    """Return a schema's text (``title``, ``description``) in the reader's language, by its ``x-i18n``."""
    return str(part.get("x-i18n", {}).get(language(), {}).get(name) or part.get(name, ""))


def money(amount: str | Decimal | None, currency: str | None) -> str:
    """Format an amount in major units for the reader's language."""
    if amount is None or not currency:
        return "–"
    return format_currency(Decimal(amount), currency, locale=language())


def moment(when: str | datetime | None) -> str:
    """Format a time to the minute in the workspace's time zone, with its offset."""
    if when is None:
        return "–"
    time = datetime.fromisoformat(when) if isinstance(when, str) else when
    local = time.astimezone(session_timezone() or UTC)
    return f"{format_datetime(local, 'd MMM y, HH:mm', tzinfo=local.tzinfo, locale=language())} {offset_name(local)}"


def session_timezone() -> ZoneInfo | None:
    """Return the time zone of the session's workspace; None without one, or without a session."""
    if "timezone" not in g:
        g.timezone = None
        if g.get("session"):
            with the_host().store.read() as db:
                g.timezone = timezone_of(db, g.session.workspace)
    zone: ZoneInfo | None = g.timezone
    return zone


def day(when: str | date | None) -> str:
    """Format a date."""
    if when is None:
        return "–"
    return format_date(date.fromisoformat(when) if isinstance(when, str) else when, "d MMMM y", locale=language())


def duration(ms: int) -> str:
    """Format a duration."""
    return f"{ms} ms" if ms < 1000 else f"{ms / 1000:.1f} s"


@cache
def _catalog(tag: str) -> NullTranslations:
    if tag == "en":
        return NullTranslations()
    source = files(__package__) / "translations" / f"{tag}.po"
    compiled = BytesIO()
    write_mo(compiled, read_po(BytesIO(source.read_bytes()), locale=tag))
    compiled.seek(0)
    return Translations(compiled)
