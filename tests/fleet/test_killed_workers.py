"""Under load, workers on one PostgreSQL are killed repeatedly. Every quote is invoiced and paid once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from builders import LINK, a_line, a_quote, vat
from fleet.machines import Fleet, Process, until
from qwoty_integrations_host.host import Host
from qwoty_integrations_host.reports.quotes import quote_report
from stripe_simulator import StripeSimulator

#: Ends of a run whose worker was killed that need a person, who then calls `run retry`.
FOR_PEOPLE = {"mail_unsure", "set_aside"}


@dataclass(frozen=True)
class Size:
    """The size of the test: at most ``kills`` kills in each of the two phases, with ``gap`` seconds between them."""

    workspaces: int
    quotes: int
    kills: int
    gap: float
    seconds: float


SMALL = Size(workspaces=4, quotes=20, kills=1, gap=2.0, seconds=120)
WHOLE = Size(workspaces=20, quotes=200, kills=1000, gap=5.0, seconds=900)


def workspaces(size: Size) -> list[str]:
    return [f"ws-{n}" for n in range(size.workspaces)]


def key_of(workspace: str) -> str:
    return f"sk_test_51Load{workspace.replace('-', '')}"


def quotes(size: Size) -> list[tuple[str, dict[str, Any]]]:
    """The quotes of all workspaces in turn: two new contacts and two tax rates in each, and no two equal totals."""
    found = []
    for n in range(size.quotes):
        contact = {"id": f"c-{n // size.workspaces % 2}", "email": f"c{n // size.workspaces % 2}@buyer.example"}
        lines = [a_line("l1", f"{100 + n}.00"), a_line("l2", "50.00", taxes=[vat("10")])]
        quote = a_quote(*lines, id=f"q-{n}", installments=2, contact=contact)
        found.append((f"ws-{n % size.workspaces}", quote))
    return found


@dataclass
class Reaper:
    """Kills one worker after another, and starts a new one for each."""

    fleet: Fleet
    workers: list[Process]
    size: Size
    kills: int = 0
    left: int = 0
    last: float = field(default_factory=time.monotonic)

    def reap(self) -> None:
        if self.left == 0 or time.monotonic() < self.last + self.size.gap or not self.workers[-1].says("Working"):
            return
        self.left -= 1
        self.kills += 1
        self.workers.pop(0).kill()
        self.workers.append(self.fleet.start("worker"))
        self.last = time.monotonic()


@pytest.fixture
def load(
    fleets: Callable[..., Fleet], postgresql: str, stripe_simulator: StripeSimulator, mail_server: Any, size: Size
) -> Iterator[tuple[Fleet, Host]]:
    fleet = fleets(database=postgresql, smtp_port=mail_server.port)
    for workspace in workspaces(size):
        stripe_simulator.add_key(key_of(workspace), account=f"acct_{workspace}")
    fleet.add_workspaces({ws: {"workspace_api_token": key_of(ws), **LINK} for ws in workspaces(size)})
    stripe_simulator.config.update(latency_ms=30)
    fleet.serve("--no-worker")
    observer = fleet.observer()
    yield fleet, observer
    fleet.end()
    observer.close()
    stripe_simulator.config.update(latency_ms=0)


def runs(observer: Host) -> Counter[str]:
    """The number of runs in each state; runs that need a person are counted by their code."""
    with observer.store.read() as db:
        rows = db.exec_driver_sql("SELECT status, error FROM runs").fetchall()
    return Counter(error["code"] if status in {"needs_attention", "failed"} else status for status, error in rows)


def ended(observer: Host, least: int) -> bool:
    found = runs(observer)
    return found.total() >= least and not found.keys() & {"queued", "running", "waiting"}


def settle(fleet: Fleet, observer: Host, size: Size) -> Counter[str]:
    """Retry the runs that need a person until there are none, and return how many there were."""
    seen: Counter[str] = Counter()
    # A run that was set aside while a mail left needs two retries: the first finds that the mail is unsure.
    for _ in range(3):
        until(lambda: ended(observer, size.quotes), lambda: runs(observer), seconds=size.seconds)
        with observer.store.read() as db:
            wanted = "SELECT id, error FROM runs WHERE status IN ('needs_attention', 'failed')"
            rows = db.exec_driver_sql(wanted).fetchall()
        for run_id, _ in rows:
            fleet.run("run", "retry", run_id)
        seen.update(error["code"] for _, error in rows)
    return seen


@pytest.mark.timeout(2000)
@pytest.mark.parametrize(
    "size", [pytest.param(SMALL, id="small"), pytest.param(WHOLE, id="whole", marks=pytest.mark.fleet)]
)
def test_every_quote_is_invoiced_and_paid_once_while_workers_are_killed(
    size: Size,
    load: tuple[Fleet, Host],
    stripe_simulator: StripeSimulator,
    mail_server: Any,
    record_property: Callable[[str, Any], None],
) -> None:
    fleet, observer = load
    reaper = Reaper(fleet, [fleet.worker(), fleet.worker()], size)

    reaper.left, reaper.last = size.kills, time.monotonic()
    with ThreadPoolExecutor(4) as senders:
        sent = senders.map(lambda given: fleet.accept(*given), quotes(size))
        invoiced_in = until(
            lambda: ended(observer, size.quotes), lambda: runs(observer), seconds=size.seconds, meanwhile=reaper.reap
        )
        list(sent)
    seen = settle(fleet, observer, size)

    assert_invoiced_once(size, stripe_simulator)
    assert_mailed_once(size, mail_server, again=seen["mail_unsure"])

    reaper.left, reaper.last = size.kills, time.monotonic()
    for workspace in workspaces(size):
        for session in stripe_simulator.objects("sessions", account=f"acct_{workspace}"):
            stripe_simulator.pay(session["id"])
            reaper.reap()
    paid_in = until(
        lambda: is_paid(size, observer, stripe_simulator),
        lambda: runs(observer),
        seconds=size.seconds,
        meanwhile=reaper.reap,
    )
    seen_paying = settle(fleet, observer, size)

    assert_paid_once(size, observer, stripe_simulator)
    assert not (seen + seen_paying).keys() - FOR_PEOPLE, seen + seen_paying
    assert reaper.kills >= min(2, 2 * size.kills)
    figures = {
        "quotes": size.quotes,
        "workspaces": size.workspaces,
        "kills": reaper.kills,
        "runs_taken_over": taken_over(observer),
        "seconds": round(invoiced_in + paid_in, 1),
        "quotes_per_minute": round(60 * size.quotes / invoiced_in, 1),
        "repeated_calls": repeated(observer),
        "unsure_mails": seen["mail_unsure"],
        "set_aside": (seen + seen_paying)["set_aside"],
    }
    record_property("fleet", figures)
    print(figures)


def assert_invoiced_once(size: Size, stripe: StripeSimulator) -> None:
    for workspace in workspaces(size):
        account = f"acct_{workspace}"
        wanted = {quote["id"]: quote for ws, quote in quotes(size) if ws == workspace}
        invoices = stripe.objects("invoices", account=account)
        found = {invoice["metadata"]["qwoty_quote_id"]: invoice for invoice in invoices}
        assert sorted(found) == sorted(wanted) and len(invoices) == len(found)
        for quote_id, invoice in found.items():
            net = Decimal(
                wanted[quote_id]["pricing_table"]["sections"][0]["phases"][0]["line_items"][0]["amounts"]["net"]
            )
            assert [line["amount"] for line in invoice["lines"]["data"]] == [int(net * 100), 5000]
            total = Decimal(wanted[quote_id]["summary"]["one_off"]["total_amount"])
            assert (invoice["status"], invoice["total"]) == ("open", int(total * 100))
        contacts = {quote["customer"]["contacts"][0]["id"] for quote in wanted.values()}
        counts = {kind: len(stripe.objects(kind, account=account)) for kind in ("customers", "tax_rates", "endpoints")}
        assert counts == {"customers": len(contacts), "tax_rates": 2, "endpoints": 1}
        sessions = stripe.objects("sessions", account=account)
        assert [session["status"] for session in sessions] == ["open"] * len(wanted)


def assert_mailed_once(size: Size, mail_server: Any, *, again: int) -> None:
    ids = mail_server.message_ids
    assert len(set(ids)) == size.quotes, "one mail for each quote"
    assert len(ids) <= size.quotes + again, "only an unsure mail that was retried was sent again"


def is_paid(size: Size, observer: Host, stripe: StripeSimulator) -> bool:
    """Whether two events came for each payment: about its link, and about its invoice once it was attached."""
    return stripe.wait_for_webhooks(0.1) and ended(observer, 3 * size.quotes)


def assert_paid_once(size: Size, observer: Host, stripe: StripeSimulator) -> None:
    for workspace, quote in quotes(size):
        shown = quote_report(observer.store, workspace, quote["id"], observer.clock.now())
        assert [part["status"] for part in shown["installments"]] == ["paid", "scheduled"], shown
        assert shown["payment_status"] == "partially_paid"
    for workspace in workspaces(size):
        payments = [p for p in stripe.objects("invoice_payments", account=f"acct_{workspace}") if not p["is_default"]]
        of_invoices = Counter(payment["invoice"] for payment in payments)
        assert set(of_invoices.values()) == {1} and len(of_invoices) == size.quotes // size.workspaces


def taken_over(observer: Host) -> int:
    """The number of runs whose worker was killed and which another worker finished."""
    with observer.store.read() as db:
        return int(db.exec_driver_sql("SELECT count(*) FROM job_deaths").scalar_one())


def repeated(observer: Host) -> int:
    """The number of repeated starts of steps."""
    with observer.store.read() as db:
        return int(db.exec_driver_sql("SELECT coalesce(sum(attempts - 1), 0) FROM steps").scalar_one())
