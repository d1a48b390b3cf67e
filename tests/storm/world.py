"""The world of a storm: several processes of the host on one real database, Stripe, a mail server, and people.

Each process is a whole host, assembled as ``create_host`` does it. Only its surroundings are simulated: Stripe and the
mail server answer in this process, the engine keeps its jobs in memory, and hooks are called in the same thread.
"""

from __future__ import annotations

import logging
import os
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from copy import copy
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.message import EmailMessage
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, Engine, select

from builders import KEY
from qwoty_integrations_host.clock import ManualClock
from qwoty_integrations_host.config import HostConfig
from qwoty_integrations_host.contract.hook_rules import HookRules
from qwoty_integrations_host.contract.hook_types import WebhookRequest
from qwoty_integrations_host.errors import (
    DatabaseUnavailable,
    IntegrationError,
    NeedsAttention,
    NotFound,
    RetryableError,
    WebhookRejected,
)
from qwoty_integrations_host.host import Host, Resources, assemble
from qwoty_integrations_host.mail.transports import unsure
from qwoty_integrations_host.plugins.deadlines import Calls, Deadlines, _Returned
from qwoty_integrations_host.plugins.manager import Plugins
from qwoty_integrations_host.store import tables as t
from qwoty_integrations_host.store.database import Store
from qwoty_integrations_host.store.workspaces import add_workspace
from qwoty_integrations_host.vault import Vault
from qwoty_stripe_invoice import gateway, payment_links, tax_rates
from storm.databases import in_memory, on_postgresql
from storm.engine import Jobs, StormEngine, StormLocks, cut_locks
from storm.scheduler import Actor, Died, Scheduler
from storm.wire import Wire, client_for
from stripe_simulator import StripeSimulator
from stripe_simulator import ids as stripe_ids
from stripe_simulator.clock import Clock as StripeClock
from stripe_simulator.delivery import Delivery, signature

WORKSPACE, PLUGIN = "ws-1", "stripe_invoice"
#: The base address of the webhooks; the simulator delivers to loopback addresses only.
PUBLIC_URL = "http://127.0.0.1:9"
BEGIN = datetime(2026, 3, 10, 9, 15, tzinfo=UTC)
#: The most deliveries of a webhook that is not accepted.
MOST_DELIVERIES = 16
#: The plugin settings that a story can choose.
SETTINGS: tuple[dict[str, Any], ...] = (
    {"invoice_status": "open", "send_payment_link": True},
    {"invoice_status": "open", "send_payment_link": True, "void_on_cancel": True},
    {"invoice_status": "open", "send_payment_link": True, "send_next_installments": "on_due_date"},
    {"invoice_status": "open", "send_invoice_email": True},
    {"invoice_status": "draft"},
    {"invoice_status": "open", "send_payment_link": True, "exact_tax": False},
)
_CONFIG = HostConfig(data_dir=Path(os.devnull), public_url=PUBLIC_URL)


# -- the host's surroundings --------------------------------------------------------------------------


class InlineCalls(Calls):
    """Calls a hook in the same thread, because the order of two threads would depend on chance."""

    def make(self, plugin: str, hook: str, origin: str, work: Callable[[], Any], **_: Any) -> Any:
        returned = _Returned(work)
        returned.run()
        return returned.get()


class Released(Plugins):
    """The plugins of a later release: each step has another name, and a new step comes first."""

    release = 1

    def of(self, release: int) -> Released:
        """Return these plugins as this release has them."""
        later = copy(self)
        later.release = release
        later.statuses = tuple(replace(each, version=f"{each.version}+{release}") for each in self.statuses)
        return later

    def _call(self, plugin_id: str, hook: str, rules: HookRules, facts: dict[str, Any]) -> Any:
        if self.release > 1 and getattr(facts["ctx"].step, "used", None) is not None:
            facts["ctx"] = replace(facts["ctx"], step=_Renaming(facts["ctx"].step, self.release))
        return super()._call(plugin_id, hook, rules, facts)


