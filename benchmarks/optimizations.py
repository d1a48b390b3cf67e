"""What each optimization that was kept is worth: the same work with it, and without it, in one run."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from unittest.mock import patch

import requests
from sqlalchemy import Connection, NullPool, create_engine, select, text

from qwoty_integrations_host import Attempt
from qwoty_integrations_host.config import HostConfig
from qwoty_integrations_host.contract import quote_document
from qwoty_integrations_host.contract.quote_schema import QuoteSchema
from qwoty_integrations_host.host import Host, create_host
from qwoty_integrations_host.observability.leaks import KnownSecrets
from qwoty_integrations_host.store import quotes
from qwoty_integrations_host.store import tables as t
from qwoty_integrations_host.store.advisory_locks import AdvisoryLocks
from qwoty_integrations_host.store.database import Store
from qwoty_integrations_host.store.plugin_storage import PluginState
from qwoty_stripe_invoice import gateway

from .latency import start_of
from .plain_script import a_client
from .quotes import KEY, LINK, a_quote
from .rows import Figure, Row
from .site import DATABASES, Site, simulator, site

_LINES, _LISTED = 20, 50
_IMPORTS = (
    "import qwoty_integrations_host.engine.durable, qwoty_integrations_host.host, qwoty_integrations_host.web.app"
)

Work = Callable[[], object]


def measure(*, quick: bool) -> list[Row]:
    """With and without in turn, so that both meet the same machine."""
    times = 5 if quick else 30
    rows = [_schema(times), _start(times // 3)]
    with simulator(0) as stripe:
        for database in DATABASES:
            with site(stripe.url, database=database) as place:
                place.add_workspaces({"ws": LINK})
                rows += _on(place, database, times)
    return rows


def _on(place: Site, database: str, times: int) -> Iterator[Row]:
    place.serve()
    host = create_host(HostConfig.from_environment(place.env))
    try:
        if database == "SQLite":
            yield _wake(place, host, times)
            yield _answer(place, host, times)
            yield _headings(host, times)
        yield from _questions(host.store, database, times * 10)
    finally:
        host.close()


def _schema(times: int) -> Row:
    """Marshmallow works out anew what a schema's parts look like for each one that is made."""

    def load() -> None:
        quote_document.load_quote(a_quote("q", lines=_LINES), workspace_id="ws", received_at=datetime.now(UTC))

    each_its_own = patch.object(quote_document, "_schema", QuoteSchema)
    return _row("schema", "read and check 20 lines: the schema is kept", *_with_and_without(load, each_its_own, times))


def _start(times: int) -> Row:
    def importing(first: str) -> Work:
        return lambda: subprocess.run([sys.executable, "-c", first + _IMPORTS], check=True)

    took = _both(importing("import gc; gc.disable()\n"), importing(""), times)
    return _row("start", "import all of the host: without the garbage collector", *took)


def _wake(place: Site, host: Host, times: int) -> Row:
    """Handed to the server, and put beside it by this process, of which the server hears nothing."""
    woken, unheard = [], []
    with requests.Session() as session:
        for number in range(times):
            woken.append(start_of(host, place.accept(session, "ws", a_quote(f"woken-{number}", lines=_LINES))))
            (run,) = host.runs.acceptance.accept("ws", a_quote(f"unheard-{number}", lines=_LINES)).run_ids
            unheard.append(start_of(host, run))
    return _row("wake", "accept → first step, SQLite: woken by the commit", woken, unheard)


def _answer(place: Site, host: Host, times: int) -> Row:
    with host.store.read() as db:
        invoice = db.execute(select(t.records.c.document)).scalars().all()[0]["invoice"]["id"]
    stripe = gateway.Gateway(KEY, workspace="ws", pace=lambda *_, **__: None)

    def ask() -> None:
        stripe.read(Attempt(1, 1, datetime.now(UTC)), lambda v1: v1.invoices.retrieve(invoice))

    plain = a_client(KEY, place.stripe_url)
    with patch.dict("os.environ", QWOTY_STRIPE_API_BASE=place.stripe_url):
        took = _both(ask, lambda: plain.v1.invoices.retrieve(invoice).to_dict(), times)
    return _row("answer", "an answer about an invoice of 20 lines: as it came", *took)


def _headings(host: Host, times: int) -> Row:
    with host.store.write() as db:
        for number in range(_LISTED):
            document = a_quote(f"listed-{number}", lines=_LINES)
            now = datetime.now(UTC)
            quotes.add(db, quote_document.load_quote(document, workspace_id="ws", received_at=now), document, now)

    def headings(then: Callable[[Connection, str], object] = lambda *_: None) -> None:
        with host.store.read() as db:
            for heading in quotes.newest(db, "ws", limit=_LISTED):
                then(db, heading.id)

    took = _both(headings, lambda: headings(lambda db, quote_id: quotes.get(db, "ws", quote_id)), times)
    return _row("headings", "a list of 50 quotes of 20 lines: their headings alone", *took)


def _questions(store: Store, database: str, times: int) -> Iterator[Row]:
    state = PluginState(store, "ws", "stripe_invoice", KnownSecrets())
    often_asked = create_engine(store.engine.url, pool_pre_ping=True)
    place = (t.plugin_state.c.workspace == "ws") & (t.plugin_state.c.plugin == "stripe_invoice")

    def ask(connection: Callable[[], AbstractContextManager[Connection]]) -> Work:
        def work() -> None:
            with connection() as db:
                db.execute(text("SELECT 1")).scalar()

        return work

    def built_anew() -> None:
        with store.read() as db:
            db.execute(select(t.plugin_state.c.value).where(place & (t.plugin_state.c.name == "x"))).scalar()

    took = _both(lambda: state.get("x"), built_anew, times)
    yield _row(f"statement.{database.lower()}", f"a value of a plugin, {database}: statement built once", *took)
    if database == "PostgreSQL":
        took = _both(ask(store.read), ask(often_asked.connect), times)
        yield _row("ask", "a query, PostgreSQL: a ping after a rest only, no transaction", *took)
        kept, anew = AdvisoryLocks(store.engine), AdvisoryLocks(store.engine)
        # As it was before: the class has no switch for it.
        anew._engine = create_engine(store.engine.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")  # noqa: SLF001

        def hold(locks: AdvisoryLocks) -> Work:
            def work() -> None:
                with locks.hold("x"):
                    pass

            return work

        took = _both(hold(kept), hold(anew), times)
        yield _row("lock", "a lock between machines, PostgreSQL: its connection is kept", *took)
    often_asked.dispose()


def _row(key: str, what: str, kept: list[float], without: list[float]) -> Row:
    return Row(f"optimizations.{key}", what, "ms", Figure.of(kept), beside={"without": Figure.of(without).value})


def _both(kept: Work, without: Work, times: int) -> tuple[list[float], list[float]]:
    took: tuple[list[float], list[float]] = ([], [])
    for turn in range(times + 1):
        for samples, work in zip(took, (kept, without), strict=True):
            began = time.perf_counter()
            work()
            if turn:  # the first one warms up
                samples.append((time.perf_counter() - began) * 1000)
    return took


def _with_and_without(
    work: Work, without: AbstractContextManager[object], times: int
) -> tuple[list[float], list[float]]:
    def otherwise() -> None:
        with without:
            work()

    return _both(work, otherwise, times)
