"""The page of a connection test with a slow service, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from builders import a_key_report
from console.browser import chromium, violations
from host_server import served
from qwoty_integrations_host.web.sessions import login_link
from qwoty_integrations_host.workspaces.inquiries import PATIENCE

TOKEN, OTHER = "key_Plain1234567890", "key_Other1234567890"
PAGE = "/console/integrations/recorder"
#: A screen size, and a language.
DESK = {"viewport": {"width": 1280, "height": 900}, "locale": "en-US"}
PHONE = {"viewport": {"width": 390, "height": 844}, "locale": "fr-FR"}
LOG_IN, TEST, SAVE = "Log in|Se connecter", "Test connection|Tester la connexion", "^(Save|Enregistrer)$"
ANYWAY, SEND = "Save anyway|Enregistrer quand même", "Send a test|Envoyer un test"
EACH_SCREEN = pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk", "phone"])


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture
def held() -> list[Callable[[], None]]:
    """The connection tests that were started. The service answers when the test function calls one."""
    return []


@pytest.fixture
def desk(desks: Any, held: Any) -> Any:
    found = desks(begin_inquiry=held.append, public_url="http://localhost")
    found.host.settings.save("ws-1", "recorder", {"token": TOKEN})
    found.report_keys(a_key_report())
    return found


@pytest.fixture
def enter(desk: Any, browser: Any) -> Iterator[Callable[..., Any]]:
    """A function that opens the console as an admin, by a login link and its button."""
    contexts = []
    with served(desk.host) as url:

        def open_it(*, javascript: bool = True, **screen: Any) -> Any:
            contexts.append(browser.new_context(java_script_enabled=javascript, base_url=url, **screen))
            contexts[-1].set_default_timeout(20_000)
            page = contexts[-1].new_page()
            page.goto("/console/" + login_link(desk.host, "ws-1", "admin").partition("/console/")[2])
            if javascript:
                looks_well(page)
            press(page, LOG_IN)
            page.wait_for_url("**/console/")
            return page

        yield open_it
        for context in contexts:
            context.close()


def press(page: Any, name: str) -> None:
    page.get_by_role("button", name=re.compile(name)).click()


def looks_well(page: Any) -> None:
    """Expect that no element is wider than the screen, and that axe finds no violation."""
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    assert violations(page) == []


@EACH_SCREEN
def test_the_page_of_a_test_shows_the_result_without_a_click(enter: Any, held: Any, screen: Any) -> None:
    page = enter(**screen)
    page.goto(PAGE)

    press(page, TEST)
    page.locator("#connection #testing").wait_for()
    looks_well(page)
    held.pop()()

    page.locator("#testing").wait_for(state="detached")
    page.locator("#connection time").wait_for()
    assert page.url.endswith("#connection")


def test_the_page_of_a_test_shows_the_result_without_javascript_too(enter: Any, held: Any) -> None:
    page = enter(javascript=False, **DESK)
    page.goto(PAGE)

    press(page, TEST)
    page.get_by_text("The connection is being tested.").wait_for()
    held.pop()()

    page.get_by_text("The connection was tested.").wait_for()


@EACH_SCREEN
def test_typed_values_stay_in_the_form_and_appear_in_no_address(enter: Any, desk: Any, held: Any, screen: Any) -> None:
    desk.host.settings.enable("ws-1", "recorder")
    desk.report_keys(a_key_report("refused"))
    page, asked = enter(**screen), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(PAGE)

    page.locator("#token").fill(OTHER)
    press(page, SAVE)
    page.locator("#summary [role=status]").wait_for()
    looks_well(page)
    with page.expect_request("**/saving/*"):
        pass
    held.pop()()
    page.locator("#summary [role=alert]").wait_for()
    looks_well(page)
    assert page.locator("#token").input_value() == OTHER
    press(page, ANYWAY)
    page.locator("#summary [role=status]").wait_for()
    held.pop()()
    page.wait_for_url("**test=*")

    assert desk.host.settings.effective("ws-1", "recorder")["token"] == OTHER
    assert not any(OTHER in address for address in asked)


@EACH_SCREEN
def test_the_page_of_a_test_whose_host_died_stops_waiting(enter: Any, desk: Any, screen: Any) -> None:
    desk.host.settings.enable("ws-1", "recorder")
    page = enter(**screen)
    page.goto(PAGE)
    page.locator("#token").fill(OTHER)
    press(page, SAVE)
    page.locator("#summary [role=status]").wait_for()

    desk.clock.advance(PATIENCE.total_seconds())

    page.locator("#summary [role=alert]").wait_for()
    assert re.search("has not ended in time|ne s’est pas terminé à temps", page.locator("#summary").inner_text())
    assert page.locator("#token").input_value() == OTHER
    page.goto(PAGE)
    press(page, TEST)
    page.locator("#testing").wait_for()
    desk.clock.advance(PATIENCE.total_seconds())
    page.locator("#connection [role=alert]").wait_for()
    looks_well(page)


@EACH_SCREEN
def test_the_alerts_page_shows_the_result_of_a_test_alert(enter: Any, desk: Any, held: Any, screen: Any) -> None:
    desk.host.alert_recipients.replace("ws-1", {"mails": ["ana@seller.example"]})
    page = enter(**screen)
    page.goto("/console/alerts")

    press(page, SEND)
    page.locator("#testing").wait_for()
    looks_well(page)
    held.pop()()

    page.get_by_text(re.compile("The test was sent.|Le test est parti.")).wait_for()
    looks_well(page)