class _Renaming:
    def __init__(self, steps: Any, release: int) -> None:
        self._steps, self._release, self._begun = steps, release, False

    @property
    def last_heartbeat(self) -> float:
        return float(self._steps.last_heartbeat)

    def __call__(self, name: str, work: Callable[[Any], Any]) -> Any:
        if not self._begun:
            self._begun = True
            self._steps(f"new in release {self._release}", lambda _: None)
        head, colon, rest = name.partition(":")
        return self._steps(f"{head}.{self._release}{colon}{rest}", work)


@cache
def _plugins() -> Released:
    plugins = Released(clock=ManualClock(BEGIN))
    plugins.calls = InlineCalls(ManualClock(BEGIN), Deadlines())
    return plugins


def _fill(settings: int, store: Store) -> None:
    """Add the workspace, and enable the integration."""
    with store.write() as db:
        add_workspace(db, WORKSPACE, BEGIN)
    clock = ManualClock(BEGIN)
    engine = StormEngine(Jobs(Scheduler(0, clock), clock), Actor("setting up", lambda: None))
    host = _assembled(store, clock, engine, None, _plugins(), None)
    host.settings.save(WORKSPACE, PLUGIN, {"workspace_api_token": KEY, **SETTINGS[settings]})
    host.settings.enable(WORKSPACE, PLUGIN)


def _assembled(store: Store, clock: Any, engine: Any, transport: Any, plugins: Plugins, locks: Any) -> Host:
    vault = Vault([b"\7" * 32])
    rate_limits: Any = _NoRateLimits()
    return assemble(_CONFIG, Resources(clock, store, engine, vault, plugins, transport, locks, rate_limits))


class _NoRateLimits:
    def acquire(self, name: str, per_second: float) -> None:
        return


class StormClock(ManualClock):
    """One clock for all processes; a process that sleeps lets others run."""

    scheduler: Scheduler

    def set(self, moment: datetime) -> None:
        self._now = max(self._now, moment)

    def sleep(self, seconds: float) -> None:
        self.scheduler.sleep(seconds)


class StormStore(Store):
    """The store of one process. The database may be unavailable, and each commit is a boundary."""

    def __init__(self, engine: Engine, world: World) -> None:
        super().__init__(engine)
        self._world = world

    @contextmanager
    def write(self) -> Iterator[Connection]:
        if getattr(self._mine, "transaction", None) is not None:
            with super().write() as db:
                yield db
            return
        scheduler, actor = self._world.scheduler, self._world.scheduler.current
        what = _caller()
        scheduler.boundary(f"before {what}")
        self._world.refuse_database()
        if actor is None:
            with super().write() as db:
                yield db
            self._world.jobs.commit()
            return
        actor.in_transaction = True
        try:
            with super().write() as db:
                yield db
                scheduler.boundary(f"before commit, {what}")
        except BaseException:
            self._world.jobs.pending.clear()
            raise
        finally:
            actor.in_transaction = False
        self._world.jobs.commit()
        scheduler.boundary(f"after commit, {what}")
        if self._world.loses_answer():
            raise DatabaseUnavailable("The database did not say whether it has committed.", hint="")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        actor = self._world.scheduler.current
        if actor is not None and actor.dying:
            raise Died
        if getattr(self._mine, "transaction", None) is None:
            self._world.refuse_database()
        with super().read() as db:
            yield db


def _caller() -> str:
    frame = sys._getframe(3)
    module = str(frame.f_globals.get("__name__", "")).rsplit(".", 1)[-1]
    return f"{module}.{frame.f_code.co_name.lstrip('_')}"


@dataclass(frozen=True)
class Mail:
    """A sent mail. ``begun``, ``left``: the boundaries passed when its step began, and when it was sent."""

    text: str
    to: str
    begun: int
    left: int


