"""A database with a hundred thousand runs of 200 workspaces: no query of a page, a command or a start reads them all.

The queries are those that the functions send. What each one reads is counted, and not timed: rows on PostgreSQL,
instructions on SQLite.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.event import listen, remove
from werkzeug.test import Client

from host_server import BROKEN, FAKES, REAL
from many_rows import LARGE, PLUGIN, fill, settle
from qwoty_integrations_host import doctor
from qwoty_integrations_host.config import HostConfig
from qwoty_integrations_host.host import Host, create_host
from qwoty_integrations_host.reports.runs import list_runs
from qwoty_integrations_host.reports.search import QUOTE_STATES
from qwoty_integrations_host.run_status import RunStatus
from qwoty_integrations_host.store import runs, tables, webhooks
from qwoty_integrations_host.store.api_keys import create_api_key
from qwoty_integrations_host.store.workspaces import add_workspace
from qwoty_integrations_host.web.app import create_app
from qwoty_integrations_host.web.sessions import login_link

URL = "https://host.example"
RUNS = 100_000
#: A query reads at most so many rows on PostgreSQL, or executes so many instructions on SQLite.
MOST_ROWS, MOST_INSTRUCTIONS = 10_000, 400_000
#: A table with more rows than this has grown.
GROWN = 3_000
SMALL = "w-7"
DAILY = "prune"
#: The indexes of the grown tables. Without some of them a query reads more than before, but not yet too much.
INDEXES = """
    runs_by_quote runs_by_age runs_by_workspace runs_by_kind runs_unfinished runs_unusual runs_unusual_everywhere
    quotes_by_age quotes_by_number quotes_without_invoice quotes_by_word
    standings_by_age standings_by_state standings_by_turn
    records_by_quote records_by_next_due records_awaiting_payment
    deliveries_by_account deliveries_by_age deliveries_repeated
    alerts_by_age alerts_by_workspace alerts_undelivered audit_by_age
