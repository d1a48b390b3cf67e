"""Retention: how long rows are kept. Older ones are pruned, a few hundred per transaction.

Rows that make things happen only once are kept for good: quotes, records, saved ids, mails, the event ids of webhooks,
and the runs that accepted each quote.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, delete, exists, func, select, update

from ..quotes.run import ENDED_WELL, FINISHED, RunKind
from . import search
from . import tables as t
from .database import Store

#: Days. For runs and their timelines, the deployment sets the number (QWOTY_HOST_KEEP_DAYS).
JOBS, WEBHOOK_BODIES, ALERTS, UPKEEP_RUNS, TRACES, ANSWERS, INQUIRIES = 30, 90, 90, 7, 1, 1, 1
_BATCH = 500


def prune_tables(store: Store, now: datetime, *, keep_days: int, dry_run: bool = False) -> dict[str, int]:
    """Prune old rows and return their numbers by kind; with ``dry_run``, only count them."""
    runs_before, bodies_before = now - timedelta(days=keep_days), now - timedelta(days=WEBHOOK_BODIES)
    traces_before = now - timedelta(days=TRACES)
    moment = traces_before.timestamp()
    work: list[tuple[str, Select[Any], Callable[[Connection, Sequence[Any]], None]]] = [
        ("runs", _old_runs(runs_before).where(~_must_stay()), _drop_runs),
        ("upkeep_runs", _old_upkeep(now - timedelta(days=UPKEEP_RUNS)), _drop_runs),
        ("timelines", _old_runs(runs_before).where(_must_stay() & _has_steps()), _drop_timelines),
        ("webhook_bodies", _old_bodies(bodies_before), _drop_bodies),
        ("alerts", _old_alerts(now - timedelta(days=ALERTS)), _drop_alerts),
        ("leases", select(t.worker_leases.c.id).where(t.worker_leases.c.seen < moment), _drop_leases),
        ("deaths", _old_deaths(traces_before), _drop_deaths),
        ("idempotency_keys", _old_answers(now - timedelta(days=ANSWERS)), _drop_answers),
        ("inquiries", _old_inquiries(now - timedelta(days=INQUIRIES)), _drop_inquiries),
        ("sessions", _ended_sessions(traces_before), _drop_sessions),
        ("login_links", select(t.login_links.c.digest).where(t.login_links.c.expires_at < traces_before), _drop_links),
        ("audit", select(t.audit.c.id).where(t.audit.c.at < runs_before), _drop_audit),
        ("webhook_refusals", _old_rejected_webhooks(bodies_before), _drop_rejected_webhooks),
        ("paces", select(t.paces.c.name).where(t.paces.c.free_at < moment), _drop_paces),
    ]
    return {name: _prune(store, wanted, drop, dry_run=dry_run) for name, wanted, drop in work}


def gather_statistics(store: Store) -> None:
    """Tell SQLite how many rows each index has, so that it prefers the small ones. PostgreSQL counts by itself."""
    with store.write() as db:
        if db.dialect.name == "sqlite":
            # An estimate from so many rows of an index takes some milliseconds, however many there are.
            db.exec_driver_sql("PRAGMA analysis_limit = 1000")
            for table in t.metadata.tables:
                db.exec_driver_sql(f'ANALYZE "{table}"')


def of_ended_runs(db: Connection, job_ids: Sequence[str]) -> list[str]:
    """Return those of the engine's jobs whose run has ended or no longer exists."""
    run_ids = {job_id: job_id.rpartition(".")[0] for job_id in job_ids}
    here = t.runs.c.id.in_(set(run_ids.values())) & t.runs.c.status.not_in(FINISHED)
    alive = set(db.execute(select(t.runs.c.id).where(here)).scalars())
    return [job_id for job_id, run_id in run_ids.items() if run_id not in alive]


def _prune(
    store: Store, wanted: Select[Any], drop: Callable[[Connection, Sequence[Any]], None], *, dry_run: bool
) -> int:
    if dry_run:
        with store.read() as db:
            return int(db.execute(select(func.count()).select_from(wanted.subquery())).scalar_one())
    total = 0
    while True:
        with store.write() as db:
            found = db.execute(wanted.limit(_BATCH)).all()
            drop(db, found)
        total += len(found)
        if len(found) < _BATCH:
            return total


def _old_runs(before: datetime) -> Select[Any]:
    return select(t.runs.c.id).where(t.runs.c.status.in_(FINISHED) & (t.runs.c.finished_at < before))


def _old_upkeep(before: datetime) -> Select[Any]:
    """Select the upkeep runs that ended well, because one is added every hour. The others are kept like all runs."""
    return _old_runs(before).where((t.runs.c.kind == RunKind.UPKEEP) & t.runs.c.status.in_(ENDED_WELL))


def _must_stay() -> Any:
    """Return the condition for runs that are kept for good.

    Without the run that accepted it, a quote that is accepted again would be invoiced again. Without the run that
    failed to send an installment, the schedule would try again.
    """
    tried = (t.runs.c.kind == RunKind.INSTALLMENT) & t.runs.c.status.not_in(ENDED_WELL)
    return (t.runs.c.kind == RunKind.QUOTE_ACCEPTED) | tried


def _has_steps() -> Any:
    return exists().where(t.steps.c.run_id == t.runs.c.id)


