"""Translates what runs recorded into a reader's language.

Recorded sentences are English. A catalog per language (gettext's ``.po``) has them as templates with places such as
``{name}``. To show a sentence, it is matched with the templates, and the values found are put into the translation.
A sentence without a match is shown as recorded.

Plugins bring their catalogs (``Manifest.translations``); the host's are in ``translations/``. The kind of an entry is
its ``msgctxt``: ``sentence`` by default, ``step`` and ``state`` for names of those, or a kind of the catalog's own.
``{name:kind}`` marks a value of that kind, which is translated, too. ``{name:money}`` is an amount (``9102.00 EUR``)
and ``{name:day}`` a day (``2026-03-10``), both formatted for the language; ``{name:quoted}`` is a name in quotes.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from importlib.resources import files
from importlib.resources.abc import Traversable
from io import BytesIO

from .manager import Plugins

log = logging.getLogger(__name__)

SENTENCE, STEP, STATE, MONEY, DAY, QUOTED = "sentence", "step", "state", "money", "day", "quoted"
#: The pattern of a value of these kinds. A value of another kind is whatever the rest of the template leaves.
_CAUGHT = {
    MONEY: r"-?\d+(?:\.\d+)? [A-Z]{3}",
    DAY: r"\d{4}-\d\d-\d\d",
    QUOTED: r"'[^']*'|\"[^\"]*\"",
}
#: A longer text is not translated; no recorded text is as long.
_LONGEST = 2000
_PLACE = re.compile(r"\{(\w+)(?::(\w+))?\}")
_END_OF_SENTENCE = re.compile(r"(?<=[.!?]) ")


@dataclass(frozen=True, slots=True)
class _Template:
    pattern: re.Pattern[str]
    #: The sentence, with its places reduced to their names.
    source: str
    says: str
    kinds: Mapping[str, str]
    #: The number of literal characters. Of two templates that match, the more exact one is used.
    exactness: int


class Catalog:
    """The sentences of one language, from one or more catalogs; an earlier catalog takes precedence."""

    def __init__(self, language: str, *sources: bytes) -> None:
        self._language = language
        self._words: dict[tuple[str, str], str] = {}
        self._templates: dict[str, list[_Template]] = {}
        for source in sources:
            for kind, sentence, says in _entries(source):
                if _PLACE.search(sentence):
                    self._templates.setdefault(kind, []).append(_template(sentence, says))
                else:
                    self._words.setdefault((kind, sentence), says)
        for templates in self._templates.values():
            templates.sort(key=lambda one: -one.exactness)

    def say(self, text: str, kind: str = SENTENCE) -> str | None:
        """Return the text in this language, or None when it has no translation. Sentences are translated one by one."""
        if len(text) > _LONGEST:
            return None
        if (known := self._words.get((kind, text))) is not None:
            return known
        for template in self._templates.get(kind, ()):
            if found := template.pattern.fullmatch(text):
                return self._put_in(template, found.groupdict())
        return self._say_each(text) if kind == SENTENCE else None

    def template(self, sentence: str) -> str:
        """Return the translation of a template, with its places, for a page that shows the template itself."""
        plain = _PLACE.sub(r"{\1}", sentence)
        found = (one.says for one in self._templates.get(SENTENCE, ()) if one.source == plain)
        return next(found, None) or self._words.get((SENTENCE, sentence), sentence)

    def _say_each(self, text: str) -> str | None:
        for end in _END_OF_SENTENCE.finditer(text):
            first, rest = text[: end.start()], text[end.end() :]
            if (said := self.say(first)) is not None:
                return f"{said} {self.say(rest) or rest}"
        return None

    def _put_in(self, template: _Template, values: Mapping[str, str]) -> str:
        def value(place: re.Match[str]) -> str:
            found, kind = values[place[1]], template.kinds[place[1]]
            if kind in {MONEY, DAY}:
                return self._written(found, kind)
            return (kind and self.say(found, kind)) or found

        return _PLACE.sub(value, template.says)

    def _written(self, text: str, kind: str) -> str:
        """Return an amount or a day in the format of the language."""
        from babel.dates import format_date  # noqa: PLC0415 - lazy: most commands need no translation
        from babel.numbers import format_currency  # noqa: PLC0415

        if kind == DAY:
            return str(format_date(date.fromisoformat(text), "long", locale=self._language))
        number, currency = text.split()
        # An amount that was recorded with more decimals than its currency has keeps them.
        return str(format_currency(Decimal(number), currency, locale=self._language, decimal_quantization=False))


class Catalogs:
    """The catalogs of one host and its plugins; each is read when it is first needed."""

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins
        self._catalogs: dict[tuple[str, str], Catalog] = {}

    def say(self, text: str, language: str, plugin: str, *, kind: str = SENTENCE) -> str:
        """Return the translation of a text that the plugin, or the host for it, recorded; else the text itself."""
        return self._catalog(language, plugin).say(text, kind) or text

    def _catalog(self, language: str, plugin: str) -> Catalog:
        place = (language, plugin if self._plugins.is_loaded(plugin) else "")
        if place not in self._catalogs:
            own = [self._plugins.manifest(place[1]).translations] if place[1] else []
            folders = [
                folder for folder in (*own, files(__package__.partition(".")[0]) / "translations") if folder is not None
            ]
            self._catalogs[place] = _read(language, folders, place[1])
        return self._catalogs[place]


def _read(language: str, folders: list[Traversable], plugin: str) -> Catalog:
    sources = [file.read_bytes() for folder in folders if (file := folder / f"{language}.po").is_file()]
    try:
        return Catalog(language, *sources)
    except Exception:
        # A broken catalog of a plugin must not break the pages.
        log.exception("translations.not_read", extra={"plugin": plugin, "language": language})
        return Catalog(language, *sources[-1:]) if plugin else Catalog(language)


def _entries(source: bytes) -> Iterator[tuple[str, str, str]]:
    """Yield kind, sentence and translation of each translated entry."""
    from babel.messages.pofile import read_po  # noqa: PLC0415 - lazy, as above

    for message in read_po(BytesIO(source), abort_invalid=True):
        if message.id and message.string and isinstance(message.id, str):
            yield str(message.context or SENTENCE), message.id, str(message.string)


def _template(sentence: str, says: str) -> _Template:
    kinds = {name: kind or "" for name, kind in _PLACE.findall(sentence)}
    pieces, begin = [], 0
    for place in _PLACE.finditer(sentence):
        pieces.append(re.escape(sentence[begin : place.start()]))
        pieces.append(f"(?P<{place[1]}>{_CAUGHT.get(place[2], '.+?')})")
        begin = place.end()
    pieces.append(re.escape(sentence[begin:]))
    exactness = len(_PLACE.sub("", sentence))
    return _Template(re.compile("".join(pieces), re.DOTALL), _PLACE.sub(r"{\1}", sentence), says, kinds, exactness)
