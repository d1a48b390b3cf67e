"""An admin's work from login to payment, in a real browser, with and without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from builders import KEY, LINK, the_example
from console.browser import SCREENSHOTS, chromium, violations
from qwoty_integrations_host.web.sessions import login_link

WRONG_KEY = "sk_test_51WrongKeyWrongKey9"
PAGES = {"Runs": "runs", "Quotes": "quotes", "Webhooks": "webhooks", "Audit log": "audit", "Access": "access"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture
def look(request: pytest.FixtureRequest) -> Callable[..., None]:
    """A function that checks a page for accessibility and secrets, and takes its picture if --screenshots is given."""

    def at(page: Any, name: str = "", *, picture: bool = True, judge: bool = True) -> None:
        if judge:
            assert violations(page) == []
        html = page.content()
        assert KEY not in html and WRONG_KEY not in html and "whsec_" not in html
        if picture and request.config.getoption("--screenshots"):
            SCREENSHOTS.mkdir(exist_ok=True)
            page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)

    return at


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_an_admin_sets_up_an_integration_and_sees_a_quote_paid(
    bench: Any, browser: Any, look: Callable[..., None], javascript: bool
) -> None:
    context = browser.new_context(java_script_enabled=javascript, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(10_000)
    page = context.new_page()
    complaints = complaints_of(page)
    # axe needs JavaScript; the run with JavaScript checks the same pages.
    seen = partial(look, page, picture=javascript, judge=javascript)

    gets_in_by_a_link(bench, page)
    is_told_what_is_wrong_with_a_key(page, seen, keeps_what_was_typed=javascript)
    finds_a_refused_key_by_the_test(bench, page, seen)
    gets_the_right_key_working(page, seen, keeps_what_was_typed=javascript)
    watches_a_run_end(bench, page, seen)
    tries_a_run_again(bench, page, seen)
    sends_the_next_installment(bench, page, seen)
    looks_at_every_page(page, seen)

    assert complaints == []
    context.close()


def test_every_page_is_readable_in_the_dark_and_on_a_phone(bench: Any, browser: Any, look: Callable[..., None]) -> None:
    bench.enable(**LINK)
    run = bench.accept(the_example())
    phone = {"width": 390, "height": 844}
    context = browser.new_context(color_scheme="dark", viewport=phone, locale="fr-FR")
    page = context.new_page()
    complaints = complaints_of(page)

    enter(page, login_link(bench.host, "ws-1", "admin"))
    quote = f"quotes/{run['quote_id']}"
    preview = f"preview/{run['quote_id']}"
    for path in ("", "integrations/stripe_invoice", f"runs/{run['id']}", quote, preview, *PAGES.values()):
        page.goto(f"{bench.url}/console/{path}")
        look(page, f"phone-{path.partition('/')[0] or 'integrations'}", picture=path.startswith(("runs/", "quotes/")))
        if path == f"runs/{run['id']}":
            assert "Un lien de paiement pour l’échéance 1 sur 4 a été envoyé à" in page.inner_text("main")
        # No element is wider than a narrow screen.
        assert page.evaluate("document.documentElement.scrollWidth") <= phone["width"], path

    assert complaints == []
    context.close()


def test_the_pages_outside_the_story_are_accessible_too(bench: Any, browser: Any, look: Callable[..., None]) -> None:
    bench.enable(**LINK)
    run = bench.accept(the_example())
    context = browser.new_context()
    page = context.new_page()
    seen = partial(look, page, picture=False)

    enter(page, login_link(bench.host, "ws-1", "admin"))
    page.goto(f"{bench.url}/console/runs/{run['id']}/undo")
    seen()
    page.goto(f"{bench.url}/console/preview/{run['quote_id']}")
    page.get_by_text("would be mailed to").wait_for()
    seen()
    page.goto(f"{bench.url}/console/integrations/stripe_invoice")
    page.get_by_label("Token scope").select_option("business_unit")
    page.get_by_text("Advanced").click()
    assert page.get_by_label("Business unit", exact=True).count() == 2
    assert not page.get_by_label("Workspace API token").is_visible()
    seen()
    page.request.post(f"{bench.url}/webhooks/stripe_invoice/ws-1/guessed")
    page.goto(f"{bench.url}/console/webhooks?result=refused")
    page.get_by_text("Unknown address").wait_for()
    seen()
    page.goto(f"{bench.url}/console/access")
    page.get_by_role("button", name="Make a key").click()
    page.get_by_text("Keep this key now").wait_for()
    seen()
    page.goto(f"{bench.url}/console/nothing")
    seen()
    enter(page, login_link(bench.host, "ws-1", "viewer"))
    page.goto(f"{bench.url}/console/integrations/stripe_invoice")
    assert page.get_by_role("button", name="Save").count() == 0
    seen()
    context.close()


def enter(page: Any, link: str) -> None:
    """Open a login link and press its button."""
    page.goto(link)
    page.get_by_role("button", name=re.compile("Log in|Se connecter")).click()
    page.wait_for_url("**/console/")


# -- the parts of the story ------------------------------------------------------------------------------


def gets_in_by_a_link(bench: Any, page: Any) -> None:
    enter(page, login_link(bench.host, "ws-1", "admin"))
    assert page.url == f"{bench.url}/console/"


def is_told_what_is_wrong_with_a_key(page: Any, seen: Callable[..., None], *, keeps_what_was_typed: bool) -> None:
    page.get_by_role("link", name="Set up : Stripe").click()
    seen("set-up")
    page.get_by_label("Create invoice as").select_option("open")
    page.get_by_label("Send payment link + invoice (via Qwoty)").check()
    page.get_by_label("Workspace API token").fill("pk_test_nonsense")
    page.get_by_role("button", name="Save and switch on").click()
    page.get_by_role("alert").get_by_text("One field needs another look").wait_for()
    assert "Enter a Stripe secret key" in page.locator("#error-workspace_api_token").inner_text()
    assert page.get_by_label("Create invoice as").input_value() == "open"
    assert page.get_by_label("Workspace API token").input_value() == (
        "pk_test_nonsense" if keeps_what_was_typed else ""
    )
    seen("wrong-form")


def finds_a_refused_key_by_the_test(bench: Any, page: Any, seen: Callable[..., None]) -> None:
    bench.stripe.add_key(WRONG_KEY, revoked=True)
    page.get_by_label("Workspace API token").fill(WRONG_KEY)
    page.get_by_role("button", name="Save and switch on").click()
    page.get_by_role("alert").get_by_text("Stripe refused the key").wait_for()
    assert page.get_by_role("button", name="Switch on anyway").is_visible()
    assert not bench.host.settings.is_enabled("ws-1", "stripe_invoice")
    seen("refused-key")


def gets_the_right_key_working(page: Any, seen: Callable[..., None], *, keeps_what_was_typed: bool) -> None:
    page.get_by_label("Workspace API token").fill(KEY)
    page.get_by_role("button", name="Save and switch on").click()
    page.get_by_text("Tested and switched on").wait_for()
    page.get_by_label("Workspace API token").fill(WRONG_KEY)
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("alert").get_by_text("Not saved: the test of the connection").wait_for()
    assert page.get_by_label("Workspace API token").input_value() == (WRONG_KEY if keeps_what_was_typed else "")
    page.get_by_label("Workspace API token").fill(WRONG_KEY)
    page.get_by_role("button", name="Save anyway").click()
    page.get_by_role("status").get_by_text("Saved.").wait_for()
    assert page.get_by_role("alert").get_by_text("Stripe refused the key").count() == 1
    page.get_by_label("Workspace API token").fill(KEY)
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("alert").wait_for(state="detached")
    page.get_by_role("button", name="Test connection").click()
    page.get_by_text("The connection was tested").wait_for()
    assert page.locator("#connection .head .chip").first.inner_text().endswith("Works")
    seen("settings")


def watches_a_run_end(bench: Any, page: Any, seen: Callable[..., None]) -> None:
    accepted = bench.host.runs.acceptance.accept("ws-1", the_example())
    page.get_by_role("link", name="Runs").click()
    page.get_by_role("link", name=re.compile(the_example()["number"])).click()
    page.get_by_role("status").get_by_text("Queued").wait_for()
    assert accepted.run_ids[0] in page.url
    bench.work()
    # The page refreshes itself without a click.
    page.get_by_role("status").get_by_text("Succeeded").wait_for()
    figures = page.locator("table.figures").first.inner_text()
    assert [figures.count(amount) for amount in ("€7,585.00", "€1,517.00", "€9,102.00")] == [3, 3, 3]
    page.get_by_text("Find or make the customer").wait_for()
    invoice = page.locator("a.out[href^='https://dashboard.stripe.com/test/invoices/in_']")
    assert invoice.count() == 1
    seen("run")


def tries_a_run_again(bench: Any, page: Any, seen: Callable[..., None]) -> None:
    bench.stripe.faults.add("403", method="POST", path="^/v1/invoices$")
    assert bench.accept(the_example(id="q-second", number="Q-2026-0102"))["status"] == "needs_attention"
    page.get_by_role("link", name="Runs").first.click()
    page.get_by_label("State").select_option("needs_attention")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("link", name=re.compile("Q-2026-0102")).click()
    page.get_by_role("alert").get_by_text("The Stripe key lacks a permission").wait_for()
    seen("run-needs-attention")
    page.get_by_role("button", name="Retry").click()
    page.get_by_role("status").get_by_text("Queued").wait_for()
    bench.work()
    page.get_by_role("status").get_by_text("Succeeded").wait_for()


def sends_the_next_installment(bench: Any, page: Any, seen: Callable[..., None]) -> None:
    (session, *_) = [one for one in bench.stripe.objects("sessions") if one["status"] == "open"]
    bench.pay(session["id"])
    page.goto(f"{bench.url}/console/quotes/{session['metadata']['qwoty_quote_id']}")
    seen("quote")
    page.get_by_role("link", name="Send next installment").click()
    assert "mailed before" not in page.locator("main").inner_text()
    asked = page.locator("main").inner_text()
    assert "2 of 4" in asked and "€2,275.50" in asked and "ana@buyer.example" in asked
    seen("send-installment")
    before = len(bench.mails())
    page.get_by_role("button", name="Send").click()
    page.get_by_role("status").get_by_text("Queued").wait_for()
    bench.work()
    page.get_by_role("status").get_by_text("Succeeded").wait_for()
    assert len(bench.mails()) == before + 1
    page.goto(f"{bench.url}/console/quotes/{session['metadata']['qwoty_quote_id']}")
    page.get_by_role("link", name="Send installment 2 again").click()
    assert "It was mailed before" in page.locator("main").inner_text()


def looks_at_every_page(page: Any, seen: Callable[..., None]) -> None:
    for name, path in PAGES.items():
        page.get_by_role("navigation", name="Pages").get_by_role("link", name=name).click()
        page.get_by_role("heading", level=1, name=name).wait_for()
        seen(path)
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Integrations").click()
    seen("integrations")
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("heading", level=1, name="Log in").wait_for()
    seen("login")


def complaints_of(page: Any) -> list[str]:
    """The errors in the browser's console, such as failing scripts and blocked files, without refused forms."""
    found: list[str] = []
    page.on("console", lambda said: found.append(said.text) if said.type == "error" and " 422 " not in said.text else 0)
    page.on("pageerror", lambda error: found.append(str(error)))
    return found
