"""What the tests of Stripe Invoice share: what they do to a bench, and what they read from it.

Another person works in the Stripe Dashboard meanwhile: with another key of the same account, through the real SDK.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import stripe
import structlog
from click.testing import CliRunner
from werkzeug.test import Client

from builders import HALVES, LINK, OPEN, a_line, a_quote, the_example, vat
from console.conftest import Person, follow
from in_process import Desk
from qwoty_integrations_host.cli import main
from qwoty_integrations_host.web.app import create_app
from qwoty_integrations_host.web.sessions import login_link
from qwoty_integrations_host.workspaces import api_keys

stripe.enable_telemetry = False
SOMEBODY = "sk_test_SomebodyElse0001"


@pytest.fixture
def v1(bench: Any) -> Iterator[Any]:
    """The SDK's client of a person who works in the Stripe Dashboard meanwhile."""
    http = stripe.RequestsClient(timeout=5)
    yield stripe.StripeClient(SOMEBODY, base_addresses={"api": bench.stripe.url}, http_client=http).v1
    http.close()


@pytest.fixture
def meanwhile(bench: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, Callable[[], Any]], list[Any]]:
    """Do something once, at the moment when Stripe has done what a request asks for and has not answered yet.

    The list that is given back holds the order until it is done.
    """
    answer = bench.stripe.api.answer

    def order(method: str, path: str, act: Callable[[], Any]) -> list[Any]:
        open_orders = [act]

        def answering(given: Any) -> Any:
            try:
                return answer(given)
            finally:
                if open_orders and given.method == method and re.search(path, given.path):
                    open_orders.pop()()

        monkeypatch.setattr(bench.stripe.api, "answer", answering)
        return open_orders

    return order


@pytest.fixture
def linked(bench: Any) -> Any:
    """A bench on which 120.00 EUR are invoiced in two halves (quote q-7), and the link of the first half is out."""
    bench.enable(**LINK)
    run = bench.accept(HALVES)
    assert run["status"] == "succeeded", run
    return bench


@pytest.fixture
def linked_example(bench: Any) -> Any:
    """A bench on which the documented example (quote q-1) is invoiced, and the link of its first installment is out."""
    bench.enable(**LINK)
    run = bench.accept(the_example())
    assert run["status"] == "succeeded", run
    return bench


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    """The plan and the simulator in this process, without HTTP."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("QWOTY_STRIPE_API_BASE", raising=False)
        yield Desk()


# -- the three sides of the workspace ws-1 --------------------------------------------------------------


@pytest.fixture
def command(bench: Any) -> Iterator[Callable[..., Any]]:
    """The command line with the data directory of the bench."""
    handlers, level = list(logging.getLogger().handlers), logging.getLogger().level
    folder = str(bench.host.config.data_dir)
    yield lambda *words, given=None: CliRunner().invoke(
        main, ["--data-dir", folder, *words], input=None if given is None else json.dumps(given)
    )
    logging.getLogger().handlers, logging.getLogger().level = handlers, level
    structlog.reset_defaults()


@pytest.fixture
def call(bench: Any) -> Callable[..., Any]:
    """A client of the HTTP API with a key of ws-1."""
    client, key = Client(create_app(bench.host)), api_keys.create(bench.host.store, bench.host.clock, "ws-1")["key"]
    headers = {"Authorization": f"Bearer {key}"}
    return lambda method, path, body=None: client.open(
        f"/v1/workspaces/ws-1{path}", method=method, headers=headers, json=body
    )


@pytest.fixture
def admin(bench: Any) -> Person:
    """An admin of ws-1 who is logged in to the console."""
    person = Person(bench, Client(create_app(bench.host)))
    follow(person.client, login_link(bench.host, "ws-1", "admin"))
    return person


# -- what a quote shows ----------------------------------------------------------------------------------


def parts(bench: Any, name: str, quote_id: str = "q-7") -> list[Any]:
    """This field of each installment."""
    return [part[name] for part in bench.quote(quote_id)["installments"]]


def figures(bench: Any, quote_id: str = "q-7") -> tuple[str, str, str]:
    """The payment status, the amount paid, and the amount that remains."""
    quote = bench.quote(quote_id)
    return quote["payment_status"], quote["amount_paid"], quote["amount_remaining"]


def webhook_runs(bench: Any, quote_id: str = "q-7") -> list[dict[str, Any]]:
    return [run for run in bench.quote(quote_id)["runs"] if run["kind"] == "webhook"]


def alerts(bench: Any) -> list[dict[str, Any]]:
    """The runs that a person has to look at."""
    return [run for run in bench.quote("q-7")["runs"] if run["status"] in {"needs_attention", "failed"}]


def notes(*runs: dict[str, Any]) -> str:
    """All notes of these runs, one a line."""
    return "\n".join(note for run in runs for note in run["outcome"]["notes"])


def notes_of_success(run: dict[str, Any]) -> list[str]:
    assert run["status"] == "succeeded", run
    return list(run["outcome"]["notes"])


# -- what is at Stripe ---------------------------------------------------------------------------------


def the_invoice(bench: Any) -> dict[str, Any]:
    """The only invoice."""
    (invoice,) = bench.stripe.objects("invoices")
    found: dict[str, Any] = invoice
    return found


def invoice_lines(bench: Any) -> list[dict[str, Any]]:
    """The lines of the only invoice."""
    found: list[dict[str, Any]] = the_invoice(bench)["lines"]["data"]
    return found


def totals(bench: Any) -> list[tuple[str, int]]:
    """The status and the total of each invoice."""
    return [(invoice["status"], invoice["total"]) for invoice in bench.stripe.objects("invoices")]


def first_link(bench: Any) -> str:
    """The id of the first Checkout session."""
    return str(bench.stripe.objects("sessions")[0]["id"])


def open_links(bench: Any) -> int:
    """How many Checkout sessions can be paid."""
    return sum(session["status"] == "open" for session in bench.stripe.objects("sessions"))


def writes(bench: Any) -> list[str]:
    """The last part of the path of each request that writes."""
    return [r.path.split("/")[-1] for r in bench.stripe.requests if r.method == "POST"]


# -- what happens to a quote ---------------------------------------------------------------------------


def accept_again(bench: Any, quote: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Accept the quote and work its only run; give the answer and the run."""
    accepted = bench.host.runs.acceptance.accept("ws-1", quote)
    bench.work()
    (run_id,) = accepted.run_ids
    return accepted, bench.run(run_id)


