"""The whole story of an admin, in a real browser, with JavaScript and without."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from builders import KEY, the_example
from console.browser import SCREENSHOTS, chromium, violations
from qwoty_integrations_host.web.sessions import login_link

WRONG_KEY = "sk_test_51WrongKeyWrongKey9"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture
def look(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Let axe judge a page, look for secrets in it, and keep its picture for the documents when that was asked for."""

    def at(page: Any, name: str, *, picture: bool = True) -> None:
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
    shout: list[str] = []
    # What the policy blocks, for example; that the form was refused (422) is no surprise.
    page.on("console", lambda said: shout.append(said.text) if said.type == "error" and " 422 " not in said.text else 0)
    page.on("pageerror", lambda error: shout.append(str(error)))
    seen = lambda name: look(page, name, picture=javascript) if javascript else None  # noqa: E731

    # In by a link, which leads to the integrations.
    page.goto(login_link(bench.host, "ws-1", "admin"))
    assert page.url == f"{bench.url}/console/"
    page.get_by_role("link", name="Set up").click()
    seen("set-up")

    # A key that cannot be one is refused at its field, and what else was chosen stays.
    page.get_by_label("Create invoice as").select_option("open")
    page.get_by_label("Send payment link + invoice (via Qwoty)").check()
    page.get_by_label("Workspace API token").fill("pk_test_nonsense")
    page.get_by_role("button", name="Save and switch on").click()
    page.get_by_role("alert").get_by_text("One field needs another look").wait_for()
    assert "Enter a Stripe secret key" in page.locator("#error-workspace_api_token").inner_text()
    assert page.get_by_label("Create invoice as").input_value() == "open"
    assert page.get_by_label("Workspace API token").input_value() == ("pk_test_nonsense" if javascript else "")
    seen("wrong-form")

    # One that Stripe does not know is found by the test.
    page.get_by_label("Workspace API token").fill(WRONG_KEY)
    bench.stripe.add_key(WRONG_KEY, revoked=True)
    page.get_by_role("button", name="Save and switch on").click()
    page.get_by_text("Saved and switched on").wait_for()
    page.get_by_role("button", name="Test connection").click()
    page.get_by_text("The connection was tested").wait_for()
    assert page.get_by_role("alert").count() == 1
    seen("refused-key")

    # The right one works.
    page.get_by_label("Workspace API token").fill(KEY)
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("Saved.").wait_for()
    page.get_by_role("button", name="Test connection").click()
    page.get_by_text("The connection was tested").wait_for()
    assert page.locator("#connection .head .chip").first.inner_text().endswith("Works")
    seen("settings")

    # A quote is accepted; the run's page shows by itself that it ends.
    accepted = bench.host.runs.accept("ws-1", the_example())
    page.get_by_role("link", name="Runs").click()
    page.get_by_role("link", name=re.compile(the_example()["number"])).click()
    page.get_by_role("status").get_by_text("Queued").wait_for()
    bench.work()
    page.get_by_role("status").get_by_text("Succeeded").wait_for()
    assert accepted.run_ids[0] in page.url
    assert "€9,102.00" in page.locator("table.figures").first.inner_text()
    seen("run")

    # Another one meets a key without a right: what to do is said, and trying again goes on.
    bench.stripe.faults.add("403", method="POST", path="^/v1/invoices$")
    failed = bench.accept(the_example(id="q-second", number="Q-2026-0102"))
    assert failed["status"] == "needs_attention"
    page.get_by_role("link", name="Runs").first.click()
    page.get_by_label("State").select_option("needs_attention")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("link", name=re.compile("Q-2026-0102")).click()
    assert page.get_by_role("alert").count() == 1
    seen("run-needs-attention")
    page.get_by_role("button", name="Retry").click()
    bench.work()
    page.get_by_role("status").get_by_text("Succeeded").wait_for()

    # The first installment is paid; the next is sent after a look at amount and recipient.
    (session, *_) = [one for one in bench.stripe.objects("sessions") if one["status"] == "open"]
    bench.pay(session["id"])
    quote_id = session["metadata"]["qwoty_quote_id"]
    page.goto(f"{bench.url}/console/quotes/{quote_id}")
    seen("quote")
    page.get_by_role("link", name="Send next installment").click()
    confirmed = page.locator("main").inner_text()
    assert "2 of 4" in confirmed and "@" in confirmed and "€" in confirmed
    seen("send-installment")
    page.get_by_role("button", name="Send").click()
    bench.work()
    page.get_by_role("status").get_by_text("Succeeded").wait_for()

    # What is left to see.
    for name in ("Runs", "Quotes", "Webhooks", "Audit log", "Access", "Integrations"):
        page.get_by_role("navigation", name="Pages").get_by_role("link", name=name).click()
        page.get_by_role("heading", level=1, name=name).wait_for()
        seen(name.lower().replace(" ", "-"))
    assert shout == []
    context.close()
