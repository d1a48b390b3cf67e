"""What runs recorded, said in a reader's language.

Recorded sentences stay English in the database. A catalog per language (gettext's ``.po``) has them as templates, whose
``{name}`` stands for what was put in; at display a sentence is matched with them, and what they caught is put into the
translation. What matches nothing is shown as recorded.

A plugin's catalogs come with it (``Manifest.translations``), the host's own are in ``translations/``. The kind of an
entry is its ``msgctxt``: ``sentence`` without one, ``step`` and ``state`` for the names of those, or a kind of the
catalog's own.
``{name:kind}`` says that what was put in is of this kind, and is said in the same way. ``{name:money}`` is an amount
such as ``9102.00 EUR``, ``{name:day}`` a day such as ``2026-03-10``, which the language writes in its own way, and
``{name:quoted}`` a name in quotes.
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
#: What stands for a value of these kinds; of any other, whatever the rest of the template leaves.
_CAUGHT = {
    MONEY: r"-?\d+(?:\.\d+)? [A-Z]{3}",
    DAY: r"\d{4}-\d\d-\d\d",
    QUOTED: r"'[^']*'|\"[^\"]*\"",
}
#: Nothing that is recorded as one text is as long; what is, is not looked into.
_LONGEST = 2000
_PLACE = re.compile(r"\{(\w+)(?::(\w+))?\}")
_END_OF_SENTENCE = re.compile(r"(?<=[.!?]) ")


@dataclass(frozen=True, slots=True)
class _Template:
    pattern: re.Pattern[str]
    #: The sentence, with the names of its places alone.
    source: str
    says: str
    kinds: Mapping[str, str]
    #: Characters that must be there word for word: of two templates that fit, the more exact one is meant.
    exactness: int


class Catalog:
    """The sentences of one language, from catalogs in the order in which they count."""

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
        """The text in this language; None when it is not known. Of several sentences each is looked up."""
        if len(text) > _LONGEST:
            return None
        if (known := self._words.get((kind, text))) is not None:
            return known
        for template in self._templates.get(kind, ()):
            if found := template.pattern.fullmatch(text):
                return self._put_in(template, found.groupdict())
        return self._say_each(text) if kind == SENTENCE else None

    def template(self, sentence: str) -> str:
        """What a sentence with ``{name}`` in it is translated to, for a page that shows the sentence itself."""
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
        """An amount or a day, as the language writes it."""
        from babel.dates import format_date  # noqa: PLC0415 - lazy: most commands say nothing in French
        from babel.numbers import format_currency  # noqa: PLC0415

        if kind == DAY:
            return str(format_date(date.fromisoformat(text), "long", locale=self._language))
        number, currency = text.split()
        # An amount that was recorded with more digits than its currency has keeps them.
        return str(format_currency(Decimal(number), currency, locale=self._language, decimal_quantization=False))


class Translations:
    """The languages of one host and its plugins; each catalog is read when it is first needed."""

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins
        self._catalogs: dict[tuple[str, str], Catalog] = {}

    def say(self, text: str, language: str, plugin: str, *, kind: str = SENTENCE) -> str:
        """Something that a plugin, or the host about its run, has recorded; as it is where nobody translated it."""
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
        # A plugin's catalog that cannot be read must not take the pages with it.
        log.exception("translations.not_read", extra={"plugin": plugin, "language": language})
        return Catalog(language, *sources[-1:]) if plugin else Catalog(language)


def _entries(source: bytes) -> Iterator[tuple[str, str, str]]:
    """The kind, the sentence and its translation, of what is translated."""
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