def not_yet_final(bench: Any, quote: dict[str, Any], **settings: Any) -> str:
    """Accept the quote so that its draft is complete but does not become final; give the id of the waiting run."""
    bench.stripe.faults.add("500_before", path=r"/finalize$", times=50)
    bench.enable(**OPEN, **settings)
    run = bench.accept(quote)
    assert run["status"] == "waiting"
    bench.stripe.faults.reset()
    return str(run["id"])


def cancel(bench: Any, quote_id: str = "q-7", **said: Any) -> dict[str, Any]:
    """Cancel a quote, work what follows, and give the run that the cancellation began."""
    (run_id,) = bench.host.runs.cancellation.cancel("ws-1", quote_id, **said).run_ids
    bench.work()
    found: dict[str, Any] = bench.run(run_id)
    return found


def void(bench: Any) -> dict[str, Any]:
    """Ask for the invoice of q-7 to be voided; give the run."""
    run_id = bench.host.runs.cancellation.void("ws-1", "q-7")
    bench.work()
    found: dict[str, Any] = bench.run(run_id)
    return found


def days_later(bench: Any, days: int) -> None:
    """Let days pass at the host and at Stripe, then deliver Stripe's webhooks."""
    for clock in (bench.clock, bench.stripe.clock):
        clock.advance(timedelta(days=days).total_seconds())
    bench.webhooks()


# -- customers -----------------------------------------------------------------------------------------


def a_customer(v1: Any, **params: Any) -> str:
    """A customer that somebody made in the Dashboard."""
    return str(v1.customers.create(params={"name": "Found", "email": "ana@buyer.example", **params}).id)


def with_saved(customer: str, **contact: Any) -> dict[str, Any]:
    """A quote whose contact has this customer as its saved id."""
    return a_quote(contact={"external_ids": {"accounting": customer}, **contact})


def billed(bench: Any, quote: dict[str, Any]) -> str:
    """Accept the quote; give the customer that is billed."""
    run = bench.accept(quote)
    assert run["status"] == "succeeded", run
    return str(run["outcome"]["customer_id"])


def asked(bench: Any) -> list[tuple[str, str]]:
    """The requests about customers."""
    return [(r.method, r.path) for r in bench.stripe.requests if r.path.startswith("/v1/customers")]


# -- Tax Rates -----------------------------------------------------------------------------------------


def a_rate(v1: Any, percentage: str = "20", **params: Any) -> str:
    """A Tax Rate that somebody made in the Dashboard."""
    given = {"display_name": "VAT", "inclusive": False, "percentage": percentage, "country": "FR", **params}
    return str(v1.tax_rates.create(params=given).id)


def saved(rate: str, **changes: Any) -> dict[str, Any]:
    """A tax that has this Tax Rate as its saved id."""
    return vat(external_ids={"accounting": rate}, **changes)


def quote_with(*taxes: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A quote of one line with these taxes."""
    return a_quote(a_line(taxes=list(taxes)), **changes)


def used(bench: Any, quote: dict[str, Any]) -> list[str]:
    """Accept the quote; give the Tax Rates on the first line of its invoice."""
    run = bench.accept(quote)
    assert run["status"] == "succeeded", run
    invoices = {invoice["id"]: invoice for invoice in bench.stripe.objects("invoices")}
    line = invoices[run["outcome"]["invoice_id"]]["lines"]["data"][0]
    return [tax["tax_rate_details"]["tax_rate"] for tax in line["taxes"]]
