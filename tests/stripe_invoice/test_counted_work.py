"""The work for one quote, counted and not timed: requests to Stripe, statements and commits (docs/performance.md).

Every quote pays for a bound that is raised: find out why it is exceeded, or write here why it is worth the price.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.event import listen, remove

from builders import LINK, a_line, a_quote, the_example
from qwoty_integrations_host.config import HostConfig
from qwoty_integrations_host.host import Host, create_host
from qwoty_integrations_host.reports.quotes import list_quotes
from qwoty_integrations_host.reports.runs import list_runs
from qwoty_integrations_host.store.workspaces import add_workspace
from stripe_simulator import StripeSimulator

KEY = {"workspace_api_token": "sk_test_51SimulatedKey0001"}
#: The names of the threads that work jobs and call hooks begin so. Other threads look for work by the clock.
WORKS, HOOKS = "dbos-executor", "stripe_invoice."


@contextmanager
def counted(engine: sa.Engine, *threads: str) -> Iterator[Counter[str]]:
    """Count the statements and the changing commits of the threads whose names begin so."""
    found: Counter[str] = Counter()
    written: set[int] = set()

    def asked(line: Any, cursor: Any, statement: str, *_: Any) -> None:
        words = statement.split(None, 1)[0].upper()
        if threading.current_thread().name.startswith(threads) and words not in {"BEGIN", "PRAGMA"}:
            found["statements"] += 1
            if words in {"INSERT", "UPDATE", "DELETE"}:
                written.add(id(line.connection.dbapi_connection))

    def commit(line: Any) -> None:
        if id(line.connection.dbapi_connection) in written:
            written.discard(id(line.connection.dbapi_connection))
            found["commits"] += 1

    listen(engine, "after_cursor_execute", asked)
    listen(engine, "commit", commit)
    try:
        yield found
    finally:
        remove(engine, "after_cursor_execute", asked)
        remove(engine, "commit", commit)


@pytest.fixture
def host(tmp_path: Path, stripe_simulator: StripeSimulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """A host with the durable engine at work and one quote done: the next quote finds its customer and rate."""
    monkeypatch.setenv("QWOTY_STRIPE_API_BASE", stripe_simulator.url)
    host = create_host(HostConfig(data_dir=tmp_path / "data", public_url="https://host.example"))
    with host.store.write() as db:
        add_workspace(db, "ws-1", host.clock.now())
    host.settings.save("ws-1", "stripe_invoice", {**KEY, **LINK})
    host.settings.enable("ws-1", "stripe_invoice")
    assert host.start_worker()
    work(host, the_example())
    yield host
    host.close()


def work(host: Host, quote: dict[str, Any]) -> None:
    (run_id,) = host.runs.acceptance.accept("ws-1", quote).run_ids
    # The engine, too, has to record that the job has ended.
    assert host.engine.wait(lambda: host.engine.ended(f"{run_id}.1"), timeout=30)
    assert not host.waiting([run_id])


def test_a_quote_of_a_known_customer_stays_within_its_counts_of_statements_and_commits(host: Host) -> None:
    with counted(host.store.engine, WORKS, HOOKS) as found:
        work(host, the_example(id="q-2"))

    # Far fewer would mean that the wrong threads are counted. Eight change the record or the state, four come before
    # Stripe's writes, two note the mail; one takes the quote, one begins the run, one ends it (ADR 0082).
    assert 10 < found["commits"] <= 17, found
    assert found["statements"] <= 78, found


def test_accepting_a_quote_is_one_commit(host: Host) -> None:
    with counted(host.store.engine, threading.current_thread().name) as found:
        host.runs.acceptance.accept("ws-1", the_example(id="q-2"))

    assert found["commits"] == 1
    assert found["statements"] <= 16, found  # eight of them store the quote for the search


def test_what_a_quote_costs_does_not_grow_with_its_lines(host: Host) -> None:
    work(host, a_quote(id="first", installments=2))
    costs = []
    for lines in (2, 100):
        with counted(host.store.engine, WORKS, HOOKS) as found:
            work(host, a_quote(*(a_line(f"l{n}") for n in range(lines)), id=f"q-{lines}", installments=2))
        costs.append(found)

    few, many = costs
    assert few == many


@pytest.mark.parametrize(("lines", "calls"), [(1, 6), (100, 6), (101, 7), (250, 8)])
def test_a_quote_of_a_known_customer_takes_six_requests_and_one_for_each_further_hundred_lines(
    bench: Any, lines: int, calls: int
) -> None:
    bench.enable(**LINK)
    bench.accept(a_quote(id="first", installments=2))
    bench.stripe.requests.reset()

    run = bench.accept(a_quote(*(a_line(f"l{n}") for n in range(lines)), id="second", installments=2))

    assert run["status"] == "succeeded", run
    assert len(bench.stripe.requests) == calls


def test_a_webhook_of_a_stranger_costs_six_statements_and_one_commit(host: Host) -> None:
    """An acknowledgement needs the settings, their secret, the endpoint's secret and state, and the event's row."""
    token = _token(host)
    request = _signed_event(host, token)

    with counted(host.store.engine, threading.current_thread().name, HOOKS) as found:
        assert host.runs.webhooks.receive("ws-1", "stripe_invoice", request) == "ignored"

    assert found["commits"] == 1
    assert found["statements"] <= 6, found


def test_the_next_webhook_at_the_same_address_costs_two_statements_and_one_commit(host: Host) -> None:
    """Whether all is as it was for the one before, and the event's row (ADR 0085)."""
    token = _token(host)
    first, second = (_signed_event(host, token, event_id) for event_id in ("evt_1", "evt_2"))
    host.runs.webhooks.receive("ws-1", "stripe_invoice", first)

    with counted(host.store.engine, threading.current_thread().name, HOOKS) as found:
        answer = host.runs.webhooks.receive("ws-1", "stripe_invoice", second)

    assert answer == "ignored"
    assert found == {"statements": 2, "commits": 1}


def test_a_longer_list_costs_no_more_statements(host: Host) -> None:
    costs = []
    for number in range(3):
        work(host, the_example(id=f"more-{number}"))
        with counted(host.store.engine, threading.current_thread().name) as found:
            assert len(list_runs(host.store, workspace="ws-1")["data"]) == number + 2
            assert len(list_quotes(host.store, "ws-1", host.clock.now())["data"]) == number + 2
        costs.append(found["statements"])

    assert len(set(costs)) == 1
    assert costs[0] <= 9


def _token(host: Host) -> str:
    with host.store.read() as db:
        wanted = "SELECT json_extract(value, '$.url') FROM plugin_state WHERE name LIKE 'webhook_endpoint:%'"
        return str(db.exec_driver_sql(wanted).scalar_one()).rsplit("/", 1)[1]


def _signed_event(host: Host, token: str, event_id: str = "evt_1") -> Any:
    import hashlib
    import hmac

    from qwoty_integrations_host.contract.hook_types import WebhookRequest

    ctx = host.integrations.contexts.make("ws-1", "stripe_invoice", {})
    secret = ctx.secrets.get(f"webhook:{token}")
    assert secret is not None
    event = {"id": event_id, "object": "event", "type": "customer.created", "data": {"object": {}}}
    body = json.dumps(event).encode()
    now = int(host.clock.now().timestamp())
    digest = hmac.new(secret.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
    return WebhookRequest(token, body, {"Stripe-Signature": f"t={now},v1={digest}"})
