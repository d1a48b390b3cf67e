"""Found among a million: quotes looked for by words, by state and by day, on both databases."""

from __future__ import annotations

import time
from collections.abc import Callable

import requests
from sqlalchemy import Connection

from .quotes import DRAFT, a_quote
from .rows import Figure, Row, Target
from .site import DATABASES, Site, simulator, site, wait_for_runs

_STORED, _FIRST = 1_000_000, 1_000_000
_MOST_MS = 100
#: Of a thousand quotes, one failed, twenty are overdue, eighty wait for their customer, and the rest is paid.
_STATE = """CASE WHEN n % 1000 = 0 THEN 'failed' WHEN n % 1000 < 20 THEN 'open' WHEN n % 1000 < 100 THEN 'link_sent'
    ELSE 'paid' END"""
_TURNS = "CASE WHEN n % 1000 BETWEEN 1 AND 19 THEN 'overdue' WHEN n % 1000 BETWEEN 20 AND 99 THEN 'link_expired' END"
#: What a quote is found by: a thousand customers, amounts of which twenty quotes each have one.
_WORDS = (
    *("'q-' || n", "'' || n", "'customer'", "'kunde' || (n % 1000)", "'eur'", "'=' || (n % 50000) || '.5'"),
    *("'buyer' || n || '@firm' || (n % 1000) || '.example'", "'firm' || (n % 1000) || '.example'", "'example'"),
    *("'in_copy' || n", "'cus_' || (n % 100000)", "'inv-' || n"),
)
#: One pass over the quotes: each one's words stand together, as they do when quotes come one by one.
_WORDS_OF_COPIES = (
    "INSERT INTO quote_words SELECT 'ws', 'copy-' || n, CASE k {cases} END, '' FROM numbers, kinds ORDER BY n, k"
)
_KINDS = "CREATE TEMP TABLE kinds AS SELECT n - {first} - 1 AS k FROM numbers WHERE n <= {first} + {count}"
_AT = {
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%S.000000+00:00', 1600000000 + 60 * n, 'unixepoch')",
    "postgresql": "to_char(to_timestamp(1600000000 + 60 * n) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS')"
    " || '.000000+00:00'",
}
_NUMBERS = {
    "sqlite": "CREATE TEMP TABLE numbers AS WITH RECURSIVE r(n) AS "
    "(SELECT {first} UNION ALL SELECT n + 1 FROM r WHERE n < {last}) SELECT n FROM r",
    "postgresql": "CREATE TEMP TABLE numbers AS SELECT generate_series({first}, {last}) AS n",
}
_COPIES = """
    INSERT INTO quotes (workspace, id, number, document, version, replaced, received_at)
    SELECT workspace, 'copy-' || n, 'Q-' || n, document, version, replaced, {at} FROM quotes, numbers
    WHERE id = 'first' ORDER BY n;
    INSERT INTO runs (id, workspace, plugin, kind, quote_id, subject, facts, status, attempt, settings_digest,
        resumable, carried, outcome, error, created_at, finished_at)
    SELECT 'copy-' || n, workspace, plugin, kind, 'copy-' || n, 'copy-' || n, facts, status, attempt, settings_digest,
        resumable, carried, outcome, error, {at}, {at} FROM runs, numbers WHERE quote_id = 'first' ORDER BY n;
    INSERT INTO standings (workspace, quote_id, received_at, state, turns_into, turns_at, turns_on)
    SELECT 'ws', 'copy-' || n, {at}, {state}, {turns},
        CASE WHEN n % 1000 BETWEEN 20 AND 99 THEN {at} END,
        CASE WHEN n % 1000 BETWEEN 1 AND 19 THEN {day} END FROM numbers ORDER BY n
"""
_ASKED = {
    "number": ("a quote's number", {"search": "q-{one}"}),
    "email": ("the beginning of an e-mail address", {"search": "Buyer{one}@firm"}),
    "invoice": ("an invoice's id", {"search": "in_copy{one}"}),
    "amount": ("an amount that twenty quotes have", {"search": "1 234,50"}),
    "few": ("a customer of a thousand quotes", {"search": "firm42.example"}),
    "many": ("the beginning of a name that a tenth of the quotes have", {"search": "KUNDE4"}),
    "all": ("a word that every quote has", {"search": "Customer"}),
    "two": ("two words, one of which every quote has", {"search": "kunde42 customer"}),
    "none": ("what no quote has", {"search": "nobody"}),
    "seldom": ("a state of one quote in a thousand", {"status": "failed"}),
    "turned": ("a state into which quotes turn by themselves", {"status": "overdue"}),
    "often": ("a state of most quotes", {"status": "paid"}),
    "both": ("a word that every quote has, and a state", {"search": "customer", "status": "overdue"}),
    "day": ("the quotes of one day", {"from": "2022-11-20", "until": "2022-11-20"}),
}


