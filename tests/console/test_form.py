"""The settings form: what it shows, and how the host reads what a browser sends."""

from __future__ import annotations

import html
from typing import Any

import pytest

from builders import KEY
from console.conftest import words
from host.conftest import TOKEN

PAGE = "/console/integrations/recorder"
UNIT = "key_Unit1234567890"


def stored(admin: Any) -> Any:
    return admin.desk.host.settings.effective("ws-1", "recorder")


def test_a_stored_secret_is_shown_as_its_last_four_and_kept_when_left_empty(admin: Any) -> None:
    admin.desk.enable()

    page = admin.page(PAGE)
    answer = admin.post(PAGE, {"_shown": ["mode", "token"], "mode": "fast", "token": ""})

    assert TOKEN not in page
    assert f"•••• {TOKEN[-4:]} stored" in page
    assert answer.status_code == 303
    assert (stored(admin)["mode"], stored(admin)["token"]) == ("fast", TOKEN)


def test_a_field_that_was_not_shown_keeps_its_value(admin: Any) -> None:
    admin.desk.enable(mode="fast", unit_tokens={"bu_1": UNIT})

    admin.post(PAGE, {"_shown": ["ratio"], "ratio": "2.5"})

    assert stored(admin) == {"mode": "fast", "ratio": 2.5, "token": TOKEN, "unit_tokens": {"bu_1": UNIT}}


def row(number: int, was: str = "", key: str = "", value: str = "", *, remove: bool = False) -> dict[str, str]:
    name = f"unit_tokens.{number}"
    sent = {f"{name}.was": was, f"{name}.key": key, f"{name}.value": value}
    return {**sent, f"{name}.remove": "on"} if remove else sent


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        (row(0, "bu_1", "bu_1"), {"bu_1": UNIT}),
        (row(0, "bu_1", "bu_1", "key_New1234567890"), {"bu_1": "key_New1234567890"}),
        (row(0, "bu_1", "bu_1") | row(1, "", "bu_2", "key_Two1234567890"), {"bu_1": UNIT, "bu_2": "key_Two1234567890"}),
        (row(0, "bu_1", "bu_9", "key_New1234567890"), {"bu_9": "key_New1234567890"}),
        (row(0, "bu_1", "bu_1", remove=True), None),
    ],
    ids=["left alone", "another key", "one more", "another name", "removed"],
)
def test_entries_of_a_map_are_rows(admin: Any, rows: dict[str, str], kept: Any) -> None:
    admin.desk.enable(unit_tokens={"bu_1": UNIT})

    answer = admin.post(PAGE, {"_shown": ["unit_tokens"], **rows})

    assert answer.status_code == 303, words(answer.text)
    assert stored(admin).get("unit_tokens") == kept


@pytest.mark.parametrize(
    ("rows", "where", "sentence"),
    [
        (row(0, "bu_1", "bu_9"), 0, "Enter the key again"),
        (row(0, "bu_1", "bu_1") | row(1, "", "bu_2"), 1, "Enter a key."),
        (row(0, "bu_1", "bu_1") | row(2, "", "", UNIT), 2, "Enter the identifier."),
        (row(0, "bu_1", "bu_1") | row(1, "", "bu_1", UNIT), 1, "This identifier is there twice."),
        (row(0, "bu_1", "bu_1") | row(1, "", "two words", UNIT), 1, "This identifier has the wrong form."),
        (row(0, "bu_1", "bu_1") | row(1, "", KEY, UNIT), 1, "This identifier looks like a secret"),
        (row(0, "bu_1", "bu_1", remove=True) | row(1, "", "two words", UNIT), 1, "This identifier has the wrong form."),
        (row(0, "bu_1", "bu_1") | row(1, "", "bu_2", "no key"), 1, "Has the wrong form."),
    ],
)
def test_a_problem_of_a_row_is_reported_at_the_row(admin: Any, rows: dict[str, str], where: int, sentence: str) -> None:
    admin.desk.enable(unit_tokens={"bu_1": UNIT})

    answer = admin.post(PAGE, {"_shown": ["unit_tokens"], **rows}, **{"HX-Request": "true"})

    assert answer.status_code == 422
    said = html.unescape(answer.text).split(f'id="error-unit_tokens.{where}"')[1].split("</p>")[0]
    assert sentence in said
    assert stored(admin)["unit_tokens"] == {"bu_1": UNIT}


def test_a_refused_form_keeps_its_values_except_secrets(admin: Any) -> None:
    admin.desk.enable()

    answer = admin.post(PAGE, {"_shown": ["mode", "ratio", "token"], "mode": "fast", "ratio": KEY, "token": "wr0ng!"})

    assert answer.status_code == 422
    assert '<option value="fast" selected>' in answer.text
    assert KEY not in answer.text and "wr0ng!" not in answer.text and TOKEN not in answer.text
    assert "Enter a key: it starts with key_." in answer.text


def test_htmx_gets_only_the_messages(admin: Any) -> None:
    admin.desk.enable()
    form = {"_shown": ["token"], "token": "wr0ng!"}

    refused = admin.post(PAGE, form, **{"HX-Request": "true"})
    saved = admin.post(PAGE, {"_shown": ["mode"], "mode": "fast"}, **{"HX-Request": "true"})

    assert refused.status_code == 422 and "<html" not in refused.text
    assert 'id="error-token" hx-swap-oob="true"' in refused.text
    assert saved.headers["HX-Redirect"].startswith(f"{PAGE}?test=")
    assert "Saved." in admin.page(saved.headers["HX-Redirect"])


def test_an_integration_is_enabled_only_with_valid_settings(admin: Any) -> None:
    refused = admin.post(f"{PAGE}/enable")
    admin.post(PAGE, {"_shown": ["token"], "token": TOKEN, "then": "enable"})

    assert refused.status_code == 422 and "This field is required." in refused.text
    assert admin.desk.host.settings.is_enabled("ws-1", "recorder")
