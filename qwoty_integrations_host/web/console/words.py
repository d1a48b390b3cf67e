"""The console's languages: gettext catalogs, compiled when they are first used, and how money and times are written.

A text is English in code and templates; ``translations/<language>.po`` says it in another language.
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
    """Let templates translate, and write money and times."""
    app.jinja_env.add_extension("jinja2.ext.i18n")
    app.jinja_env.install_gettext_callables(gettext, ngettext, newstyle=True)  # type: ignore[attr-defined]
    app.jinja_env.filters.update(money=money, moment=moment, day=day, duration=duration)
    app.jinja_env.globals.update(gettext_language=language, languages=LANGUAGES, of_schema=of_schema)
    app.jinja_env.globals.update(session_timezone=session_timezone)


def language() -> str:
    """What the reader chose, or else what the browser asks for."""
    if "language" not in g:
        chosen = request.cookies.get(COOKIE, "")
        g.language = chosen if chosen in LANGUAGES else request.accept_languages.best_match(LANGUAGES) or "en"
    found: str = g.language
    return found


def gettext(text: str, **facts: Any) -> str:
    """The text in the reader's language; ``%(name)s`` is put in."""
    found = str(_catalog(language()).ugettext(text))
    return found % facts if facts else found


def ngettext(one: str, many: str, number: int, **facts: Any) -> str:
    """The same for a number of things."""
    return str(_catalog(language()).ungettext(one, many, number)) % {"num": number, **facts}


def of_schema(part: Mapping[str, Any], name: str) -> str:
    """A word of a plugin's schema (``title``, ``description``) in the reader's language, by its ``x-i18n``."""
    return str(part.get("x-i18n", {}).get(language(), {}).get(name) or part.get(name, ""))


def money(amount: str | Decimal | None, currency: str | None) -> str:
    """An amount in major units, as the reader's language writes it."""
    if amount is None or not currency:
        return "–"
    return format_currency(Decimal(amount), currency, locale=language())


def moment(when: str | datetime | None) -> str:
    """A time to the minute, in the workspace's time zone, with its offset spelt out."""
    if when is None:
        return "–"
    found = datetime.fromisoformat(when) if isinstance(when, str) else when
    here = found.astimezone(session_timezone() or UTC)
    return f"{format_datetime(here, 'd MMM y, HH:mm', tzinfo=here.tzinfo, locale=language())} {offset_name(here)}"


def session_timezone() -> ZoneInfo | None:
    """The time zone of the workspace that is looked at; None when none is set, or nobody is logged in."""
    if "timezone" not in g:
        g.timezone = None
        if g.get("session"):
            with the_host().store.read() as db:
                g.timezone = timezone_of(db, g.session.workspace)
    found: ZoneInfo | None = g.timezone
    return found


def day(when: str | date | None) -> str:
    """A day."""
    if when is None:
        return "–"
    return format_date(date.fromisoformat(when) if isinstance(when, str) else when, "d MMMM y", locale=language())


def duration(ms: int) -> str:
    """How long something took."""
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
