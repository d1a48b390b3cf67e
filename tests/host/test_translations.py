"""Recorded sentences in the reader's language: matched with templates, combined, or shown unchanged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qwoty_integrations_host.plugins.catalogs import STEP, Catalog, Catalogs

PO = """
msgid ""
msgstr "Content-Type: text/plain; charset=utf-8\\n"

msgid "Nothing was sent."
msgstr "Rien n’a été envoyé."

msgid "Invoice {invoice} is {status:state}."
msgstr "La facture {invoice} est {status}."

msgid "Invoice {invoice} is {status:state} already."
msgstr "La facture {invoice} est déjà {status}."

msgid "On {day:day} {amount:money} of {total:money} were paid by {name:quoted}."
msgstr "{name} a payé {amount} sur {total} le {day}."

msgid "It waits: {why:sentence} It goes on."
msgstr "En attente : {why} Reprise."

msgctxt "state"
msgid "open"
msgstr "ouverte"

msgctxt "step"
msgid "send:{number}"
msgstr "Envoi {number}"
"""


@pytest.fixture
def french() -> Catalog:
    return Catalog("fr", PO.encode())


@pytest.mark.parametrize(
    ("recorded", "said"),
    [
        ("Nothing was sent.", "Rien n’a été envoyé."),
        ("Invoice in_1 is open.", "La facture in_1 est ouverte."),
        ("Invoice in_1 is odd.", "La facture in_1 est odd."),
        ("Invoice open is open already.", "La facture open est déjà ouverte."),
        (
            "On 2026-03-10 1234.50 EUR of 2000.00 EUR were paid by 'A of B'.",
            "'A of B' a payé 1\u202f234,50\xa0€ sur 2\u202f000,00\xa0€ le 10 mars 2026.",
        ),
        ("Nothing was sent. Invoice in_1 is open.", "Rien n’a été envoyé. La facture in_1 est ouverte."),
        ("Nothing was sent. Nobody knows.", "Rien n’a été envoyé. Nobody knows."),
        ("It waits: Nothing was sent. It goes on.", "En attente : Rien n’a été envoyé. Reprise."),
        ("Nothing was sent", None),
        ("On a day 12 EUR of 2 EUR were paid by him.", None),
        ("send:1", None),
        ("", None),
    ],
)
def test_a_sentence_is_translated_with_its_values(french: Catalog, recorded: str, said: str | None) -> None:
    assert french.say(recorded) == said


def test_steps_are_translated_by_a_catalog_of_their_own(french: Catalog) -> None:
    assert (french.say("send:2", STEP), french.say("Nothing was sent.", STEP)) == ("Envoi 2", None)


def test_very_long_text_is_not_translated(french: Catalog) -> None:
    assert french.say("Nothing was sent. " * 1000) is None


def test_the_first_catalog_wins_and_the_others_fill_its_gaps() -> None:
    own = 'msgid ""\nmsgstr ""\n\nmsgid "Nothing was sent."\nmsgstr "Rien."\n'

    both = Catalog("fr", own.encode(), PO.encode())

    assert both.say("Nothing was sent.") == "Rien."
    assert both.say("Invoice in_1 is open.") == "La facture in_1 est ouverte."


def with_catalogs(desk: Any, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Catalogs:
    plugins = desk.host.plugins
    told = replace(plugins.manifest("recorder"), translations=folder)
    monkeypatch.setitem(plugins._manifests, "recorder", told)
    return Catalogs(plugins)


def test_a_plugins_sentences_come_from_its_catalog_and_the_hosts_from_the_hosts(
    desk: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "fr.po").write_text(PO, "utf-8")
    catalogs = with_catalogs(desk, monkeypatch, tmp_path)

    assert catalogs.say("Nothing was sent.", "fr", "recorder") == "Rien n’a été envoyé."
    assert catalogs.say("Nothing was sent.", "en", "recorder") == "Nothing was sent."
    assert catalogs.say("Nothing was sent.", "fr", "second") == "Nothing was sent."
    for plugin in ("recorder", "second", "import_error", "", "unknown"):
        assert catalogs.say("There is no invoice yet.", "fr", plugin) == "Il n’y a pas encore de facture."


@pytest.mark.parametrize("rubbish", [b"\xff\xfe", b'msgid "a', b"rubbish"], ids=["no text", "cut off", "no catalog"])
def test_an_unreadable_catalog_does_not_affect_the_others(
    desk: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, rubbish: bytes
) -> None:
    (tmp_path / "fr.po").write_bytes(rubbish)
    catalogs = with_catalogs(desk, monkeypatch, tmp_path)

    assert catalogs.say("Nothing was sent.", "fr", "recorder") == "Nothing was sent."
    assert catalogs.say("There is no invoice yet.", "fr", "recorder") == "Il n’y a pas encore de facture."