class StormTransport:
    """A mail server that accepts mails, refuses them, or breaks the connection while it accepts one."""

    repeatable = False
    sender = "billing@seller.example"

    def __init__(self, world: World) -> None:
        self._world = world

    def deliver(self, mail: EmailMessage, leaving: Callable[[], None]) -> None:
        world = self._world
        world.scheduler.boundary("mail server, connect")
        trouble = world.mail_troubles.pop(0) if world.mail_troubles else ""
        if trouble == "unreachable":
            raise RetryableError("The mail server cannot be reached.", code="mail_unreachable")
        if trouble == "deferred":
            raise RetryableError("The mail server refused the mail.", code="mail_deferred")
        if trouble == "refused":
            raise NeedsAttention("The mail server refused the recipient.", hint="Correct it.", code="mail_refused")
        world.scheduler.boundary("mail server, recipient taken")
        leaving()
        world.scheduler.boundary("mail server, before the mail itself")
        actor = world.scheduler.current
        begun = actor.step_began if actor else 0
        if trouble != "cut before":
            part = mail.get_body(("plain",))
            text = part.get_content() if part is not None else ""
            world.mails.append(Mail(str(text), str(mail["To"]), begun, world.scheduler.passed))
        world.scheduler.boundary("mail server, its answer unread")
        if trouble in {"cut before", "cut after"}:
            raise unsure()

    def check(self) -> str:
        return "storm"


MAIL_TROUBLES = ("unreachable", "deferred", "refused", "cut before", "cut after")


# -- the world ------------------------------------------------------------------------------------------


@dataclass
class Request:
    """A request to the host's HTTP side. ``again``: the caller repeats it until it gets an answer."""

    name: str
    act: Callable[[Host], Any]
    again: bool = False
    heard: Callable[[Any], None] = lambda _: None


@dataclass(frozen=True)
class Told:
    """A request about a quote, its answer (an error if it was refused), and the boundaries passed at both moments."""

    what: str
    quote_id: str
    answer: Any
    asked: int
    answered: int

    @property
    def is_done(self) -> bool:
        return not isinstance(self.answer, Exception) and self.answer is not None


@dataclass
class Process:
    """One process, a worker or an HTTP side, and the host in it."""

    actor: Actor
    host: Host
    engine: StormEngine
    release: int


@dataclass(frozen=True)
class Spec:
    """The properties of a world."""

    quotes: int = 1
    workers: int = 1
    #: The index in SETTINGS.
    settings: int = 0
    #: Whether the Stripe account refuses taxes that the caller computed.
    refuses_tax_amounts: bool = False


