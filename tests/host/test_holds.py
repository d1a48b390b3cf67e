"""An overtaken worker has no more effects: each effect of a run checks that the worker still holds the quote."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import Context
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg.errors import LockNotAvailable
from sqlalchemy import select

from builders import a_quote
from qwoty_integrations_host import MailMessage, Outcome, RetryableError
from qwoty_integrations_host.concurrency.locks import NamedLocks
from qwoty_integrations_host.contract.record import InstallmentRecord, QuoteRecord
from qwoty_integrations_host.engine.inline import InlineEngine
from qwoty_integrations_host.errors import DatabaseUnavailable, Interruption, NeedsAttention, Overtaken
from qwoty_integrations_host.runs.executor import Executor
from qwoty_integrations_host.store import holds, mails
from qwoty_integrations_host.store import tables as t

MAIL = MailMessage(to="ana@buyer.example", subject="Pay", text="Pay", html="<p>Pay</p>")
RECORD = QuoteRecord(
    currency="EUR",
    service="S",
    installments=(InstallmentRecord(number=1, amount=Decimal(1)),),
)
#: The tables that a run writes to.
LEFT = (t.runs, t.steps, t.records, t.plugin_state, t.secrets, t.external_ids, t.mails, t.quotes, t.alerts)


@dataclass
class Sleeper:
    """A worker that sleeps at one point while other workers take over."""

    desk: Any

    def overtake(self, by: str = "another run's.1") -> None:
        """Let another worker take the quote, for the job ``by``."""
        with self.desk.host.store.write() as db:
            holds.take(db, "ws-1", "recorder", "q-7", by)

    @property
    def run(self) -> Any:
        """The only run, as it is stored."""
        with self.desk.host.store.read() as db:
            return db.execute(select(t.runs)).mappings().one()

    def effects(self) -> dict[str, Any]:
        """Everything that is stored about the run, and the mails that it sent."""
        with self.desk.host.store.read() as db:
            found: dict[str, Any] = {table.name: db.execute(select(table)).all() for table in LEFT}
        return {**found, "left": [str(mail["Subject"]) for mail in self.desk.outbox.mails]}


@pytest.fixture(params=["sqlite", "postgresql"])
def sleeper(request: pytest.FixtureRequest, desks: Callable[..., Any]) -> Sleeper:
    shared = {} if request.param == "sqlite" else {"shared_database": request.getfixturevalue("postgresql")}
    return Sleeper(desks(**shared))


EFFECTS: dict[str, Callable[[Any, Any], object]] = {
    "the record": lambda ctx, _: ctx.records.update("q-7", lambda _: RECORD),
    "the state": lambda ctx, _: ctx.state.set("name", 2),
    "the state, forgotten": lambda ctx, _: ctx.state.forget("name"),
    "a secret": lambda ctx, _: ctx.secrets.set("name", "new"),
    "a secret, forgotten": lambda ctx, _: ctx.secrets.forget("name"),
    "an id on the platform": lambda ctx, _: ctx.platform.save_external_id("contact", "c", "cus_1"),
    "a mail": lambda ctx, _: ctx.mail.send("mail:1", MAIL),
    "a write to the service": lambda ctx, attempt: attempt.confirm(),
    "the end of a step": lambda ctx, attempt: None,
}


@pytest.mark.parametrize("effect", EFFECTS)
def test_an_overtaken_worker_does_not_write_the_result_of_its_step(effect: str, sleeper: Sleeper) -> None:
    at_the_alarm: list[dict[str, Any]] = []
    came_back: list[str] = []

    def hook(ctx: Any, _quote: Any) -> Outcome:
        def work(attempt: Any) -> None:
            ctx.state.set("name", 1)
            ctx.secrets.set("name", "old")
            sleeper.overtake()
            at_the_alarm.append(sleeper.effects())
            EFFECTS[effect](ctx, attempt)
            came_back.append(effect)

        ctx.step("step", work)
        came_back.append("the step")
        return Outcome.done()

    run_id = begin(sleeper, hook)

    # A step's end waits for the next transaction, so the worker notices at the end of its run that it was overtaken.
    assert came_back == ([effect, "the step"] if effect == "the end of a step" else [])
    del at_the_alarm[0]["runs"], at_the_alarm[0]["steps"]
    # The run gets another attempt, which goes on when the other worker has ended.
    assert sleeper.effects().items() >= at_the_alarm[0].items()
    assert (sleeper.run["id"], sleeper.run["attempt"]) == (run_id, 2)


def begin(sleeper: Sleeper, hook: Callable[[Any, Any], Outcome]) -> str:
    """Let a run begin and sleep. Jobs that are queued for it meanwhile stay queued."""
    desk = sleeper.desk
    desk.recorder.answers["on_quote_accepted"] = hook
    desk.enable()
    (run_id,) = desk.host.runs.acceptance.accept("ws-1", a_quote(id="q-7")).run_ids
    desk.engine.work_again(f"{run_id}.1")
    return str(run_id)


def test_an_overtaken_worker_does_not_write_the_end_of_its_run(sleeper: Sleeper) -> None:
    begin(sleeper, lambda *_: sleeper.overtake() or Outcome.done())

    found = sleeper.run
    assert (found["status"], found["attempt"], found["finished_at"]) == ("queued", 2, None)


@pytest.mark.parametrize(
    "error",
    [RetryableError("later"), NeedsAttention("a person"), ValueError("a bug")],
    ids=["retryable", "final", "bug"],
)
def test_an_overtaken_worker_does_not_write_its_error(error: Exception, sleeper: Sleeper) -> None:
    def hook(ctx: Any, _quote: Any) -> Outcome:
        def work(_attempt: Any) -> None:
            sleeper.overtake()
            raise error

        ctx.step("step", work)
        return Outcome.done()

    run_id = begin(sleeper, hook)

    assert (sleeper.run["status"], sleeper.run["attempt"], sleeper.run["error"]) == ("queued", 2, None)
    assert sleeper.desk.run(run_id)["steps"][0]["status"] == "running"


def test_a_worker_whose_job_was_taken_over_leaves_it_to_the_new_one(sleeper: Sleeper) -> None:
    desk, woke = sleeper.desk, []

    def hook(ctx: Any, _quote: Any) -> Outcome:
        if not woke:
            woke.append(True)
            # Meanwhile the other worker, which took the job over, works all of it.
            (run_id,) = desk.runs()
            finish_elsewhere(desk, f"{run_id}.1")
        ctx.step("mail", lambda _: ctx.mail.send("mail:1", MAIL))
        return Outcome.done()

    with pytest.raises(Overtaken):
        begin(sleeper, hook)

    assert (sleeper.run["status"], sleeper.run["attempt"], len(desk.outbox)) == ("succeeded", 1, 1)


def finish_elsewhere(desk: Any, job_id: str) -> None:
    """Work a job to its end as another worker on this database: in its own thread, with its own locks."""
    engine = InlineEngine(desk.clock)
    other = replace(desk.host.executor, engine=engine, locks=NamedLocks())
    engine.start(other.execute)
    with ThreadPoolExecutor(1) as worker:
        worker.submit(engine.work_again, job_id).result()


def test_a_plugin_cannot_catch_the_interruption_of_an_overtaken_run_and_resumes_at_its_next_turn(desk: Any) -> None:
    taken: list[bool] = []
    came_back: list[bool] = []

    def hook(ctx: Any, _quote: Any) -> Outcome:
        def work(_attempt: Any) -> None:
            if not taken:
                taken.append(True)
                Sleeper(desk).overtake()
            with suppress(Exception):
                ctx.state.set("name", 1)
            came_back.append(True)

        ctx.step("step", work)
        return Outcome.done()

    desk.recorder.answers["on_quote_accepted"] = hook
    desk.enable()

    run = desk.accept(id="q-7")

    assert (run["status"], run["steps"][0]["attempts"], came_back) == ("succeeded", 2, [True])


def test_a_run_that_is_set_aside_is_taken_from_a_worker_that_only_slept(desk: Any) -> None:
    def hook(_ctx: Any, _quote: Any) -> Outcome:
        (run_id,) = desk.runs()
        set_aside_elsewhere(f"{run_id}.1")
        return Outcome.done()

    def set_aside_elsewhere(job_id: str) -> None:
        with ThreadPoolExecutor(1) as worker:
            worker.submit(desk.host.executor.set_aside, job_id).result()

    with pytest.raises(Overtaken):
        begin(Sleeper(desk), hook)

    (run,) = desk.runs().values()
    assert (run["status"], run["error"]["code"]) == ("failed", "set_aside")


def test_a_hook_that_returns_after_its_attempt_was_replaced_writes_nothing(desk: Any) -> None:
    """A hook that hung returns when a later attempt is already running."""
    hold = {}

    def hook(ctx: Any, _quote: Any) -> Outcome:
        hold.setdefault("first", holds.held())
        return Outcome.done()

    desk.recorder.answers["on_quote_accepted"] = hook
    desk.enable()
    run = desk.accept(id="q-7")
    ctx = desk.context("recorder")
    ctx.state.set("name", "the next")
    Sleeper(desk).overtake(by=f"{run['id']}.2")

    with holds.under(hold["first"]), pytest.raises(Overtaken):
        ctx.state.set("name", "late")

    assert ctx.state.get("name") == "the next"


def test_taking_a_quote_waits_for_the_write_that_is_in_progress(desks: Callable[..., Any], postgresql: str) -> None:
    desk = desks(shared_database=postgresql)
    store, state = desk.host.store, desk.context("recorder").state
    with store.write() as db:
        hold = holds.take(db, "ws-1", "recorder", "q-7", "r.1")

    with holds.under(hold):
        with store.write():
            state.set("name", "being written")
            with psycopg.connect(postgresql.replace("+psycopg", "")) as line:
                line.execute("SET lock_timeout = '50ms'")
                with pytest.raises(LockNotAvailable):
                    line.execute("UPDATE holds SET epoch = epoch + 1")
        Sleeper(desk).overtake()
        with pytest.raises(Overtaken):
            state.set("name", "late")

    assert state.get("name") == "being written"


# -- the ledger of mails ----------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, desks: Callable[..., Any]) -> Any:
    shared = {} if request.param == "sqlite" else {"shared_database": request.getfixturevalue("postgresql")}
    return desks(**shared).host.store


def sending(epoch: int) -> mails.Sending:
    return mails.Sending("ws-1", "recorder", "q-7/mail:1", "<1@shop.example>", epoch)


def test_a_worker_that_lost_its_lock_with_its_connection_does_not_write_to_the_service(
    desks: Callable[..., Any], postgresql: str
) -> None:
    """Under this lock, runs of several quotes create the objects that they share, such as a customer."""
    desk, wrote = desks(shared_database=postgresql), []

    def hook(ctx: Any, _quote: Any) -> Outcome:
        def work(attempt: Any) -> None:
            if not attempt.repeated:
                cut_locks(postgresql)
            attempt.confirm()
            wrote.append(attempt.repeated)

        with ctx.lock("customer:c-1"):
            ctx.step("step", work)
        return Outcome.done()

    desk.recorder.answers["on_quote_accepted"] = hook
    desk.enable()

    run = desk.accept(id="q-7")

    assert (run["status"], run["error"]["code"], wrote) == ("waiting", "database_unavailable", [])
    desk.clock.advance(60)
    desk.work()
    assert (desk.run(run["id"])["status"], wrote) == ("succeeded", [True])


def cut_locks(address: str) -> None:
    """Cut the connections whose last statement took a lock."""
    with psycopg.connect(address.replace("+psycopg", ""), autocommit=True) as line:
        cut = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        line.execute(f"{cut} WHERE datname = current_database() AND query LIKE 'SELECT pg_advisory_lock%'")


def test_only_one_of_two_workers_starts_to_send_a_mail(store: Any) -> None:
    now = datetime(2026, 3, 10, tzinfo=UTC)
    with store.write() as db:
        assert sending(1).begin(db, now, again=False)
        assert not sending(2).begin(db, now, again=False)
        assert sending(2).begin(db, now, again=True), "the worker that has the run may write the file again"
        sending(1).forget(db)
        assert mails.state(db, "ws-1", "recorder", "q-7/mail:1") == "sending", "the second worker sends the mail now"
        sending(1).mark_sent(db, now)
        assert mails.state(db, "ws-1", "recorder", "q-7/mail:1") == "sending"
        sending(2).mark_sent(db, now)
        sending(2).forget(db)
        assert mails.state(db, "ws-1", "recorder", "q-7/mail:1") == "sent"
        assert not sending(3).begin(db, now, again=True)


def test_a_worker_that_slept_before_it_took_a_quote_does_not_take_it_from_another(sleeper: Sleeper) -> None:
    desk, host = sleeper.desk, sleeper.desk.host
    desk.enable()
    accepted = host.runs.acceptance.accept("ws-1", a_quote()).run_ids[0]
    epochs: list[int] = []

    class Slept(NamedLocks):
        """Locks of a worker whose connection was cut, and whose quote another worker has taken."""

        @contextmanager
        def hold(self, name: str) -> Iterator[None]:
            sleeper.overtake(f"{accepted}.1")
            epochs.append(epoch(sleeper))
            yield

        def confirm(self) -> None:
            raise DatabaseUnavailable("The connection was lost.", hint="")

    class Ended(Interruption):
        """The worker waits for the lock again; the test ends here."""

    class Stopping(InlineEngine):
        def pause(self, seconds: float, clock: Any) -> None:
            raise Ended

    late = replace(host.executor, locks=Slept(), engine=Stopping(desk.clock))
    with pytest.raises(Ended):
        late.execute(f"{accepted}.1")

    assert epoch(sleeper) == epochs[0]


def test_a_worker_that_is_overtaken_while_it_records_an_outage_queues_its_run_again(
    sleeper: Sleeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> Outcome:
        raise DatabaseUnavailable("The database is away.", hint="")

    wait = Executor._wait

    def overtaken(execution: Executor, *given: Any, **named: Any) -> None:
        Context().run(sleeper.overtake)
        wait(execution, *given, **named)

    monkeypatch.setattr(Executor, "_wait", overtaken)

    run_id = begin(sleeper, away)

    assert (sleeper.run["id"], sleeper.run["attempt"], sleeper.run["status"]) == (run_id, 2, "queued")


def epoch(sleeper: Sleeper) -> int:
    with sleeper.desk.host.store.read() as db:
        return int(db.execute(select(t.holds.c.epoch)).scalar_one())