"""


@dataclass
class Query:
    """A query, what it was for, and what the database says about it."""

    of: str
    text: str
    values: Any
    cost: int = 0
    scanned: set[str] = field(default_factory=set)
    indexes: set[str] = field(default_factory=set)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def grown(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    plugins = pytest.MonkeyPatch()
    plugins.syspath_prepend(str(FAKES))
    shared = None
    if request.param == "postgresql":
        server, name = request.getfixturevalue("postgresql_server"), f"grown{uuid4().hex}"
        server.psql(f"CREATE DATABASE {name};")
        shared = str(server.get_uri(database=name, driver="psycopg"))
    folder = tmp_path_factory.mktemp("grown") / "data"
    host = create_host(
        HostConfig(data_dir=folder, public_url=URL, plugins_blocked=BROKEN | REAL, shared_database=shared)
    )
    with host.store.write() as db:
        add_workspace(db, LARGE, host.clock.now())
    fill(host, RUNS, datetime.now(UTC))
    settle(host)
    for workspace in (LARGE, SMALL):
        host.settings.save(workspace, PLUGIN, {"token": "key_Plain1234567890"})
        host.settings.enable(workspace, PLUGIN)
        host.alert_recipients.replace(workspace, {"mails": ["ana@seller.example"]})
    yield host
    host.close()
    plugins.undo()
    for name in [name for name in sys.modules if name.startswith("fake_")]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def queries(grown: Host) -> list[Query]:
    """What is asked of the grown database, explained."""
    return explained(grown, captured(grown, {**everything_asked(grown), **asked_daily(grown)}))


def test_no_query_reads_more_as_the_database_grows(grown: Host, queries: list[Query]) -> None:
    most = MOST_ROWS if grown.config.is_shared else MOST_INSTRUCTIONS
    found = [one for one in queries if not one.of.startswith(DAILY)]

    bad = {
        f"{one.of}: {sorted(one.scanned)} {one.cost:,} {one.text[:2000]}"
        for one in found
        if one.scanned or one.cost > most
    }
    assert len(found) > 500
    assert not bad, "\n\n".join(sorted(bad))


def test_every_index_of_a_grown_table_serves_a_query(grown: Host, queries: list[Query]) -> None:
    used = {name for one in queries for name in one.indexes}

    names = grown_names(grown) & set(tables.metadata.tables)
    there = {str(index.name) for name in names for index in tables.metadata.tables[name].indexes}
    assert there == set(INDEXES.split())
    assert there - used == set()


def everything_asked(host: Host) -> dict[str, Callable[[], object]]:
    """What people, machines and the host itself ask for, by name."""
    app = create_app(host)
    asked: dict[str, Callable[[], object]] = {}
    middle = RUNS // 2
    quote_ids = {
        LARGE: f"q-{middle}",
        SMALL: f"q-{next(n for n in range(middle + 10, RUNS, 20) if n // 20 % 199 == 7)}",
    }
    for workspace, quote in quote_ids.items():
        client = Client(app)
        link = login_link(host, workspace, "admin").partition("/console/")[2]
        client.post(f"/console/{link}", headers={"Sec-Fetch-Site": "same-origin"}, base_url=URL)
        with host.store.write() as db:
            key = create_api_key(db, workspace, host.clock.now())
        names = {"quote": quote, "run": quote.replace("q-", "run-")}
        for page in API:
            path, bearer = page.format(**names), f"Bearer {key}"
            asked[f"{workspace} API {path}"] = get(client, f"/v1/workspaces/{workspace}{path}", Authorization=bearer)
        for page in CONSOLE:
            asked[f"{workspace} console {page}"] = get(client, f"/console{page.format(**names)}")
        asked[f"{workspace} metrics"] = get(client, "/metrics")
        for name, read in OF_WORKSPACE.items():
            asked[f"{workspace} {name}"] = reading(host, partial(read, workspace=workspace))
    for status in RunStatus:
        asked[f"run list --status {status}"] = partial(list_runs, host.store, status=status)
    return {
        **asked,
        "run list": lambda: list_runs(host.store),
        "run list --all": lambda: list_runs(host.store, quiet=True),
        "run list --without-invoice": lambda: list_runs(host.store, without_invoice=True),
        "run list --quote by number": lambda: list_runs(host.store, quote_id=f"N-{middle}"),
        "run list --quote by id": lambda: list_runs(host.store, quote_id=f"q-{middle}"),
        "run list --quote of none": lambda: list_runs(host.store, quote_id="none"),
        "run retry --all-failed": reading(host, runs.failed),
        "a plugin's origin": reading(host, lambda db: runs.last_origin(db, "other")),
        "doctor": lambda: doctor.examine(host),
        "start": host.executor.resume_stranded,
        **{job.name: job.work for job in host.schedule._jobs if job.name != "pruning"},
    }


def asked_daily(host: Host) -> dict[str, Callable[[], object]]:
    """What is asked once a day; nobody waits for it."""
    return {DAILY: lambda: host.pruning.prune(dry_run=True)}


API = (
    *("", "/runs", "/runs?plugin=recorder", "/runs?plugin=other", "/runs?kind=undo", "/runs?kind=upkeep"),
    *("/runs?quote_id={quote}", "/runs/{run}", "/runs?starting_after={run}"),
    *(f"/runs?status={status}" for status in RunStatus),
    *("/quotes", "/quotes?search=customer", "/quotes?search=n-5", "/quotes/{quote}", "/quotes/{quote}/installments"),
    *("/quotes?without_invoice=true", "/quotes?asking=true", "/quotes?starting_after={quote}"),
    *("/quotes?from=2026-01-01&until=2026-01-02", *(f"/quotes?status={state}" for state in QUOTE_STATES)),
    *("/webhooks/endpoints", "/webhooks/deliveries", "/webhooks/deliveries?result=refused"),
    *("/webhooks/deliveries?result=duplicate", "/webhooks/deliveries?plugin=other", "/webhooks/deliveries?type=other"),
    *("/alerts", "/api-keys", "/plugins/recorder/connection"),
)
CONSOLE = (
    *("/", "/runs", "/runs?status=open_runs", "/runs?status=without_invoice", "/runs?status=failed&since=2026-01-01"),
    *("/runs/{run}", "/quotes", "/quotes/{quote}", "/quotes?status=asking", "/quotes?without_invoice=1"),
    *("/run-waiting", "/integrations/recorder", "/audit", "/alerts", "/access", "/webhooks"),
)
#: What else is asked about one workspace.
OF_WORKSPACE: dict[str, Callable[..., object]] = {
    "fetches that stopped": runs.stopped_fetches,
    "runs that failed": runs.failed,
    "the last webhook": partial(webhooks.last_received, plugin=PLUGIN, account="main"),
    "the last upkeep": partial(runs.last_upkeep, plugin="other"),
}


def get(client: Client, path: str, **headers: str) -> Callable[[], object]:
    def ask() -> None:
        answer = client.get(path, headers={"Sec-Fetch-Site": "same-origin", **headers}, base_url=URL)
        assert answer.status_code == 200, answer.text

    return ask


def reading(host: Host, read: Callable[[sa.Connection], object]) -> Callable[[], object]:
    def ask() -> None:
        with host.store.read() as db:
            read(db)

    return ask


def captured(host: Host, asked: dict[str, Callable[[], object]]) -> list[Query]:
    """Call the functions, and return their queries: each text once for each function."""
    found: dict[tuple[str, str], Query] = {}
    of = ""

    def note(_line: Any, _cursor: Any, text: str, values: Any, *_: Any) -> None:
        if text.startswith("SELECT"):
            found.setdefault((of, text), Query(of, text, values))

    listen(host.store.engine, "before_cursor_execute", note)
    try:
        for of, ask in asked.items():  # noqa: B007 - note() reads it
            ask()
    finally:
        remove(host.store.engine, "before_cursor_execute", note)
    return list(found.values())


def explained(host: Host, queries: list[Query]) -> list[Query]:
    explain = _explain_postgresql if host.config.is_shared else _explain_sqlite
    grown_tables = grown_names(host)
    with host.store.read() as db:
        for query in queries:
            explain(db, query, grown_tables)
    return queries


def _explain_postgresql(db: sa.Connection, query: Query, grown_tables: set[str]) -> None:
    (row,) = db.exec_driver_sql(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {query.text}", query.values).one()
    nodes = [row[0]["Plan"]]
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", ())
        if "Index Name" in node:
            query.indexes.add(node["Index Name"])
        if node.get("Relation Name") in grown_tables:
            if node["Node Type"] == "Seq Scan":
                query.scanned.add(node["Relation Name"])
            read = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
            query.cost += round(sum(node.get(name, 0) for name in read) * node["Actual Loops"])


def _explain_sqlite(db: sa.Connection, query: Query, grown_tables: set[str]) -> None:
    for *_, detail in db.exec_driver_sql(f"EXPLAIN QUERY PLAN {query.text}", query.values):
        if (match := re.fullmatch(r"SCAN (\w+)", detail)) and match[1] in grown_tables:
            query.scanned.add(match[1])
        if match := re.search(r"USING (?:COVERING )?INDEX (\w+)", detail):
            query.indexes.add(match[1])
    line: Any = db.connection.dbapi_connection
    hundreds = count(1)
    line.set_progress_handler(lambda: next(hundreds) < 0, 100)
    try:
        db.exec_driver_sql(query.text, query.values).all()
    finally:
        line.set_progress_handler(None, 0)
    query.cost = 100 * next(hundreds)


def grown_names(host: Host) -> set[str]:
    """The tables that have grown, DBOS's of jobs among them."""
    names = [*tables.metadata.tables, "dbos.workflow_status" if host.config.is_shared else "workflow_status"]
    with host.store.read() as db:
        numbers = {name: db.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar_one() for name in names}
    return {name.removeprefix("dbos.") for name, number in numbers.items() if number > GROWN}
