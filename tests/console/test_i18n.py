"""The console in the reader's language."""

from __future__ import annotations

import json
import re
from typing import Any

from console.catalog import catalog, texts
from console.conftest import words
from qwoty_stripe_invoice.settings import settings_schema


def test_every_text_of_the_console_has_a_french_translation() -> None:
    french = {message.id: message.string for message in catalog("fr") if message.id}

    assert [text for text in texts() if not french.get(text)] == []


def test_every_translation_has_the_same_placeholders() -> None:
    for message in catalog("fr"):
        if isinstance(message.id, str):
            assert set(re.findall(r"%\(\w+\)s", message.id)) == set(re.findall(r"%\(\w+\)s", str(message.string)))


def test_a_settings_form_shows_the_plugins_french_texts() -> None:
    without = [
        name
        for name, part in settings_schema()["properties"].items()
        for said in [part, *part.get("oneOf", ())]
        if "title" not in said.get("x-i18n", {}).get("fr", {})
    ]

    assert without == []


def test_pages_are_in_french_for_a_french_browser(admin: Any) -> None:
    admin.desk.enable()
    run = admin.desk.accept(total="120.00")

    said = words(admin.page(f"/console/runs/{run['id']}", **{"Accept-Language": "fr"}))

    assert "Devis accepté" in said and "Déroulement" in said
    assert "Réussi" in said
    assert "120,00" in admin.page("/console/quotes/q-7", **{"Accept-Language": "fr"})


def test_a_problem_of_a_field_is_reported_in_french(admin: Any) -> None:
    form = {"_shown": ["mode", "token"], "mode": "slow", "token": ""}

    answer = admin.post("/console/integrations/recorder", form, **{"Accept-Language": "fr"})

    assert answer.status_code == 422
    assert "Ce champ est obligatoire." in answer.text
    assert json.dumps("This field is required.") not in answer.text
    assert re.search(r"</a>\u202f: Ce champ", answer.text), "French has a space before a colon"