class World:
    """Everything that a storm acts on."""

    def __init__(self, seed: int, spec: Spec, postgresql: str = "") -> None:
        self.spec = spec
        self.clock = StormClock(BEGIN)
        self.scheduler = self.clock.scheduler = Scheduler(seed, self.clock)
        self.stripe = StripeSimulator(clock=StripeClock(lambda: self.clock.now().timestamp()))
        self.stripe.config.update(tax_amounts_refused=spec.refuses_tax_amounts)
        self.wire = Wire()
        self.jobs = Jobs(self.scheduler, self.clock)
        self.locks: dict[str, tuple[Actor, int]] = {}
        self.mails: list[Mail] = []
        self.mail_troubles: list[str] = []
        self.requests: list[Request] = []
        #: How often the database will still be unavailable.
        self.database_refusals = 0
        self.lost_commits = 0
        self.release = 1
        #: The answers that people got, for the checker.
        self.told: list[Told] = []
        #: The last accepted version of each quote, by the quote's index.
        self.versions: dict[int, int] = {}
        self.happened: list[Any] = []
        #: How often people have retried, in the calm, what needed attention.
        self.retries = 0
        database = on_postgresql(postgresql) if postgresql else in_memory()
        database.begin(spec.settings, partial(_fill, spec.settings))
        self._database = database.engine
        self._client()
        self.processes = [self._process(f"worker {n}", works=True) for n in range(1, spec.workers + 1)]
        self.processes += [self._process(f"front {n}", works=False) for n in (1, 2)]
        #: A host for the harness itself, outside every process.
        self.eye = self._host(self.processes[-1].engine, 1)

    def _client(self) -> None:
        for patience in (gateway._PATIENT, gateway._QUICK):
            place = (gateway.fingerprint(KEY), gateway.api_base(), patience)
            gateway._clients[place] = client_for(self, KEY)

    def _process(self, name: str, *, works: bool) -> Process:
        actor = Actor(name, lambda: None)
        engine = StormEngine(self.jobs, actor)
        process = Process(actor, self._host(engine, 1), engine, 1)
        if works:
            actor.work = lambda: self._alive(process, self._work)
            actor.has_work = lambda: self.jobs.next_due() is not None
        else:
            actor.work = lambda: self._alive(process, self._answer)
            actor.has_work = lambda: bool(self.requests)
        engine.start(process.host.executor.execute)
        self.scheduler.add(actor)
        return process

    def _host(self, engine: StormEngine, release: int) -> Host:
        plugins = _plugins() if release == 1 else _plugins().of(release)
        locks = StormLocks(self.locks, self.scheduler)
        return _assembled(StormStore(self._database, self), self.clock, engine, StormTransport(self), plugins, locks)

    def _alive(self, process: Process, work: Callable[[Process], None]) -> None:
        """Work as a process; if it dies, start it again."""
        if process.release != self.release:
            self._start_again(process)
        try:
            work(process)
        except Died:
            process.actor.dying = False
            self.take_over(process.actor)
            self._start_again(process)

    def _start_again(self, process: Process) -> None:
        process.release = self.release
        process.engine = StormEngine(self.jobs, process.actor)
        process.host = self._host(process.engine, process.release)
        process.engine.start(process.host.executor.execute)
        process.actor.in_transaction, process.actor.doing = False, ""

    def _work(self, process: Process) -> None:
        process.engine.work_next()

    def _answer(self, process: Process) -> None:
        request = self.requests.pop(0)
        process.actor.doing = request.name
        try:
            answer = request.act(process.host)
            self.scheduler.boundary("before the answer")
            request.heard(answer)
        except (IntegrationError, NotFound, WebhookRejected) as error:
            if isinstance(error, DatabaseUnavailable) and request.again:
                self.requests.append(request)
            else:
                request.heard(error)
        except Died:
            if request.again:
                self.requests.append(request)
            raise
        finally:
            process.actor.doing = ""

    def take_over(self, actor: Actor, *, cut: bool = True) -> None:
        """Give the jobs of a process to others, because it is dead, or so late that it seems dead."""
        if cut:
            cut_locks(self.locks, actor)
        current, self.scheduler.current = self.scheduler.current, None
        try:
            for job in self.jobs.lose(actor, progress=self.eye.executor.count_results):
                # In an empty context, because this may be called in the middle of a frozen process's work.
                Context().run(self.eye.executor.set_aside, job)
        finally:
            self.scheduler.current = current

    # -- how it is ------------------------------------------------------------------------------------

    def open_runs(self) -> list[tuple[str, str, str]]:
        """Return kind, quote and status of the runs that have not ended."""
        open_ones = t.runs.c.status.in_(["queued", "running", "waiting"])
        with self.eye.store.read() as db:
            wanted = select(t.runs.c.kind, t.runs.c.quote_id, t.runs.c.status).where(open_ones)
            return [tuple(row) for row in db.execute(wanted)]

    def is_at_rest(self) -> bool:
        """Return whether no work is left."""
        return not self.jobs.queued and not self.jobs.owner and not self.requests and not self.open_runs()

    def close(self) -> None:
        """Stop every process where it is."""
        for process in self.processes:
            line = process.actor.line
            if line and not line.dead:
                self.scheduler.current = None
                line.throw()

    # -- what goes wrong ----------------------------------------------------------------------------

    def refuse_database(self) -> None:
        if self.scheduler.current is not None and self.database_refusals:
            self.database_refusals -= 1
            raise DatabaseUnavailable("The database is away.", hint="Wait for it.")

    def loses_answer(self) -> bool:
        if not self.lost_commits or self.scheduler.current is None:
            return False
        self.lost_commits -= 1
        return True

    # -- what services do ---------------------------------------------------------------------------

    def ask(self, request: Request) -> None:
        """Send a request to the HTTP side."""
        self.requests.append(request)

    def tell(self, quote_id: str, what: str, act: Callable[[Host], Any], *, again: bool = False) -> None:
        """Send a request about a quote, from a person or the platform, and keep its answer."""
        asked = self.scheduler.passed

        def heard(answer: Any) -> None:
            self.told.append(Told(what, quote_id, answer, asked, self.scheduler.passed))

        self.ask(Request(what, act, again, heard))

    @property
    def deliveries(self) -> list[Delivery]:
        """The webhooks that Stripe has to deliver, oldest first."""
        return self.stripe._deliveries._all

    def deliver(self, delivery: Delivery, *, forged: bool = False) -> None:
        """Deliver a webhook from Stripe, which is repeated until it is accepted."""
        state = self.stripe.world.state(delivery.account, delivery.livemode)
        endpoint = state.endpoints.get(delivery.endpoint_id)
        if endpoint is None or endpoint["status"] != "enabled":
            delivery.status = "dropped"
            return
        secrets = ["whsec_wrong"] if forged else list(state.endpoint_secrets[delivery.endpoint_id])
        signed = signature(delivery.body, secrets, int(self.clock.now().timestamp()))
        token = delivery.url.rsplit("/", 1)[-1]
        found = WebhookRequest(token, delivery.body.encode(), {"Stripe-Signature": signed})

        def heard(answer: Any) -> None:
            if forged:
                if isinstance(answer, str):
                    self.told.append(Told("forged webhook", "", answer, self.scheduler.passed, self.scheduler.passed))
                return
            delivery.attempts.append(str(answer))
            given_up = "undelivered" if len(delivery.attempts) > MOST_DELIVERIES else "pending"
            delivery.status = "delivered" if isinstance(answer, str) else given_up

        if not forged:
            delivery.status = "on its way"
        self.ask(
            Request("webhook", lambda host: host.runs.webhooks.receive(WORKSPACE, PLUGIN, found), not forged, heard)
        )


