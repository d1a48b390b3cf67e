"""A backup is made while the host works, and restored an hour later. Later events are sent again, and worked once."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from builders import KEY, LINK, a_quote
from fleet.machines import Fleet, until
from qwoty_integrations_host.reports.quotes import quote_report
from stripe_simulator import StripeSimulator


class SqliteBackup:
    """A consistent backup while the host writes, as ``sqlite3 host.sqlite3 ".backup …"`` makes it."""

    def __init__(self, fleet: Fleet) -> None:
        self.data_dir, self.kept = fleet.data_dir, fleet.folder / "backup"

    def make(self) -> None:
        self.kept.mkdir()
        source, copy = self.data_dir / "host.sqlite3", self.kept / "host.sqlite3"
        with closing(sqlite3.connect(source)) as here, closing(sqlite3.connect(copy)) as there:
            here.backup(there)
        shutil.copy(self.data_dir / "keys", self.kept)

    def restore(self) -> None:
        shutil.rmtree(self.data_dir)
        shutil.copytree(self.kept, self.data_dir)


class PostgresqlBackup:
    """pg_dump, and pg_restore into the emptied database."""

    def __init__(self, fleet: Fleet, server: Any) -> None:
        self.bin, self.kept = Path(server.bin_path), fleet.folder / "backup.dump"
        self.url = str(fleet.database).replace("postgresql+psycopg", "postgresql")

    def make(self) -> None:
        self._call("pg_dump", "--format=custom", f"--file={self.kept}", self.url)

    def restore(self) -> None:
        self._call("pg_restore", "--clean", "--if-exists", f"--dbname={self.url}", str(self.kept))

    def _call(self, program: str, *words: str) -> None:
        done = subprocess.run([self.bin / program, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.fixture(params=["sqlite", "postgresql"])
def backed_up(request: pytest.FixtureRequest, fleets: Callable[..., Fleet]) -> tuple[Fleet, Any]:
    if request.param == "sqlite":
        fleet = fleets()
        return fleet, SqliteBackup(fleet)
    fleet = fleets(database=request.getfixturevalue("postgresql"))
    return fleet, PostgresqlBackup(fleet, request.getfixturevalue("postgresql_server"))


def work_off(fleet: Fleet, count: int) -> None:
    """Wait until so many runs have ended, and expect that all succeeded."""
    with closing(fleet.observer()) as observer:

        def ended() -> bool:
            with observer.store.read() as db:
                found = db.exec_driver_sql("SELECT kind, status, error FROM runs").fetchall()
            return len(found) >= count and not {"queued", "running"} & {status for _, status, _ in found}

        def statuses() -> list[Any]:
            with observer.store.read() as db:
                return [tuple(row) for row in db.exec_driver_sql("SELECT kind, quote_id, status, error FROM runs")]

        until(ended, statuses, seconds=30)
        assert {status for kind, _, status, _ in statuses() if kind != "upkeep"} == {"succeeded"}, statuses()


def shown(fleet: Fleet, quote_id: str) -> dict[str, Any]:
    with closing(fleet.observer()) as observer:
        return quote_report(observer.store, "ws-1", quote_id, observer.clock.now())


@pytest.mark.parametrize("keys", ["remembered", "forgotten"])
def test_events_after_the_backup_are_sent_again_and_worked_once(
    backed_up: tuple[Fleet, Any], stripe_simulator: StripeSimulator, keys: str
) -> None:
    fleet, backup = backed_up
    fleet.add_workspaces({"ws-1": {"workspace_api_token": KEY, **LINK}})
    before, after = (a_quote(id=name, installments=2) for name in ("q-before", "q-after"))
    host = fleet.serve()
    fleet.accept("ws-1", before)
    work_off(fleet, 1)
    backup.make()
    (session,) = stripe_simulator.objects("sessions")
    stripe_simulator.pay(session["id"])
    fleet.accept("ws-1", after)
    assert stripe_simulator.wait_for_webhooks()
    work_off(fleet, 4)
    paid = shown(fleet, "q-before")
    host.stop()

    backup.restore()
    if keys == "forgotten":
        stripe_simulator.api.idempotency.reset()  # as a day later
    host = fleet.serve(QWOTY_HOST_RESTORED="true")
    assert shown(fleet, "q-before")["payment_status"] == "unpaid"
    for quote in (before, after):
        fleet.accept("ws-1", quote)
    assert stripe_simulator.deliver(again=True)
    assert {delivery["status"] for delivery in stripe_simulator.deliveries} == {"delivered"}
    work_off(fleet, 4)

    invoices = stripe_simulator.objects("invoices")
    assert sorted(invoice["metadata"]["qwoty_quote_id"] for invoice in invoices) == ["q-after", "q-before"]
    assert len(stripe_simulator.objects("customers")) == 1
    again = shown(fleet, "q-before")
    assert {name: again[name] for name in again if name != "runs"} == {
        name: paid[name] for name in paid if name != "runs"
    }
    attached = [payment for payment in stripe_simulator.objects("invoice_payments") if not payment["is_default"]]
    assert len(attached) == 1
    assert len([s for s in stripe_simulator.objects("sessions") if s["status"] == "open"]) == 1
    assert shown(fleet, "q-after")["installments"][0]["status"] == "sent"
    assert host.stop() == 0