def _old_bodies(before: datetime) -> Select[Any]:
    """Select the events whose body can be deleted. A run that may still be retried needs the body of its event."""
    event, run = t.webhook_deliveries.c, t.runs.c
    its_run = (run.workspace == event.workspace) & (run.plugin == event.plugin) & (run.subject == event.event_id)
    needed = exists().where(its_run & (run.kind == RunKind.WEBHOOK) & run.status.not_in(ENDED_WELL))
    old = (event.received_at < before) & (func.length(event.body) > 0)
    return select(event.workspace, event.plugin, event.event_id).where(old & ~needed)


def _old_alerts(before: datetime) -> Select[Any]:
    return select(t.alerts.c.workspace, t.alerts.c.subject).where(t.alerts.c.created_at < before)


def _old_deaths(before: datetime) -> Select[Any]:
    """Select the deaths at jobs whose run ended long enough ago or no longer exists."""
    run = t.runs.c
    still_of_interest = run.status.not_in(FINISHED) | (run.finished_at >= before)
    # The job's id is the run's, a dot, and a number.
    its_run = run.id == func.rtrim(func.rtrim(t.job_deaths.c.job_id, "0123456789"), ".")
    return select(t.job_deaths.c.job_id).where(~exists().where(its_run & still_of_interest))


def _old_answers(before: datetime) -> Select[Any]:
    kept = t.idempotency_keys.c
    return select(kept.workspace, kept.key).where(kept.created_at < before)


def _old_inquiries(before: datetime) -> Select[Any]:
    return select(t.inquiries.c.id).where(t.inquiries.c.begun_at < before)


def _old_rejected_webhooks(before: datetime) -> Select[Any]:
    kept = t.webhook_refusals.c
    return select(kept.workspace, kept.id).where(kept.first_at < before)


def _ended_sessions(before: datetime) -> Select[Any]:
    kept = t.sessions.c
    return select(kept.id).where((kept.expires_at < before) | (kept.revoked_at < before))


def _drop_runs(db: Connection, found: Sequence[Any]) -> None:
    ids = [row.id for row in found]
    db.execute(delete(t.steps).where(t.steps.c.run_id.in_(ids)))
    gone = delete(t.runs).where(t.runs.c.id.in_(ids)).returning(t.runs.c.workspace, t.runs.c.quote_id)
    for row in db.execute(gone).all():
        search.touch(db, row.workspace, row.quote_id)


def _drop_timelines(db: Connection, found: Sequence[Any]) -> None:
    for row in db.execute(select(t.runs.c.id, t.runs.c.facts).where(t.runs.c.id.in_([row.id for row in found]))).all():
        # Without its steps, a retried run cannot know what it has created: each step must look for it first.
        values = {"facts": {**row.facts, "forgotten": True}, "resumable": False}
        db.execute(update(t.runs).where(t.runs.c.id == row.id).values(values))
    db.execute(delete(t.steps).where(t.steps.c.run_id.in_([row.id for row in found])))


def _drop_bodies(db: Connection, found: Sequence[Any]) -> None:
    table = t.webhook_deliveries
    for row in found:
        here = (table.c.workspace == row.workspace) & (table.c.plugin == row.plugin)
        db.execute(update(table).where(here & (table.c.event_id == row.event_id)).values(body=b""))


def _drop_alerts(db: Connection, found: Sequence[Any]) -> None:
    for row in found:
        here = (t.alerts.c.workspace == row.workspace) & (t.alerts.c.subject == row.subject)
        db.execute(delete(t.alerts).where(here))


def _drop_rejected_webhooks(db: Connection, found: Sequence[Any]) -> None:
    table = t.webhook_refusals
    for row in found:
        db.execute(delete(table).where((table.c.workspace == row.workspace) & (table.c.id == row.id)))


def _drop_sessions(db: Connection, found: Sequence[Any]) -> None:
    db.execute(delete(t.sessions).where(t.sessions.c.id.in_([row.id for row in found])))


def _drop_inquiries(db: Connection, found: Sequence[Any]) -> None:
    db.execute(delete(t.inquiries).where(t.inquiries.c.id.in_([row.id for row in found])))


def _drop_links(db: Connection, found: Sequence[Any]) -> None:
    db.execute(delete(t.login_links).where(t.login_links.c.digest.in_([row.digest for row in found])))


def _drop_audit(db: Connection, found: Sequence[Any]) -> None:
    db.execute(delete(t.audit).where(t.audit.c.id.in_([row.id for row in found])))


def _drop_leases(db: Connection, found: Sequence[Any]) -> None:
    db.execute(delete(t.worker_leases).where(t.worker_leases.c.id.in_([row.id for row in found])))


def _drop_deaths(db: Connection, found: Sequence[Any]) -> None:
    db.execute(delete(t.job_deaths).where(t.job_deaths.c.job_id.in_([row.job_id for row in found])))


def _drop_paces(db: Connection, found: Sequence[Any]) -> None:
    db.execute(delete(t.paces).where(t.paces.c.name.in_([row.name for row in found])))


def _drop_answers(db: Connection, found: Sequence[Any]) -> None:
    kept = t.idempotency_keys
    for row in found:
        db.execute(delete(kept).where((kept.c.workspace == row.workspace) & (kept.c.key == row.key)))
