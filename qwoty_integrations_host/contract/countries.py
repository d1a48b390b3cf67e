"""Country names and codes, so that each country in a quote is read in the same way.

Names in all languages and ISO 3166-1 codes come from Babel (CLDR). ``_ALSO`` has further names that people write.
"""

from __future__ import annotations

import pickle
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, lru_cache
from pathlib import Path

#: Two-letter codes of CLDR that are not countries of ISO 3166-1: regions, unions, reservations and tests.
_NO_COUNTRIES = frozenset("AC CP CQ DG EA EU EZ IC QO TA UN XA XB ZZ".split())
#: No country's name is longer.
_LONGEST = 120
_ARTICLE = re.compile(r"(?:the|la|le|les|die)\s+|l['’]", re.IGNORECASE)

_ALSO = {
    "AE": "UAE, Emirates",
    "BN": "Brunei Darussalam",
    "BO": "Plurinational State of Bolivia",
    "CD": "DRC, DR Congo, Democratic Republic of the Congo, République démocratique du Congo",
    "CG": "Republic of the Congo, République du Congo",
    "CI": "Ivory Coast",
    "CN": "PRC, P.R. China, People's Republic of China, Mainland China",
    "CV": "Cabo Verde",
    "CZ": "Czech Republic, République tchèque",
    "DE": "Federal Republic of Germany, Bundesrepublik Deutschland",
    "ES": "Kingdom of Spain",
    "FM": "Federated States of Micronesia",
    "FR": "French Republic, République française, Metropolitan France, France métropolitaine",
    "GB": "UK, Great Britain, Britain, Grande-Bretagne, Großbritannien, Gran Bretaña, Gran Bretagna, Groot-Brittannië, "
    "Grã-Bretanha, England, Angleterre, Scotland, Wales, Northern Ireland, "
    "United Kingdom of Great Britain and Northern Ireland",
    "GR": "EL, Hellas, Hellenic Republic",
    "HK": "Hong Kong, Hong Kong SAR, 香港",
    "IE": "Republic of Ireland",
    "IR": "Islamic Republic of Iran",
    "KP": "DPRK, Democratic People's Republic of Korea",
    "KR": "Republic of Korea, République de Corée",
    "LA": "Lao People's Democratic Republic",
    "MD": "Republic of Moldova",
    "MK": "Macedonia, Republic of North Macedonia",
    "MM": "Myanmar, Burma, Birmanie",
    "MO": "Macao, Macau, Macao SAR",
    "NL": "Holland, Hollande, Kingdom of the Netherlands",
    "PS": "Palestine, State of Palestine",
    "RU": "Russian Federation, Fédération de Russie",
    "SA": "KSA, Kingdom of Saudi Arabia",
    "SK": "Slovak Republic",
    "SY": "Syrian Arab Republic",
    "SZ": "Swaziland",
    "TL": "East Timor",
    "TR": "Turkey, Republic of Türkiye",
    "TW": "Taiwan Province of China, Province of China Taiwan",
    "TZ": "United Republic of Tanzania",
    "US": "United States of America, EE. UU., États-Unis d'Amérique, Vereinigte Staaten von Amerika, "
    "Estados Unidos de América, Stati Uniti d'America",
    "VA": "Vatican, Holy See, Saint-Siège",
    "VE": "Bolivarian Republic of Venezuela",
    "VN": "Socialist Republic of Vietnam",
}


def country_code(text: str | None) -> str | None:
    """Return the two-letter code of a country, from its code (ISO 3166-1) or its name in any language.

    Case, accents, blanks and punctuation do not matter. Return None for a text that is not a country (``EU``, ``XX``).
    Also return None for a name that means two countries in two languages, unless one reading is preferred: it is
    English, French or in ``_ALSO`` (``UK``, ``Holland``), or its language is an official one of that country only.
    """
    text = (text or "").strip()
    return _read(text) if 0 < len(text) <= _LONGEST else None


