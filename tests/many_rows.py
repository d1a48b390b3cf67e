"""Fills a database as years of use do: runs and quotes of 200 workspaces, of which one has half of everything.

Of a thousand runs, one failed, one needs attention, one was dismissed, and one waits or has not begun.
"""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, inspect, text

from builders import a_quote
from qwoty_integrations_host import InvoiceRecord, QuoteRecord
from qwoty_integrations_host.alerts.alert import alert_facts
from qwoty_integrations_host.contract.record import to_document
from qwoty_integrations_host.engine.attempts import job_id
from qwoty_integrations_host.host import Host
from qwoty_integrations_host.maintenance.pruning import fold_tallies
from qwoty_integrations_host.store.retention import gather_statistics
from qwoty_integrations_host.store.workspaces import add_workspace

#: The workspace with half of all rows, and the others.
LARGE, SMALL = "ws-1", tuple(f"w-{number}" for number in range(199))
PLUGIN = "recorder"

_NUMBERS = {
    "sqlite": "CREATE TEMP TABLE numbers AS WITH RECURSIVE r(n) AS "
    "(SELECT 0 UNION ALL SELECT n + 1 FROM r WHERE n < {last}) SELECT n FROM r",
    "postgresql": "CREATE TEMP TABLE numbers AS SELECT generate_series(0, {last}) AS n",
}
#: Ten runs in ten minutes, four of them of a quote each; the last ones of today.
_AT = {
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%S.000000+00:00', {now} - 60 * ({last} - n), 'unixepoch')",
    "postgresql": "to_char(to_timestamp({now} - 60 * ({last} - n)) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS')"
    " || '.000000+00:00'",
}
_JSON = {"sqlite": "TEXT", "postgresql": "JSON"}
_WORKSPACE = "CASE WHEN n / 10 % 2 = 0 THEN 'ws-1' ELSE 'w-' || (n / 20 % 199) END"
#: Upkeep is kept for a week.
_UPKEEP = "n % 10 = 9 AND n > {last} - 10000"
_KIND = """CASE WHEN n % 10 < 4 THEN 'quote_accepted' WHEN n % 10 < 8 THEN 'webhook' WHEN {upkeep} THEN 'upkeep'
    ELSE 'installment' END"""
_QUOTE = "CASE WHEN {upkeep} THEN '' ELSE 'q-' || (n - n % 10 + n % 4) END"
#: The newest ones have not ended.
_STATUS = """CASE WHEN n > {last} - {unfinished} THEN CASE n % 3 WHEN 0 THEN 'queued' WHEN 1 THEN 'running'
    ELSE 'waiting' END WHEN n % 997 = 0 THEN 'failed' WHEN n % 991 = 0 THEN 'needs_attention'
    WHEN n % 983 = 0 THEN 'dismissed' WHEN n % 977 = 0 OR {upkeep} THEN 'skipped' ELSE 'succeeded' END"""
_ERROR = """CAST(CASE WHEN n % 997 = 0 OR n % 991 = 0 OR n % 983 = 0 OR n % 977 = 0
    THEN '{{"code": "no", "title": "No.", "hint": "Yes."}}' ELSE 'null' END AS {json})"""