def measure(*, quick: bool) -> list[Row]:
    """Lists of 50 quotes over HTTP, each asked for several times."""
    rows = []
    with simulator(0) as stripe:
        for database in DATABASES:
            with site(stripe.url, database=database) as place:
                rows += _found(place, database, 10_000 if quick else _STORED, times=3 if quick else 15)
    return rows


def _found(place: Site, database: str, count: int, *, times: int) -> list[Row]:
    place.add_workspaces({"ws": DRAFT})
    place.serve()
    with place.looked_into() as host, requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {place.api_keys['ws']}"
        wait_for_runs(host, [place.accept(session, "ws", a_quote("first", lines=1))], seconds=60)
        with host.store.write() as db:
            _fill(db, count)
        rows = []
        for name, (what, asked) in _ASKED.items():
            query = {field: text.format(one=_FIRST + count // 3) for field, text in asked.items()}
            took = _timed(lambda query=query: _ask(place, session, query), times)
            key = f"finding.{name}.{database.lower()}"
            rows.append(Row(key, f"{count:,} quotes, {database}: {what}", "ms", Figure.of(took), Target(_MOST_MS)))
        return rows


def _ask(place: Site, session: requests.Session, query: dict[str, str]) -> None:
    session.get(f"{place.url}/v1/workspaces/ws/quotes", params={"limit": "50", **query}).raise_for_status()


def _fill(db: Connection, count: int) -> None:
    """Copies of one quote and its run, a minute apart, each with words of its own; the index is made afterwards."""
    kind = db.dialect.name
    if kind == "postgresql":
        db.exec_driver_sql("SET LOCAL session_replication_role = replica")  # what is copied needs no checks
    db.exec_driver_sql(_NUMBERS[kind].format(first=_FIRST + 1, last=_FIRST + count))
    day = "'2021-01-01'" if kind == "sqlite" else "DATE '2021-01-01'"
    for statement in _COPIES.format(at=_AT[kind], state=_STATE, turns=_TURNS, day=day).split(";"):
        db.exec_driver_sql(statement.replace("%", "%%") if kind == "postgresql" else statement)
    db.exec_driver_sql("DROP INDEX quotes_by_word")
    db.exec_driver_sql(_KINDS.format(first=_FIRST, count=len(_WORDS)))
    cases = " ".join(f"WHEN {number} THEN {word}" for number, word in enumerate(_WORDS))
    text = _WORDS_OF_COPIES.format(cases=cases)
    db.exec_driver_sql(text.replace("%", "%%") if kind == "postgresql" else text)
    db.exec_driver_sql("CREATE INDEX quotes_by_word ON quote_words (workspace, word, quote_id)")
    db.exec_driver_sql("ANALYZE")


def _timed(ask: Callable[[], None], times: int) -> list[float]:
    took = []
    for _ in range(times + 2):
        began = time.perf_counter()
        ask()
        took.append((time.perf_counter() - began) * 1000)
    return took[2:]