@lru_cache(maxsize=1024)
def _read(text: str) -> str | None:
    written = list(dict.fromkeys(_spellings(text)))
    if found := _first(written, _plain()):
        return found
    # A text of two letters is a code, and this code is unknown. There is no need to read the names of all languages.
    return None if text.isascii() and len(written[0]) <= 2 else _first(written, _everywhere())


def _first(written: Iterable[str], names: Mapping[str, str]) -> str | None:
    return next((names[name] for name in written if name in names), None)


def _spellings(text: str) -> Iterator[str]:
    """Yield the text in several forms: as it is, without an article, without a comma, and with ``ü`` for ``ue``."""
    yield _folded(text)
    yield _folded(text[article.end() if (article := _ARTICLE.match(text)) else 0 :])
    name, comma, title = text.partition(",")
    if comma:
        yield _folded(f"{title} {name}")
    yield re.sub("([aou])e", r"\1", _folded(text))


def _folded(text: str) -> str:
    """Return the letters and digits without case and accents; ``&`` becomes ``and``, ``St.`` becomes ``Saint``."""
    text = unicodedata.normalize("NFKD", re.sub(r"\bst\b", "saint", text.replace("&", " and ").casefold()))
    return "".join(filter(_counts, text))


def _counts(letter: str) -> bool:
    # Leave out the marks above and below letters, the accents of Latin, Greek and Cyrillic. Other marks are letters.
    return letter.isalnum() or (unicodedata.category(letter)[0] == "M" and unicodedata.combining(letter) < 200)


@cache
def _codes() -> frozenset[str]:
    from babel import Locale  # noqa: PLC0415 - lazy: most commands ask for no country

    return frozenset(code for code in map(str, Locale("en").territories) if len(code) == 2) - _NO_COUNTRIES


@cache
def _plain() -> Mapping[str, str]:
    """Return country codes by code, by English and French name, and by the names in ``_ALSO``; all of them folded.

    These readings take precedence over those of other languages.
    """
    from babel import Locale  # noqa: PLC0415 - lazy, as above
    from babel.core import get_global  # noqa: PLC0415

    # Leave out aliases of two letters. CT and MI, for example, are codes of islands only in old lists.
    aliases = get_global("territory_aliases")
    three = {old: new for old, (new, *more) in aliases.items() if len(old) == 3 and old.isalpha() and not more}
    codes = {code: code for code in _codes()} | {old: new for old, new in three.items() if new in _codes()}
    french, english = ({name: code for code, name in Locale(one).territories.items()} for one in ("fr", "en"))
    named = {name: code for name, code in (french | english).items() if code in _codes()}
    also = {name: code for code, names in _ALSO.items() for name in names.split(",")}
    return {_folded(name): code for name, code in (codes | named | also).items()}


@cache
def _everywhere() -> Mapping[str, str]:
    """Return country codes by name in all languages, for names that mean one country. The first call takes 0.5 s."""
    from babel.languages import get_official_languages  # noqa: PLC0415 - lazy, as above

    meant: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for language, names in _territories():
        for code in names.keys() & _codes():
            meant[_folded(names[code])][code].add(language)

    def native(code: str, languages: set[str]) -> bool:
        official = get_official_languages(code, de_facto=True)
        return bool(languages & {spoken.split("_")[0] for spoken in official})

    found = {}
    for name, countries in meant.items():
        plain = countries if len(countries) == 1 else [code for code in countries if native(code, countries[code])]
        if len(plain) == 1:
            (found[name],) = plain
    return found


def _territories() -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield each language of Babel with its names of territories.

    Babel caches what it reads (150 MB), so its files are read here, one at a time.
    """
    from babel import localedata  # noqa: PLC0415 - lazy, as above

    for locale in localedata.locale_identifiers():
        file = Path(localedata.resolve_locale_filename(locale))
        yield locale.split("_")[0], pickle.loads(file.read_bytes()).get("territories", {})  # noqa: S301 - Babel's own