_ROWS = """
    INSERT INTO quotes (workspace, id, number, document, version, received_at, without_invoice)
    SELECT {workspace}, 'q-' || n, 'N-' || n, :document, 'v', {at}, CASE WHEN n % 977 = 0 THEN 'no_integration' END
    FROM numbers WHERE n % 10 < 4;
    INSERT INTO runs (id, workspace, plugin, kind, quote_id, subject, facts, status, attempt, resumable, outcome, error,
        created_at, finished_at, waits_until)
    SELECT 'run-' || n, {workspace}, 'recorder', {kind}, {quote}, {subject}, '{{}}', {status}, 1, false, NULL, {error},
        {at}, CASE WHEN n <= {last} - {unfinished} THEN {at} END, CASE WHEN n > {last} - {unfinished} THEN {at} END
    FROM numbers;
    INSERT INTO steps (run_id, name, position, status, attempts, "key", ms, request_ids, error, started_at)
    SELECT 'run-' || n, 'invoice', 1, 'succeeded', 1, 1, 1, '[]', 'null', {at} FROM numbers WHERE n % 2 = 0;
    INSERT INTO standings (workspace, quote_id, received_at, state, turns_into, turns_at, turns_on)
    SELECT {workspace}, 'q-' || n, {at}, CASE WHEN n % 997 = 0 THEN 'failed' WHEN n % 991 = 0 THEN 'needs_attention'
        WHEN n % 977 = 0 THEN 'no_invoice' WHEN n % 971 = 0 THEN 'link_sent' ELSE 'paid' END,
        CASE WHEN n % 971 = 0 THEN 'link_expired' END, CASE WHEN n % 971 = 0 THEN {at} END, NULL
    FROM numbers WHERE n % 10 < 4;
    INSERT INTO quote_words (workspace, quote_id, word, source)
    SELECT {workspace}, 'q-' || n, 'n-' || n, '' FROM numbers WHERE n % 10 < 4
    UNION ALL SELECT {workspace}, 'q-' || n, 'customer', '' FROM numbers WHERE n % 10 < 4;
    INSERT INTO records (workspace, plugin, quote_id, document, next_due, awaits_payment)
    SELECT {workspace}, 'recorder', 'q-' || n, :record, NULL, CASE WHEN n % 971 = 0 THEN true ELSE false END
    FROM numbers WHERE n % 10 < 4;
    INSERT INTO mails (workspace, plugin, name, state, message_id, changed_at)
    SELECT {workspace}, 'recorder', 'q-' || n || '/link', CASE WHEN n % 997 = 0 THEN 'sending' ELSE 'sent' END,
        'm-' || n, {at} FROM numbers WHERE n % 10 < 4;
    INSERT INTO webhook_deliveries (workspace, plugin, event_id, type, body, received_at, account, found, duplicates)
    SELECT {workspace}, 'recorder', 'evt-' || n, 'paid', CASE WHEN n % 2 = 0 THEN :empty ELSE :body END, {at}, 'main',
        n % 997 = 0, CASE WHEN n % 991 = 0 THEN 1 ELSE 0 END FROM numbers WHERE n % 10 BETWEEN 4 AND 7;
    INSERT INTO webhook_refusals (workspace, id, plugin, reason, times, first_at, last_at)
    SELECT {workspace}, 'refused-' || n, 'recorder', 'signature', 1, {at}, {at} FROM numbers WHERE n % 500 = 0;
    INSERT INTO alerts (workspace, subject, code, document, created_at, tries, delivered_at)
    SELECT {workspace}, 'run-' || n, 'failed', :alert, {at}, CASE WHEN n % 20 = 0 THEN 9 ELSE 1 END,
        CASE WHEN n % 1000 > 0 THEN {at} END FROM numbers WHERE n % 10 = 0;
    INSERT INTO audit (id, workspace, at, actor, action, subject, fields)
    SELECT 'a-' || n, {workspace}, {at}, 'api', 'retry', 'run', '[]' FROM numbers WHERE n % 10 = 0;
    INSERT INTO events (workspace, id, type, quote_id, digest, received_at)
    SELECT {workspace}, 'e-' || n, 'quote_accepted', 'q-' || n, 'd', {at} FROM numbers WHERE n % 10 < 2;
    INSERT INTO idempotency_keys (workspace, "key", digest, created_at)
    SELECT {workspace}, 'k-' || n, 'd', {at} FROM numbers WHERE n > {last} - 1440;
    INSERT INTO holds (workspace, plugin, quote_id, epoch, job_id)
    SELECT {workspace}, 'recorder', 'q-' || n, 1, 'run-' || n || '.1' FROM numbers WHERE n % 10 < 4;
    INSERT INTO external_ids (workspace, kind, entity_id, slot, value)
    SELECT {workspace}, 'contact', 'c-' || n, 'main', 'cus_1' FROM numbers WHERE n % 10 = 0;
    INSERT INTO plugin_state (workspace, plugin, name, value)
    SELECT {workspace}, 'recorder', 'seen:' || n, '1' FROM numbers WHERE n % 10 = 0;
    INSERT INTO job_deaths (job_id, checkpoints, times)
    SELECT 'run-' || n || '.1', 1, 1 FROM numbers WHERE n % 5000 = 0
"""