# -- as long as it storms ---------------------------------------------------------------------------------


@contextmanager
def weather(seed: int) -> Iterator[None]:
    """Make randomness follow from the seed, silence the logs, and keep all requests in this process."""
    chance = random.Random(f"chance/{seed}")
    alphabet = stripe_ids.ALPHANUMERIC
    kept = (os.urandom, random._urandom, stripe_ids.random_text, payment_links.fetch_pdf)
    stripe_names = _named(stripe_ids.random_text)
    level = logging.root.manager.disable

    def text(length: int, letters: str = alphabet) -> str:
        return "".join(chance.choices(letters, k=length))

    os.urandom = random._urandom = chance.randbytes  # type: ignore[attr-defined,assignment]
    for module, name in stripe_names:
        setattr(module, name, text)
    payment_links.fetch_pdf = lambda _: b"%PDF-1.4 storm"
    threads, tax_rates.threading = tax_rates.threading, SimpleNamespace(Thread=_InLine)  # type: ignore[assignment]
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        os.urandom, random._urandom, _, payment_links.fetch_pdf = kept  # type: ignore[attr-defined]
        tax_rates.threading = threads
        for module, name in stripe_names:
            setattr(module, name, kept[2])
        logging.disable(level)


class _InLine:
    """A thread that does its work when it is started, before ``start`` returns."""

    def __init__(self, target: Callable[..., None], args: tuple[Any, ...], **_: Any) -> None:
        self._work = lambda: target(*args)

    def start(self) -> None:
        self._work()


def _named(function: Any) -> list[tuple[Any, str]]:
    """Return the modules and names of the simulator under which a function is known."""
    modules = [module for name, module in list(sys.modules.items()) if name.startswith("stripe_simulator")]
    return [(m, name) for m in modules for name, value in vars(m).items() if value is function]
