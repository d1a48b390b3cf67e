"""The tallies of runs, mails and webhook events, from which the metrics are counted: always what a count would give."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from host_server import BROKEN, REAL
from qwoty_integrations_host.clock import ManualClock
from qwoty_integrations_host.host import Host
from qwoty_integrations_host.store import counts, mails, tallies, webhooks
from qwoty_integrations_host.store import runs as rows
from qwoty_integrations_host.store import tables as t
from qwoty_integrations_host.testing.workbench import build_host


@pytest.fixture(params=["sqlite", "postgresql"])
def host(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> Iterator[Host]:
    shared = request.getfixturevalue("postgresql") if request.param == "postgresql" else None
    host = build_host(tmp_path / "data", clock, shared_database=shared, plugins_blocked=BROKEN | REAL)
    yield host
    host.close()


def a_run(host: Host, number: int, status: str = "queued") -> str:
    row = host.runs.queue.new_row("ws-1", "p", "webhook", "q-7", subject=f"s-{number}", facts={})
    finished = None if status == "queued" else host.clock.now()
    with host.store.write() as db:
        rows.add(db, {**row, "status": status, "finished_at": finished})
    return str(row["id"])


def a_mail(host: Host, name: str) -> mails.Sending:
    sending = mails.Sending("ws-1", "p", name, "m", 0)
    with host.store.write() as db:
        assert sending.begin(db, host.clock.now(), again=False)
    return sending


def an_event(host: Host, name: str, *, found: bool = False) -> dict[str, Any]:
    row: dict[str, Any] = {"workspace": "ws-1", "plugin": "p", "event_id": name, "type": "paid", "body": b"{}"}
    row |= {"received_at": host.clock.now(), "found": found}
    with host.store.write() as db:
        webhooks.add_all(db, [row])
    return row


def counted(host: Host) -> tuple[Any, ...]:
    """What the metrics show, which must be what a count of all rows gives."""
    run, mail, event = t.runs.c, t.mails.c, t.webhook_deliveries.c
    with host.store.read() as db:
        shown = (counts.runs(db), counts.mails(db), counts.deliveries(db))
        all_runs = db.execute(
            select(run.plugin, run.kind, run.status, func.count()).group_by(run.plugin, run.kind, run.status)
        )
        all_mails = db.execute(select(mail.state, func.count()).group_by(mail.state))
        all_events = db.execute(select(event.plugin, event.found, func.count()).group_by(event.plugin, event.found))
        real = (
            {tuple(row[:-1]): row[-1] for row in all_runs},
            {tuple(row[:-1]): row[-1] for row in all_mails},
            {(row[0], "yes" if row[1] else "no"): row[2] for row in all_events},
        )
    assert shown == real
    return shown


def test_runs_are_counted_as_they_change(host: Host) -> None:
    ids = [a_run(host, number) for number in range(6)]
    a_run(host, 6, "succeeded")
    assert counted(host)[0] == {("p", "webhook", "queued"): 6, ("p", "webhook", "succeeded"): 1}

    ended = ("running", "succeeded", "skipped", "dismissed", "failed", "waiting")
    for run_id, status in zip(ids, ended, strict=True):
        finished = None if status in {"running", "waiting"} else host.clock.now()
        with host.store.write() as db:
            rows.change(db, run_id, status="running")
            rows.change(db, run_id, status=status, finished_at=finished)
    assert counted(host)[0] == Counter({("p", "webhook", status): 1 for status in ended}) + Counter(
        {("p", "webhook", "succeeded"): 1}
    )

    with host.store.write() as db:
        rows.change(db, ids[2], status="queued", finished_at=None)  # retried
    assert counted(host)[0]["p", "webhook", "queued"] == 1


def test_what_is_rolled_back_is_not_counted(host: Host) -> None:
    run_id = a_run(host, 1)

    def lose() -> None:
        with host.store.write() as db:
            rows.change(db, run_id, status="succeeded", finished_at=host.clock.now())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        lose()

    assert counted(host)[0] == {("p", "webhook", "queued"): 1}


def test_pruned_runs_are_counted_no_more(host: Host, clock: ManualClock) -> None:
    for number in range(3):
        a_run(host, number, "succeeded")
    clock.advance(timedelta(days=10_000).total_seconds())
    a_run(host, 3, "succeeded")

    host.pruning.prune()

    assert counted(host)[0] == {("p", "webhook", "succeeded"): 1}


def test_mails_and_events_are_counted_as_they_change(host: Host) -> None:
    sent, lost, _left = (a_mail(host, name) for name in ("q-7/a", "q-7/b", "q-8/a"))
    event = an_event(host, "e-1", found=True)
    an_event(host, "e-2")
    an_event(host, "e-2")
    with host.store.write() as db:
        sent.mark_sent(db, host.clock.now())
        lost.forget(db)
        assert counted(host)[1:] == ({("sent",): 1, ("sending",): 1}, {("p", "yes"): 1, ("p", "no"): 1})
        webhooks.count_redelivery(db, event)
        webhooks.count_redelivery(db, event)

    assert counted(host)[2] == {("p", "no"): 2}


def test_tallies_that_are_summed_up_stay_the_same(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tallies, "_MANY", 3)
    for number in range(5):
        a_run(host, number, "succeeded")
        a_mail(host, f"q-{number}/a")
    before = counted(host)

    for _ in range(2):
        with host.store.write() as db:
            tallies.fold(db)
        assert counted(host) == before
        with host.store.read() as db:
            assert db.execute(select(func.count()).select_from(t.tallies)).scalar_one() == 2


def test_what_an_earlier_release_stored_is_counted_once(host: Host) -> None:
    a_run(host, 1, "succeeded")
    a_mail(host, "q-7/a")
    an_event(host, "e-1")
    with host.store.write() as db:  # as before the migration
        db.execute(t.tallies.delete())
        for name in ("runs", "mails", "webhook_deliveries"):
            for event in ("insert", "update", "delete"):
                where = f" ON {name}" if host.config.is_shared else ""
                db.exec_driver_sql(f"DROP TRIGGER tally_{name}_{event}{where}")
            if host.config.is_shared:
                db.exec_driver_sql(f"DROP FUNCTION tally_{name}()")

    with host.store.write() as db:
        tallies.begin(db)

    assert counted(host)[0] == {("p", "webhook", "succeeded"): 1}
    a_run(host, 2, "succeeded")
    assert counted(host)[0] == {("p", "webhook", "succeeded"): 2}
