"""The host's own database is locked, full or away: no run ends because of that, and no step is repeated unnoticed."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy.exc import OperationalError

from builders import a_quote
from database_trouble import Away, FullDisk, Lock
from host_server import BROKEN, REAL, served
from qwoty_integrations_host import Attempt, Outcome, QuoteRecord
from qwoty_integrations_host.config import HostConfig, RetryPolicy
from qwoty_integrations_host.errors import DatabaseUnavailable
from qwoty_integrations_host.host import Host, create_host
from qwoty_integrations_host.reports.runs import find_run
from qwoty_integrations_host.store import database
from qwoty_integrations_host.store.api_keys import create_api_key
from qwoty_integrations_host.store.workspaces import add_workspace


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)


TROUBLE = ["locked", "full", "away"]


@contextmanager
def troubled(kind: str, host: Host, address: str) -> Iterator[Any]:
    makers: dict[str, Callable[[], Any]] = {
        "locked": lambda: Lock(host.config.data_dir / "host.sqlite3"),
        "full": lambda: FullDisk(host),
        "away": lambda: Away(address),
    }
    found = makers[kind]()
    try:
        yield found
    finally:
        found.close()


@contextmanager
def durable(kind: str, folder: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Host, Any]]:
    """A host on the durable engine with the recorder enabled, and one kind of trouble for its database."""
    address = request.getfixturevalue("postgresql") if kind == "away" else ""
    soon = RetryPolicy(first_gap=0.1, waits=(timedelta(seconds=0.5),))
    config = HostConfig(
        data_dir=folder / "data",
        plugins_blocked=BROKEN | REAL,
        retry=soon,
        shared_database=address or None,
    )
    host = create_host(config)
    with host.store.write() as db:
        add_workspace(db, "ws-1", host.clock.now())
    host.settings.save("ws-1", "recorder", {"token": "key_Plain1234567890"})
    host.settings.enable("ws-1", "recorder")
    with troubled(kind, host, address) as trouble:
        yield host, trouble
    host.close()


def ended(host: Host, run_id: str, *, seconds: float = 30.0) -> dict[str, Any]:
    """Wait until the run has ended, and return it."""
    deadline, run = time.monotonic() + seconds, {}
    while time.monotonic() < deadline:
        with suppress(DatabaseUnavailable):
            run = find_run(host.store, run_id)
            if run["status"] not in {"queued", "running", "waiting"}:
                return run
        time.sleep(0.05)
    raise AssertionError(f"it did not end: {run}")


@pytest.mark.parametrize("where", ["while a step works", "while a step keeps its record"])
@pytest.mark.parametrize("kind", TROUBLE)
def test_a_run_resumes_by_itself_when_the_database_recovers(
    kind: str, where: str, fakes: Any, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with durable(kind, tmp_path, request) as (host, trouble):
        first, seen = list[Attempt](), list[Attempt]()

        def work(ctx: Any, attempt: Attempt) -> str:
            seen.append(Attempt(attempt.number, attempt.key, attempt.first_started_at))
            if len(seen) == 1:
                trouble.take()
                threading.Timer(1.5, trouble.let_go).start()
            if where == "while a step keeps its record":
                ctx.records.update("q-7", lambda _: QuoteRecord(currency="EUR"))
            return "x" * 20_000  # more than fits on a full disk

        def hook(ctx: Any, _quote: Any) -> Outcome:
            ctx.step("first", lambda attempt: first.append(attempt) or "one")
            ctx.step("second", lambda attempt: work(ctx, attempt))
            return Outcome.done()

        fakes.answers["on_quote_accepted"] = hook
        assert host.start_worker()
        (run_id,) = host.runs.acceptance.accept("ws-1", a_quote()).run_ids

        run = ended(host, run_id)

        assert (run["status"], run["error"]) == ("succeeded", None)
        assert len(first) == 1, "the next attempt keeps the recorded results"
        assert len(seen) > 1, "the trouble was noticed"
        assert all(attempt.repeated for attempt in seen[1:]), "the step looks for what it may have done before"
        assert len(host.runs.acceptance.accept("ws-1", a_quote()).run_ids) == 1


@pytest.mark.parametrize("kind", TROUBLE)
def test_a_process_that_stops_during_the_trouble_leaves_the_run_to_the_next(
    kind: str, fakes: Any, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    seen = list[int]()

    def work(trouble: Any) -> str:
        seen.append(1)
        if len(seen) == 1:
            trouble.take()
        return "x" * 20_000

    with durable(kind, tmp_path, request) as (host, trouble):
        fakes.answers["on_quote_accepted"] = lambda ctx, _: ctx.step("it", lambda _: work(trouble)) and Outcome.done()
        assert host.start_worker()
        (run_id,) = host.runs.acceptance.accept("ws-1", a_quote()).run_ids
        assert host.engine.wait(lambda: bool(seen), timeout=10)
        time.sleep(0.5)
        let_go = threading.Timer(1.0, trouble.let_go)
        let_go.start()
        assert host.close(patience=20)
        let_go.join()

    again = create_host(host.config)
    assert again.start_worker()
    run = ended(again, run_id)
    assert (run["status"], run["error"]) == ("succeeded", None)
    again.close()


@pytest.mark.parametrize("kind", TROUBLE)
def test_the_api_answers_503_and_accepts_the_quote_when_it_is_sent_again(
    kind: str, fakes: Any, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with durable(kind, tmp_path, request) as (host, trouble), served(host) as url:
        with host.store.write() as db:
            headers = {"Authorization": f"Bearer {create_api_key(db, 'ws-1', host.clock.now())}"}
        # More than fits on a full disk.
        quote = a_quote(number="Q" * 200, notes="x" * 50_000)
        trouble.take()

        refused = requests.post(f"{url}/v1/workspaces/ws-1/quotes/accepted", json=quote, headers=headers, timeout=20)
        trouble.let_go()
        taken = requests.post(f"{url}/v1/workspaces/ws-1/quotes/accepted", json=quote, headers=headers, timeout=20)

        event: dict[str, Any] = {
            "data": json.dumps({"id": "evt_1", "type": "paid", "padding": "x" * 50_000}),
            "timeout": 20,
        }
        event["headers"] = {"X-Signature": "signed"}
        trouble.take()
        unheard = requests.post(f"{url}/webhooks/recorder/ws-1/right", **event)
        trouble.let_go()
        heard = requests.post(f"{url}/webhooks/recorder/ws-1/right", **event)

        assert (unheard.status_code, heard.status_code) == (503, 200)
        assert (refused.status_code, refused.json()["code"]) == (503, "database_unavailable")
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert int(refused.headers["Retry-After"]) > 0
        assert (taken.status_code, taken.json()["duplicate"]) == (202, False)


def test_an_error_in_our_statement_is_not_treated_as_an_outage(tmp_path: Path) -> None:
    store = database.Store(database.open_database(f"sqlite:///{tmp_path / 'db'}"))

    with pytest.raises(OperationalError, match="no such table"), store.read() as db:
        db.exec_driver_sql("SELECT * FROM nowhere")

    store.close()
