"""A signed quote without an invoice is reported: every side says what is missing, and the quote can be run."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest
import structlog
from click.testing import CliRunner, Result
from werkzeug.test import Client

from builders import LINK, UNIT_1, UNIT_2, a_quote, the_example
from console.conftest import Person, follow, words
from host.conftest import fakes  # noqa: F401 - a fixture
from host_server import BROKEN
from qwoty_integrations_host.cli import main
from qwoty_integrations_host.doctor import examine
from qwoty_integrations_host.errors import ActionRefused, NotFound
from qwoty_integrations_host.quotes.run import Run, RunKind, RunStatus
from qwoty_integrations_host.quotes.without_invoice import NO_INTEGRATION, NO_INVOICING, SWITCHED_OFF, cause
from qwoty_integrations_host.web.app import create_app
from qwoty_integrations_host.workspaces import api_keys

NOTHING_ENABLED = "No integration was enabled when this quote was accepted."
NO_KEY = "No invoice: business unit 'bu_2' has no key."
STRIPE = "stripe_invoice"


class Doors:
    """The three sides of one host: the command line, the HTTP API, and the console as an admin."""

    def __init__(self, bench: Any) -> None:
        self.bench = bench
        client = Client(create_app(bench.host))
        self.key = api_keys.create(bench.host.store, bench.host.clock, "ws-1")["key"]
        self.http = client
        self.admin = Person(bench, Client(create_app(bench.host)))
        self.log_in("admin")

    def log_in(self, role: str) -> None:
        from qwoty_integrations_host.web.sessions import login_link

        follow(self.admin.client, login_link(self.bench.host, "ws-1", role))

    def cli(self, *said: str) -> Result:
        return CliRunner().invoke(main, ["--data-dir", str(self.bench.host.config.data_dir), *said])

    def call(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.http.open(
            f"/v1/workspaces/ws-1/{path}",
            method=method,
            data=None if body is None else json.dumps(body),
            headers={"Authorization": f"Bearer {self.key}"},
        )
        return answer.json

    def page(self, path: str) -> str:
        return unescape(words(self.admin.page(f"/console/{path}")))


@pytest.fixture
def doors(bench: Any) -> Iterator[Doors]:
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    yield Doors(bench)
    root.handlers[:], root.level = before  # the command line sets up its own handlers
    structlog.reset_defaults()


@pytest.fixture
def told(bench: Any) -> Callable[[], list[tuple[str, str, str | None]]]:
    """Set a recipient for alerts; give a function that lists the alerts: type, code and quote number."""
    bench.host.alert_recipients.replace("ws-1", {"mails": ["ana@seller.example"]})
    return lambda: [
        (one["type"], one["code"], one["quote_number"]) for one in bench.host.alert_recipients.show("ws-1")["alerts"]
    ]


def by_unit(bench: Any, **keys: str) -> None:
    bench.stripe.add_key(UNIT_1, account="acct_1")
    bench.stripe.add_key(UNIT_2, account="acct_2")
    bench.enable(**LINK, token_scope="business_unit", business_unit_api_tokens=keys)


def of_unit(unit: str, quote_id: str = "q-1") -> dict[str, Any]:
    return the_example(id=quote_id, number=f"N-{quote_id}", business_unit={"id": unit, "name": "A unit"})


def findings(bench: Any) -> list[tuple[str, str]]:
    return [(one.state, one.detail) for one in examine(bench.host) if one.about == "quotes"]


def test_a_quote_accepted_while_nothing_was_enabled_is_reported_everywhere_and_can_be_run(
    bench: Any, doors: Doors, told: Any
) -> None:
    assert bench.host.runs.acceptance.accept("ws-1", the_example(number="N-1")).run_ids == ()

    assert f"! {NOTHING_ENABLED}" in doors.cli("quote", "show", "ws-1", "q-1").output
    assert NOTHING_ENABLED in doors.cli("quote", "list", "ws-1", "--without-invoice").output
    shown = doors.call("GET", "quotes/q-1")["without_invoice"]
    assert (shown["title"], shown["run_id"]) == (NOTHING_ENABLED, None)
    assert shown["hint"] == "Switch on an integration that makes invoices, then run the quote."
    assert [one["quote_id"] for one in doors.call("GET", "quotes?without_invoice=true")["data"]] == ["q-1"]
    assert f"{NOTHING_ENABLED} {shown['hint']}" in doors.page("quotes/q-1")
    assert "Run the quote" not in doors.page("quotes/q-1").replace("then run the quote", "")
    assert "1 signed quote has no invoice. See why" in doors.page("")
    assert ("warning", "ws-1: 1 signed quote has no invoice.") in findings(bench)
    assert told() == [("quote.without_invoice", NO_INTEGRATION, "N-1")]
    assert doors.admin.post("/console/run/q-1").status_code == 409

    bench.enable(**LINK)
    assert "1 signed quote has no invoice yet." in doors.page(f"integrations/{STRIPE}")
    assert "Run the quote" in doors.page("quotes/q-1")
    assert doors.admin.post("/console/run/q-1").status_code == 303
    bench.work()

    assert bench.quote("q-1")["invoice"]["status"] == "open"
    assert bench.quote("q-1")["without_invoice"] is None
    assert "no invoice" not in doors.page("")
    assert findings(bench) == [("ok", "No signed quote waits for a person, an integration or a key.")]
    assert len(bench.stripe.objects("invoices")) == len(bench.mails()) == 1


def test_a_quote_of_a_unit_without_a_key_is_reported_everywhere_and_saving_the_key_offers_to_run_it(
    bench: Any, doors: Doors, told: Any
) -> None:
    by_unit(bench, bu_1=UNIT_1)
    bench.accept(of_unit("bu_1", "q-0"))

    run = bench.accept(of_unit("bu_2"))

    assert (run["status"], run["error"]["title"]) == ("skipped", NO_KEY)
    hint = run["error"]["hint"]
    assert f"! {NO_KEY}" in doors.cli("quote", "show", "ws-1", "q-1").output
    assert NO_KEY in doors.cli("run", "list", "--without-invoice").output
    assert f"→ {hint}" in doors.cli("run", "show", run["id"]).output
    for path in ("quotes?without_invoice=true", "runs?without_invoice=true"):
        assert [one["quote_id"] for one in doors.call("GET", path)["data"]] == ["q-1"]
    for path in ("runs?status=without_invoice", "quotes?without_invoice=1"):
        assert "! No invoice" in doors.page(path) and NO_KEY in doors.page(path) and "N-q-0" not in doors.page(path)
    for path in (f"runs/{run['id']}", "quotes/q-1"):
        assert "! No invoice" in doors.page(path) and f"{NO_KEY} {hint}" in doors.page(path)
        assert "Nothing to do" not in doors.page(path)
    assert ("warning", "ws-1: 1 signed quote has no invoice.") in findings(bench)
    assert told() == [("quote.without_invoice", "business_unit_without_key", "N-q-1")]

    form = {"token_scope": "business_unit", "business_unit_api_tokens": {"bu_1": "", "bu_2": UNIT_2}, **LINK}
    assert doors.call("PUT", f"plugins/{STRIPE}/settings", form)["kind"] == "settings.save"
    assert doors.call("GET", f"plugins/{STRIPE}/settings")["without_invoice"] == 1
    asked = doors.page(f"run-waiting?plugin={STRIPE}")
    assert "Run 1 quote?" in asked
    assert doors.admin.post("/console/run-waiting", {"plugin": STRIPE}).status_code == 303
    bench.work()

    assert bench.run(run["id"])["status"] == "succeeded"
    assert bench.quote("q-1")["without_invoice"] is None
    assert len(bench.stripe.objects("invoices", account="acct_2")) == 1
    assert len(told()) == 1


def test_a_quote_without_a_unit_gets_its_invoice_by_either_advised_step(bench: Any) -> None:
    by_unit(bench, bu_1=UNIT_1)
    for quote_id in ("q-1", "q-2"):
        run = bench.accept(the_example(id=quote_id, business_unit=None))
        assert (run["status"], run["error"]["code"]) == ("skipped", "business_unit_unknown")

    bench.accept(of_unit("bu_1", "q-1"))
    bench.enable(**LINK, token_scope="workspace")
    bench.host.runs.acceptance.run("ws-1", "q-2")
    bench.work()

    assert [bench.quote(one)["payment_status"] for one in ("q-1", "q-2")] == ["unpaid", "unpaid"]
    assert bench.host.runs.without_invoice.count("ws-1") == 0


def test_a_quote_whose_integration_was_switched_off_can_be_run_later(bench: Any) -> None:
    bench.enable(**LINK)
    (run_id,) = bench.host.runs.acceptance.accept("ws-1", the_example()).run_ids
    bench.host.settings.disable("ws-1", STRIPE)
    bench.work()
    assert bench.quote("q-1")["without_invoice"]["code"] == SWITCHED_OFF

    bench.host.settings.enable("ws-1", STRIPE)
    assert bench.host.runs.acceptance.run_all("ws-1", STRIPE) == [run_id]
    bench.work()

    assert bench.run(run_id)["status"] == "succeeded"


def test_a_quote_without_product_lines_does_not_count_as_lacking_an_invoice(bench: Any, doors: Doors) -> None:
    bench.enable()

    run = bench.accept(a_quote(id="q-1", pricing_table={"sections": []}))

    assert (run["status"], run["error"]) == ("skipped", None), run
    assert bench.quote("q-1")["without_invoice"] is None
    assert "Nothing to do" in doors.page(f"runs/{run['id']}")
    assert "N-" not in doors.page("runs?status=without_invoice")


@pytest.mark.parametrize("door", ["the run's page", "the quote's page", "the API", "the command line"])
@pytest.mark.parametrize("enabled", [True, False])
def test_a_quote_invoiced_by_hand_is_dismissed_and_can_still_be_run(
    bench: Any, doors: Doors, door: str, enabled: bool
) -> None:
    if enabled:
        by_unit(bench, bu_1=UNIT_1)
    bench.host.runs.acceptance.accept("ws-1", of_unit("bu_2"))
    bench.work()
    reason = {"reason": "Invoiced by hand."}

    if door == "the run's page" and enabled:
        assert (
            doors.admin.post(f"/console/runs/{bench.quote('q-1')['runs'][0]['id']}/dismiss", reason).status_code == 303
        )
    elif door == "the API":
        assert doors.call("POST", "quotes/q-1/dismiss", reason)["without_invoice"] is None
    elif door == "the command line":
        assert doors.cli("quote", "dismiss", "ws-1", "q-1", "--reason", reason["reason"]).exit_code == 0
    else:
        assert doors.admin.post("/console/dismiss/q-1", reason).status_code == 303

    (run,) = bench.quote("q-1")["runs"]
    assert run["status"] == "dismissed" and "Invoiced by hand." in run["outcome"]["notes"][0]
    assert bench.host.runs.without_invoice.count("ws-1") == 0
    with pytest.raises(ActionRefused, match="nothing to dismiss"):
        bench.host.runs.without_invoice.dismiss("ws-1", "q-1", "twice")
    bench.enable(**LINK)
    assert bench.host.runs.without_invoice.count("ws-1") == 0, "enabling does not forget it"
    assert bench.accept(of_unit("bu_2"))["status"] == "dismissed", "nor does accepting it again"
    bench.host.runs.acceptance.run("ws-1", "q-1")
    bench.work()
    assert bench.quote("q-1")["payment_status"] == "unpaid"


def test_running_a_quote_that_succeeded_is_refused_with_a_hint(bench: Any, doors: Doors) -> None:
    bench.enable()
    run = bench.accept(the_example())

    answer = doors.call("POST", "quotes/q-1/run")

    assert answer["title"] == f"Run {run['id']} of this quote succeeded: there is nothing left to do."
    assert answer["detail"] == "Correct the quote and accept it again: then the change is worked on."
    assert len(bench.stripe.objects("invoices")) == 1


def test_an_undone_quote_is_worked_again_by_the_advised_step(bench: Any) -> None:
    bench.enable()
    run = bench.accept(the_example())
    bench.host.runs.cancellation.undo(run["id"])
    bench.work()

    with pytest.raises(ActionRefused, match="is undone") as refused:
        bench.host.runs.acceptance.run("ws-1", "q-1")

    assert refused.value.hint == "Accepted again, it begins anew."
    bench.accept(the_example())
    assert bench.quote("q-1")["payment_status"] == "draft"


@pytest.mark.parametrize(
    ("quote_id", "plugin", "refusal"),
    [
        ("q-9", None, "no quote"),
        ("q-1", "nobody", "no plugin"),
        ("q-1", None, "No integration"),
        ("q-1", STRIPE, "not en"),
    ],
)
def test_a_quote_that_cannot_be_run_says_why(bench: Any, quote_id: str, plugin: str | None, refusal: str) -> None:
    bench.host.runs.acceptance.accept("ws-1", the_example())

    with pytest.raises((ActionRefused, NotFound), match=refusal):
        bench.host.runs.acceptance.run("ws-1", quote_id, plugin)


class TestBesideAnotherIntegration:
    @pytest.fixture
    def host_config(self) -> dict[str, Any]:
        return {"plugins_blocked": BROKEN}

    @pytest.fixture
    def both(self, fakes: Any, bench: Any) -> Any:  # noqa: F811
        return bench

    def test_a_quote_of_another_integration_lacks_an_invoice_once_invoicing_is_enabled(self, both: Any) -> None:
        both.set_up("second", {})
        both.accept(the_example())
        assert both.host.runs.without_invoice.count("ws-1") == 0

        both.enable()
        assert both.quote("q-1")["without_invoice"]["code"] == NO_INVOICING
        (run_id,) = both.host.runs.acceptance.run_all("ws-1")
        both.work()

        assert (both.run(run_id)["plugin"], both.run(run_id)["status"]) == (STRIPE, "succeeded")
        assert both.quote("q-1")["without_invoice"] is None

    def test_an_integration_without_invoices_is_offered_only_quotes_without_a_run(self, both: Any) -> None:
        by_unit(both, bu_1=UNIT_1)
        both.accept(of_unit("bu_2", "q-1"))
        both.host.settings.disable("ws-1", STRIPE)
        both.host.runs.acceptance.accept("ws-1", of_unit("bu_1", "q-2"))
        both.set_up("second", {})

        assert both.host.runs.without_invoice.count("ws-1", "second") == 1
        both.host.runs.acceptance.run_all("ws-1", "second")
        both.work()

        assert [run["plugin"] for run in both.quote("q-2")["runs"]] == ["second"]


def a_run(plugin: str, status: str, code: str | None = None) -> Run:
    place = {"id": "r", "workspace": "ws-1", "plugin": plugin, "quote_id": "q-1", "subject": "q-1", "facts": {}}
    never = dict.fromkeys(("settings_digest", "outcome", "waits_until", "outage_since", "finished_at"))
    kept = {"kind": RunKind.QUOTE_ACCEPTED, "status": RunStatus(status), "attempt": 1, "resumable": False}
    return Run(
        **place, **never, **kept, error={"code": code} if code else None, created_at=datetime(2026, 3, 10, tzinfo=UTC)
    )


@pytest.mark.parametrize(
    ("runs", "enabled", "code"),
    [
        ([], [], NO_INTEGRATION),
        ([], ["bill"], NO_INTEGRATION),
        ([a_run("chat", "succeeded")], ["chat"], None),
        ([a_run("chat", "succeeded")], ["bill", "chat"], NO_INVOICING),
        ([a_run("chat", "skipped", SWITCHED_OFF)], ["chat"], None),
        ([a_run("bill", "skipped", "no_key"), a_run("chat", "succeeded")], ["bill"], "no_key"),
        ([a_run("bill", "skipped")], ["bill"], None),
        ([a_run("bill", "queued")], ["bill"], None),
        ([a_run("bill", "needs_attention", "odd")], ["bill"], None),
        ([a_run("bill", "dismissed", "no_key")], ["bill"], None),
        ([a_run("bill", "skipped", "no_key"), a_run("tax", "succeeded")], ["bill"], None),
    ],
)
def test_the_rule_tells_which_quotes_lack_an_invoice(runs: list[Any], enabled: list[str], code: str | None) -> None:
    assert cause(runs, makers=("bill", "tax"), enabled=enabled) == code