def fill(host: Host, count: int, now: datetime, *, unfinished: int | None = None) -> None:
    """Add so many runs, and what belongs to them. The host has the tables of DBOS."""
    with host.store.write() as db:
        for workspace in SMALL:
            add_workspace(db, workspace, now)
    with host.store.engine.begin() as db:
        kind = db.dialect.name
        words: dict[str, Any] = {"last": count - 1, "unfinished": count // 1000 if unfinished is None else unfinished}
        words["now"] = int(now.timestamp())
        if kind == "postgresql":
            db.exec_driver_sql("SET LOCAL session_replication_role = replica")  # no foreign keys: they cost most of it
        db.exec_driver_sql(_NUMBERS[kind].format(**words))
        at = _AT[kind].format(**words)
        words["upkeep"] = _UPKEEP.format(**words)
        run_kind, quote, status = (one.format(**words) for one in (_KIND, _QUOTE, _STATUS))
        subject = f"CASE WHEN n % 10 < 4 THEN {quote} WHEN n % 10 < 8 THEN 'evt-' || n ELSE 'subject-' || n END"
        parts = {"at": at, "status": status, "workspace": _WORKSPACE, "kind": run_kind, "quote": quote}
        invoice = InvoiceRecord(id="in_1", status="paid", account="main")
        record = QuoteRecord(currency="EUR", invoice=invoice, total=Decimal(50))
        error = {"code": "no", "title": "No.", "hint": "Yes."}
        values = {
            "document": json.dumps(a_quote()),
            "record": json.dumps(to_document(record)),
            "alert": json.dumps({**alert_facts("run.failed", error), "told": [], "trouble": ""}),
            "empty": b"",
            "body": b"{}",
        }
        for statement in _ROWS.format(**words, **parts, subject=subject, error=_ERROR.format(json=_JSON[kind])).split(
            ";"
        ):
            db.execute(text(statement), {name: value for name, value in values.items() if f":{name}" in statement})
        _add_jobs(host, db, words["last"] - words["unfinished"])


def _add_jobs(host: Host, db: Connection, ended: int) -> None:
    """Copy one job of DBOS for each run: those of ended runs have ended."""
    host.engine.enqueue(db, job_id("first", 1), partition=LARGE)
    schema = "dbos" if db.dialect.name == "postgresql" else None
    table = "dbos.workflow_status" if schema else "workflow_status"
    inputs = "dbos.workflow_input" if schema else "workflow_input"
    names = [column["name"] for column in inspect(db).get_columns("workflow_status", schema=schema)]
    changed = {
        "workflow_uuid": "'run-' || n || '.1'",
        "status": f"CASE WHEN n > {ended} THEN 'ENQUEUED' ELSE 'SUCCESS' END",
        "completed_at": f"CASE WHEN n <= {ended} THEN created_at - CAST(60000 AS BIGINT) * ({ended} - n) END",
        "created_at": f"created_at - CAST(60000 AS BIGINT) * ({ended} - n)",
        "queue_name": f"CASE WHEN n > {ended} THEN queue_name END",
        "queue_partition_key": f"CASE WHEN n > {ended} THEN {_WORKSPACE} END",
    }
    values = ", ".join(changed.get(name, f'"{name}"') for name in names)
    quoted = ", ".join(f'"{name}"' for name in names)
    db.execute(
        text(f"INSERT INTO {table} ({quoted}) SELECT {values} FROM {table}, numbers WHERE workflow_uuid = 'first.1'")
    )
    db.exec_driver_sql(f"DELETE FROM {inputs} WHERE workflow_uuid = 'first.1'")
    db.exec_driver_sql(f"DELETE FROM {table} WHERE workflow_uuid = 'first.1'")


def settle(host: Host) -> None:
    """Do what is done now and then on every host: sum up tallies, gather statistics, and PostgreSQL's own upkeep."""
    fold_tallies(host.store)
    gather_statistics(host.store)
    if host.config.is_shared:
        with host.store.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as db:
            db.exec_driver_sql("VACUUM ANALYZE")
