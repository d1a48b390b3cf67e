"""Saving and enabling in the console test the connection first; a button enables an integration in spite of a problem."""

from __future__ import annotations

from typing import Any

import pytest

from builders import a_key_report
from console.conftest import words
from host.conftest import TOKEN

PAGE = "/console/integrations/recorder"
FORM = {"_shown": ["token"], "token": TOKEN}
OTHER = "key_Other1234567890"


def is_on(admin: Any) -> bool:
    return bool(admin.desk.host.settings.is_enabled("ws-1", "recorder"))


def token(admin: Any) -> str:
    return str(admin.desk.host.settings.effective("ws-1", "recorder")["token"])


def after(admin: Any, answer: Any) -> str:
    """The page to which an answer redirects."""
    assert answer.status_code == 303, words(answer.text)
    return str(admin.page(answer.headers["Location"].partition("#")[0]))


@pytest.mark.parametrize("status", ["refused", "missing"])
def test_a_key_that_fails_the_test_is_saved_and_enabled_only_on_request(admin: Any, status: str) -> None:
    admin.desk.report_keys(a_key_report(status))

    page = after(admin, admin.post(PAGE, {**FORM, "then": "enable"}))

    assert not is_on(admin) and token(admin) == TOKEN
    assert f"It is {status}. Mend it. The settings are saved, and the integration is off." in words(page)
    assert 'name="anyway" value="on">Switch on anyway' in page
    page = after(admin, admin.post(f"{PAGE}/enable", {"anyway": "on"}))
    assert is_on(admin)
    assert f"It is {status}." in words(page) and "Switch on anyway" not in page


def test_an_enabled_integration_keeps_its_settings_when_new_ones_fail_the_test(admin: Any) -> None:
    admin.desk.report_keys(a_key_report())
    admin.post(PAGE, {**FORM, "then": "enable"})
    admin.desk.report_keys(a_key_report("refused"))
    form = {"_shown": ["mode", "token"], "mode": "fast", "token": OTHER, "then": "save"}

    in_place = admin.post(PAGE, form, **{"HX-Request": "true"})
    whole = after(admin, admin.post(PAGE, form))

    assert token(admin) == TOKEN
    for text in (in_place.text, whole):
        assert "Not saved: the test of the connection found a problem. It is refused. Mend it." in words(text)
        assert '<button name="then" value="save_anyway">' in text
        assert OTHER not in text
    # With htmx the form stays unchanged; without it, the page holds the values that are not secret.
    assert "<html" not in in_place.text and '<option value="fast" selected>' in whole
    after(admin, admin.post(PAGE, {**form, "then": "save_anyway"}))
    assert token(admin) == OTHER
    assert "It is refused." in words(admin.page(PAGE))


def test_an_unreachable_service_does_not_stop_enabling_and_shows_not_tested(admin: Any) -> None:
    admin.desk.report_keys(a_key_report("unreachable"))

    page = after(admin, admin.post(PAGE, {**FORM, "then": "enable"}))

    assert is_on(admin)
    assert "Switched on" in page and "Tested and switched on" not in page
    assert "The connection is not tested. token : It is unreachable." in words(page).replace("token:", "token :")
    for where in (PAGE, "/console/"):
        assert "! On, not tested" in words(admin.page(where))


def test_a_key_that_was_never_tested_or_was_changed_shows_not_tested(admin: Any) -> None:
    admin.desk.enable()

    assert "! On, not tested" in words(admin.page("/console/")) and "not tested" in words(admin.page(PAGE))
    admin.desk.report_keys(a_key_report())
    admin.post(f"{PAGE}/test")
    assert "✓ On" in words(admin.page("/console/"))
    admin.desk.enable(token=OTHER)
    assert "! On, not tested" in words(admin.page("/console/"))
    assert "of other settings than those of now" in admin.page(PAGE)


def test_an_integration_without_a_test_is_enabled_at_once(admin: Any) -> None:
    page = after(admin, admin.post("/console/integrations/second", {"then": "enable"}))

    assert "✓ On" in words(page)
    assert "This integration has no test of its connection." in page and "Test connection" not in page


def test_the_choice_is_offered_in_french(admin: Any) -> None:
    admin.desk.report_keys(a_key_report("refused"))
    admin.post(PAGE, {**FORM, "then": "enable"})

    assert "Activer quand même" in admin.page(PAGE, **{"Accept-Language": "fr"})
