"""Countries as people write them, read as ISO 3166-1 codes."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict

import pytest
from babel import Locale

from qwoty_integrations_host import country_code
from qwoty_integrations_host.contract.countries import _codes, _folded, _territories


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *[("FR", "FR"), ("fr", "FR"), (" fr ", "FR"), ("FRA", "FR"), ("deu", "DE"), ("XK", "XK")],
        *[("France", "FR"), ("FRANCE", "FR"), ("la France", "FR"), ("Deutschland", "DE"), ("Allemagne", "DE")],
        *[("UK", "GB"), ("U.K.", "GB"), ("GBR", "GB"), ("Great Britain", "GB"), ("England", "GB")],
        *[("Royaume-Uni", "GB"), ("royaume uni", "GB"), ("Großbritannien", "GB"), ("Grossbritannien", "GB")],
        *[("EL", "GR"), ("GR", "GR"), ("Greece", "GR"), ("Ελλάδα", "GR"), ("ΕΛΛΑΔΑ", "GR"), ("Hellas", "GR")],
        *[("USA", "US"), ("U.S.A.", "US"), ("U.S.", "US"), ("United States of America", "US"), ("États-Unis", "US")],
        *[("etats unis", "US"), ("Les États-Unis", "US"), ("Estados Unidos", "US"), ("The United States", "US")],
        *[("The Netherlands", "NL"), ("Netherlands", "NL"), ("Holland", "NL"), ("Pays-Bas", "NL"), ("Nederland", "NL")],
        *[("Turkey", "TR"), ("Türkiye", "TR"), ("Turkiye", "TR"), ("Turquie", "TR"), ("Türkei", "TR")],
        *[("Tuerkei", "TR"), ("Oesterreich", "AT"), ("Österreich", "AT"), ("Autriche", "AT"), ("Frankreich", "FR")],
        *[("Hong Kong", "HK"), ("Hong-Kong", "HK"), ("Hong Kong SAR", "HK"), ("Macau", "MO"), ("Macao", "MO")],
        *[("Czech Republic", "CZ"), ("Czechia", "CZ"), ("Tchéquie", "CZ"), ("République tchèque", "CZ")],
        *[
            ("Ivory Coast", "CI"),
            ("Côte d'Ivoire", "CI"),
            ("Côte d’Ivoire", "CI"),
            ("l'Italie", "IT"),
            ("l’Italie", "IT"),
        ],
        *[("Bosnia and Herzegovina", "BA"), ("Bosnia & Herzegovina", "BA"), ("Saint Lucia", "LC"), ("St. Lucia", "LC")],
        *[("South Korea", "KR"), ("Republic of Korea", "KR"), ("Korea, Republic of", "KR"), ("Viet Nam", "VN")],
        *[("Taiwan, Province of China", "TW"), ("Iran, Islamic Republic of", "IR"), ("Russian Federation", "RU")],
        *[("La Réunion", "RE"), ("Réunion", "RE"), ("Guadeloupe", "GP"), ("Monaco", "MC"), ("Schweiz", "CH")],
        *[("Niger", "NE"), ("Nigeria", "NG"), ("Dominica", "DM"), ("Dominican Republic", "DO"), ("Ireland", "IE")],
        *[
            ("España", "ES"),
            ("Polska", "PL"),
            ("Россия", "RU"),
            ("日本", "JP"),
            ("德國", "DE"),
            ("भारत", "IN"),
            ("مصر", "EG"),
        ],
    ],
)
def test_a_country_is_read_from_its_code_and_from_its_names(text: str, code: str) -> None:
    assert country_code(text) == code


@pytest.mark.parametrize(
    "text",
    [
        *(None, "", "  ", ".", "EU", "eu", "UN", "XX", "ZZ", "QO", "XA", "XXX", "ZZZ", "F", "CT", "MI", "250"),
        *("European Union", "Atlantis", "Korea", "SUN", "Yugoslavia", "France / Belgique", "x" * 10_000),
    ],
)
def test_an_unknown_or_ambiguous_country_is_not_guessed(text: str | None) -> None:
    assert country_code(text) is None


@pytest.mark.parametrize("language", ["en", "fr", "de", "es", "it", "nl", "pt", "pl", "tr", "el", "sv"])
def test_every_country_is_read_from_its_name_in_the_languages_of_quotes(language: str) -> None:
    names = Locale(language).territories
    unread = {names[code] for code in _codes() if country_code(names[code]) != code}

    assert unread <= {"Kongo"}  # Congo in Polish, the other Congo in Norwegian


def test_a_name_of_two_countries_means_one_of_them_or_none() -> None:
    meant: defaultdict[str, set[str]] = defaultdict(set)
    written: dict[str, str] = {}
    for _, names in _territories():
        for code in names.keys() & _codes():
            meant[_folded(names[code])].add(code)
            written[_folded(names[code])] = names[code]
    doubtful = {name: country_code(written[name]) for name, countries in meant.items() if len(countries) > 1}

    assert {name: doubtful[name] for name in ("malawi", "kongo", "toga", "lusia")} == {
        "malawi": "MW",  # English; in Toki Pona, it is Latvia
        "kongo": None,
        "toga": None,
        "lusia": None,
    }
    assert all(code is None or code in meant[name] for name, code in doubtful.items())


def test_codes_and_plain_names_are_read_without_reading_every_language() -> None:
    program = """
from qwoty_integrations_host.contract import countries
assert [countries.country_code(text) for text in ("FR", "uk", "Turkey", "Allemagne", "XX", "EU")] == ["FR", "GB", "TR", "DE", None, None]
print(countries._everywhere.cache_info().currsize)
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)

    assert found.stdout == "0\n"
