"""Every state of a quote: a story reaches it, and every side shows it in the same way.

Each story brings the quote to its state through the real host and the simulator. Then the command line, the API and
the console in both languages show the state, and each step that it advises is accepted.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from click.testing import CliRunner

from builders import EMAIL, LINK, OPEN, a_line, a_quote
from console.conftest import follow
from mail_server import mailing_through
from qwoty_integrations_host.cli import main
from qwoty_integrations_host.clock import SystemClock
from qwoty_integrations_host.doctor import examine
from qwoty_integrations_host.quotes.standing import ASKING, STATES
from qwoty_integrations_host.reports.quotes import list_quotes
from qwoty_integrations_host.reports.search import QuoteFilter
from qwoty_integrations_host.store.api_keys import create_api_key
from qwoty_integrations_host.web.app import create_app
from qwoty_integrations_host.web.sessions import login_link
from upkept import DAY, later


def begun(bench: Any, quote: dict[str, Any]) -> None:
    """Accept the quote, and let no worker take it."""
    bench.host.runs.acceptance.accept("ws-1", quote)


def invoiced(bench: Any, settings: dict[str, Any], **changes: Any) -> Any:
    bench.enable(**settings)
    bench.accept(a_quote(**changes))
    return bench


def session(bench: Any) -> str:
    found: str = bench.stripe.objects("sessions")[-1]["id"]
    return found


def accepted(bench: Any, v1: Any) -> None:
    bench.enable()
    begun(bench, a_quote())


def waiting_for_integration(bench: Any, v1: Any) -> None:
    begun(bench, a_quote())


def running(bench: Any, v1: Any) -> None:
    invoiced(bench, LINK, installments=2)
    bench.pay(session(bench))
    bench.host.runs.installments.request("ws-1", "q-7", 2)


def waiting(bench: Any, v1: Any) -> None:
    bench.stripe.faults.add("500_before", path="^/v1/", times=1000)
    invoiced(bench, OPEN)


def no_invoice(bench: Any, v1: Any) -> None:
    bench.set_up(
        "stripe_invoice",
        {"token_scope": "business_unit", "business_unit_api_tokens": {"bu_9": "sk_test_51SimulatedKey0001"}},
    )
    bench.accept(a_quote(business_unit={"id": "bu_1", "name": "Lyon"}))


def nothing_to_do(bench: Any, v1: Any) -> None:
    quote = a_quote(a_line())
    quote["pricing_table"]["sections"][0]["type"] = "plan"
    bench.enable()
    bench.accept({**quote, "summary": None})


def needs_attention(bench: Any, v1: Any) -> None:
    bench.stripe.config.update(rounding="half_even")
    quote = a_quote()
    quote["summary"] = {"one_off": {"net_amount": "100.00", "tax_amount": "25.00", "total_amount": "125.00"}}
    bench.enable(**OPEN)
    bench.accept(quote)


def failed(bench: Any, v1: Any) -> None:
    waiting(bench, v1)
    for _ in range(80):
        later(bench, DAY / 8)
        bench.work()


def dismissed(bench: Any, v1: Any) -> None:
    bench.stripe.faults.add("500_before", path="^/v1/", times=1000)
    bench.enable()
    run = bench.accept(a_quote())
    bench.host.runs.control.dismiss(run["id"], "Invoiced by hand.")


def draft(bench: Any, v1: Any) -> None:
    invoiced(bench, {})


def open_invoice(bench: Any, v1: Any) -> None:
    invoiced(bench, EMAIL)


def link_sent(bench: Any, v1: Any) -> None:
    invoiced(bench, LINK, installments=1)


def link_made(bench: Any, v1: Any) -> None:
    bench.mail_server.be("550 rcpt")
    link_sent(bench, v1)


def link_expired(bench: Any, v1: Any) -> None:
    link_sent(bench, v1)
    later(bench, DAY + 60)
    bench.webhooks()


def processing(bench: Any, v1: Any) -> None:
    link_sent(bench, v1)
    bench.stripe.pay_later(session(bench))
    bench.webhooks()


def payment_failed(bench: Any, v1: Any) -> None:
    processing(bench, v1)
    bench.stripe.fail(session(bench))
    bench.webhooks()


def partly_paid(bench: Any, v1: Any) -> None:
    terms = [{"percentage": "50", "term": term, "order_number": n} for n, term in ((1, "due_now"), (2, "net120"))]
    invoiced(bench, LINK, payment_terms={"name": "terms", "installments": terms})
    bench.pay(session(bench))


def overdue(bench: Any, v1: Any) -> None:
    open_invoice(bench, v1)
    later(bench, 40 * DAY)
    bench.webhooks()


def paid(bench: Any, v1: Any) -> None:
    link_sent(bench, v1)
    bench.pay(session(bench))


def void(bench: Any, v1: Any) -> None:
    link_sent(bench, v1)
    v1.invoices.void_invoice(bench.stripe.objects("invoices")[0]["id"])
    bench.webhooks()


def uncollectible(bench: Any, v1: Any) -> None:
    link_sent(bench, v1)
    v1.invoices.mark_uncollectible(bench.stripe.objects("invoices")[0]["id"])
    bench.webhooks()


def settled_outside(bench: Any, v1: Any) -> None:
    link_sent(bench, v1)
    bench.stripe.mark_paid(bench.stripe.objects("invoices")[0]["id"])
    bench.webhooks()


def cancel(bench: Any) -> dict[str, Any]:
    (run_id,) = bench.host.runs.cancellation.cancel("ws-1", "q-7", reason="The customer changed their mind.").run_ids
    bench.work()
    bench.webhooks()
    found: dict[str, Any] = bench.run(run_id)
    return found


def cancelled(bench: Any, v1: Any) -> None:
    draft(bench, v1)
    cancel(bench)


def cancelled_open(bench: Any, v1: Any) -> None:
    link_sent(bench, v1)
    run = cancel(bench)
    bench.host.runs.control.dismiss(run["id"], "The customer pays all the same.")


def cancelled_paid(bench: Any, v1: Any) -> None:
    partly_paid(bench, v1)
    cancel(bench)


def undone_paid(bench: Any, v1: Any) -> None:
    partly_paid(bench, v1)
    undo(bench)


def undo(bench: Any) -> None:
    run, *_ = bench.quote("q-7")["runs"]
    bench.host.runs.cancellation.undo(run["id"])
    bench.work()
    bench.webhooks()


def undone(bench: Any, v1: Any) -> None:
    draft(bench, v1)
    undo(bench)


def undone_open(bench: Any, v1: Any) -> None:
    link_sent(bench, v1)
    undo(bench)


#: The story that reaches each state.
STORIES: dict[str, Callable[[Any, Any], None]] = {
    "open": open_invoice,
    **{
        story.__name__: story
        for story in (
            accepted,
            waiting_for_integration,
            running,
            waiting,
            no_invoice,
            nothing_to_do,
            needs_attention,
            failed,
            dismissed,
            draft,
            link_sent,
            link_made,
            link_expired,
            processing,
            payment_failed,
            partly_paid,
            overdue,
            paid,
            void,
            uncollectible,
            settled_outside,
            cancelled,
            cancelled_open,
            undone,
            undone_open,
            cancelled_paid,
            undone_paid,
        )
    },
}


#: States that these stories cannot reach: the test that reaches each, and what it needs.
ELSEWHERE = {
    "invoice_gone": "tests/host/test_standing.py: a record of an earlier release",
    "done": "tests/host/test_quote_commands.py: only an integration that makes no invoices",
    "fetching": "tests/platform/test_fetching.py: a platform",
    "not_fetched": "tests/platform/test_fetching.py: a platform",
}


@pytest.fixture
def host_config(mail_server: Any) -> dict[str, Any]:
    return mailing_through(mail_server)


@pytest.fixture
def told(bench: Any, mail_server: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    # Commands use the system's clock, so it has to agree with the bench's.
    monkeypatch.setattr(SystemClock, "now", lambda _: bench.clock.now())
    bench.mail_server = mail_server
    return bench


def by_api(bench: Any) -> dict[str, Any]:
    with bench.host.store.write() as db:
        key = create_api_key(db, "ws-1", bench.clock.now())
    client = create_app(bench.host).test_client()
    answer = client.get("/v1/workspaces/ws-1/quotes/q-7", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.get_json()["standing"]
    return found


def by_console(bench: Any, language: str) -> str:
    client = create_app(bench.host).test_client()
    follow(client, login_link(bench.host, "ws-1", "admin"))
    answer = client.get("/console/quotes/q-7", headers={"Accept-Language": language, "Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 200, answer.text
    return unescape(answer.text)


def found(bench: Any) -> list[dict[str, Any]]:
    listed = list_quotes(bench.host.store, "ws-1", bench.clock.now(), quote_filter=QuoteFilter(asking=True))
    data: list[dict[str, Any]] = listed["data"]
    return data


def seen(bench: Any) -> tuple[str, str]:
    """The first page of the console, and what ``doctor`` says of quotes."""
    client = create_app(bench.host).test_client()
    follow(client, login_link(bench.host, "ws-1", "admin"))
    page = client.get("/console/", headers={"Sec-Fetch-Site": "same-origin"}).text
    return page, " ".join(finding.detail for finding in examine(bench.host) if finding.about == "quotes")


def by_command(bench: Any, *options: str) -> str:
    folder = str(bench.host.config.data_dir)
    found = CliRunner().invoke(main, ["--data-dir", folder, "quote", "show", "ws-1", "q-7", *options])
    assert found.exit_code == 0, found.output
    return found.stdout


@pytest.mark.parametrize("state", STORIES)
def test_every_side_shows_the_same_state_of_a_quote(told: Any, v1: Any, state: str) -> None:
    STORIES[state](told, v1)

    standing = told.quote("q-7")["standing"]

    assert standing["state"] == state, standing
    assert by_api(told) == standing
    assert standing["sentence"] in by_console(told, "en")
    french = by_console(told, "fr")
    assert told.host.catalogs.say(standing["sentence"], "fr", standing["plugin"] or "") in french
    assert standing["sentence"] not in french
    assert standing["sentence"] in by_command(told)
    assert json.loads(by_command(told, "--json"))["standing"]["state"] == state
    asks = state in ASKING
    page, doctor = seen(told)
    assert ("1 quote needs a person" in page, "1 quote needs a person" in doctor) == (asks, asks)
    assert [one["quote_id"] for one in found(told)] == (["q-7"] if asks else [])


def test_every_state_is_reached_by_a_story() -> None:
    assert set(STATES) - set(STORIES) == set(ELSEWHERE)


def do(bench: Any, v1: Any, step: str) -> None:
    """Do a step that a standing advises, as its button does. Raises: ActionRefused."""
    runs, found = bench.host.runs, bench.quote("q-7")["standing"]
    deeds: dict[str, Callable[[], Any]] = {
        "retry": lambda: runs.control.retry(found["run_id"]),
        "dismiss": lambda: (
            runs.without_invoice.dismiss("ws-1", "q-7", "Done by hand.")
            if bench.quote("q-7")["without_invoice"]
            else runs.control.dismiss(found["run_id"], "Done by hand.")
        ),
        "run": lambda: (bench.enable(), runs.acceptance.run("ws-1", "q-7")),
        "enable": bench.enable,
        "settings": bench.enable,
        "send": lambda: runs.installments.request("ws-1", "q-7", found["installment"]),
        "finalize": lambda: v1.invoices.finalize_invoice(bench.stripe.objects("invoices")[0]["id"]),
        "remind": lambda: v1.invoices.send_invoice(bench.stripe.objects("invoices")[0]["id"]),
        "void": lambda: runs.cancellation.void("ws-1", "q-7"),
        "accept": lambda: runs.acceptance.accept("ws-1", a_quote()),
    }
    deeds[step]()


ADVISED = [(state, step) for state in STORIES for step in STATES[state].steps]


@pytest.mark.parametrize(("state", "step"), ADVISED, ids=[f"{state}-{step}" for state, step in ADVISED])
def test_every_step_that_a_state_advises_is_accepted(told: Any, v1: Any, state: str, step: str) -> None:
    STORIES[state](told, v1)

    if step in {one["step"] for one in told.quote("q-7")["standing"]["steps"]}:
        do(told, v1, step)
        told.webhooks()


def test_each_step_is_advised_by_some_story(told: Any) -> None:
    assert {step for _, step in ADVISED} >= {"retry", "dismiss", "run", "send", "void", "accept", "finalize"}
