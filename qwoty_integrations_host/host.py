"""Puts one host together. There are no singletons: tests build many (but only one engine works at a time)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Engine as DatabaseEngine
from sqlalchemy.exc import DBAPIError

from .alerts.delivery import AlertDelivery
from .alerts.digest import DailyDigest
from .alerts.missing_webhooks import MissingWebhooks
from .alerts.recipients import AlertRecipients
from .alerts.recording import Alerts
from .clock import Clock, SystemClock
from .concurrency.file_lock import WorkerLock
from .concurrency.locks import Locks, NamedLocks
from .concurrency.rate_limits import Paces, ProcessSlots
from .config import HostConfig
from .engine.attempts import Attempts
from .engine.interface import Engine
from .errors import DatabaseUnavailable, HostError
from .mail.transports import OutboxTransport, SmtpTransport, Transport
from .maintenance.key_rotation import give_versions, refuse_missing_keys, take_up_unversioned
from .maintenance.pruning import Pruning
from .maintenance.scheduler import Job, Schedule
from .maintenance.upkeep import Upkeep
from .platform.configuration import Configurations
from .platform.resolver import Platforms
from .plugins.catalogs import Translations
from .plugins.contexts import Contexts
from .plugins.manager import Plugins
from .quotes.run import Run
from .runs.executor import Execution
from .runs.platform_events import PlatformEvents
from .runs.rejected_webhooks import Refusals
from .runs.requests import Runs
from .runs.uninvoiced import Uninvoiced
from .store import runs as run_rows
from .store.advisory_locks import AdvisoryLocks
from .store.database import Store, open_database
from .store.rate_limits import SharedSlots
from .store.secrets import any_sealed
from .vault import Vault, has_key_file, load_vault
from .workspaces.connections import Connections
from .workspaces.inquiries import Begin, Inquiries, in_a_thread
from .workspaces.platforms import WorkspacePlatforms
from .workspaces.settings import WorkspaceSettings

_OPENING_SECONDS = 60.0
#: Seconds between two looks at the calendar; what is sent on a day need not be sent to the minute.
_INSTALLMENTS_EVERY = 300.0
#: Seconds between two looks whether an upkeep is due; each workspace's comes once an hour.
_UPKEEP_EVERY = 300.0
_PRUNING_EVERY = 24 * 3600.0
_MISSING_WEBHOOKS_EVERY = 3600.0
#: Seconds between two looks for what workers of an earlier release have sealed during an upgrade.
_SECRETS_EVERY = 3600.0
#: Seconds between two writings of how many webhooks were refused.
_REFUSALS_EVERY = 5.0
#: Seconds between two looks whether people are to be told something.
_ALERTS_EVERY = 30.0
#: Seconds between two looks whether it is time for the daily digest.
_DIGEST_EVERY = 300.0


@dataclass(frozen=True, slots=True)
class Host:
    """One host on one data directory; close it when done."""

    config: HostConfig
    clock: Clock
    store: Store
    vault: Vault
    plugins: Plugins
    settings: WorkspaceSettings
    runs: Runs
    execution: Execution
    upkeep: Upkeep
    connections: Connections
    inquiries: Inquiries
    alerts: Alerts
    alert_recipients: AlertRecipients
    alert_delivery: AlertDelivery
    missing_webhooks: MissingWebhooks
    digest: DailyDigest
    engine: Engine
    worker_lock: WorkerLock
    schedule: Schedule
    pruning: Pruning
    transport: Transport
    platforms: WorkspacePlatforms
    platform_events: PlatformEvents
    translations: Translations
    uninvoiced: Uninvoiced

    def start_worker(self, *, patience: float = 0.0) -> bool:
        """Begin to work runs; on SQLite unless another process does so for this data directory (then False)."""
        if self.worker_lock.held:
            return True
        if not self.worker_lock.acquire(patience=patience):
            return False
        self.engine.start(self.execution.execute, self.execution.set_aside, self.execution.count_results)
        self.execution.resume_stranded()
        return True

    def wait_for(self, run_ids: Sequence[str], *, timeout: float) -> bool:
        """Wait until these runs have ended or wait through an outage; False when the time (seconds) is over first."""

        def ended() -> bool:
            with self.store.read() as db:
                return not run_rows.unfinished(db, run_ids)

        return self.engine.wait(ended, timeout=timeout)

    def waiting(self, run_ids: Sequence[str]) -> list[Run]:
        """Those of these runs that wait through an outage."""
        with self.store.read() as db:
            return run_rows.waiting(db, run_ids)

    def close(self, *, patience: float = 60.0) -> bool:
        """Let running steps end, then let go of engine, database and lock; the next start goes on there.

        False when a step still works after ``patience`` seconds: the lock then stays until the process ends, so
        that nobody does the same step beside it.
        """
        self.schedule.stop()
        self.inquiries.close()
        self.runs.refusals.write_down()
        if not self.engine.close(patience=patience):
            return False
        self.store.close()
        self.worker_lock.release()
        return True


@dataclass(frozen=True, slots=True)
class Ground:
    """What a host stands on."""

    clock: Clock
    store: Store
    engine: Engine
    vault: Vault
    plugins: Plugins
    transport: Transport
    locks: Locks
    paces: Paces
    begin_inquiry: Begin = in_a_thread


def create_host(
    config: HostConfig,
    *,
    engine: Callable[[DatabaseEngine], Engine] | None = None,
    clock: Clock | None = None,
    begin_inquiry: Begin = in_a_thread,
) -> Host:
    """Build a host; nothing is worked until ``start_worker``.

    ``begin_inquiry`` begins what a request asks of a service; a test may do it in its own thread, or later.


    Raises: HostError when the data directory, the key ring or the configuration cannot be used.
    """
    clock = clock or SystemClock()
    _make_private(config)
    _refuse_lost_keys(config)
    vault = load_vault(config.data_dir, config.keys)
    transport = _transport(config)
    plugins = load_plugins(config, clock)
    database, worked_by = _open(config, engine or _durable)
    store = Store(database)
    _refuse_missing_keys(store, worked_by, vault)
    take_up_unversioned(store, vault, clock)
    locks: Locks = AdvisoryLocks(database) if config.is_shared else NamedLocks()
    # Between machines the database's clock decides, and waiting for a turn there is real.
    paces = Paces(SharedSlots(database), SystemClock()) if config.is_shared else Paces(ProcessSlots(clock), clock)
    return assemble(config, Ground(clock, store, worked_by, vault, plugins, transport, locks, paces, begin_inquiry))


def assemble(config: HostConfig, ground: Ground) -> Host:
    """Put a host together on what is opened already; nothing is opened, read or written."""
    clock, store, worked_by, vault = ground.clock, ground.store, ground.engine, ground.vault
    plugins, transport, locks, paces = ground.plugins, ground.transport, ground.locks, ground.paces
    configurations = Configurations(store, vault)
    chosen = Platforms(store, configurations, paces, config.private_pdfs, config.private_platforms)
    contexts = Contexts(store, vault, clock, transport, locks, paces, chosen, config.public_url, plugins)
    settings = WorkspaceSettings(store, vault, plugins, clock, contexts.make)
    attempts = Attempts(store, worked_by, clock)
    refusals = Refusals(store, clock)
    translations = Translations(plugins)
    alerts = Alerts(store, clock)
    alert_recipients = AlertRecipients(store, vault, clock, config.private_alerts, config.public_url)
    alert_delivery = AlertDelivery(store, clock, locks, transport, translations, alert_recipients)
    runs = Runs(store, worked_by, plugins, settings, contexts, clock, attempts, refusals, alerts)
    platform_events = PlatformEvents(store, clock, chosen, runs)
    execution = Execution(
        store,
        worked_by,
        plugins,
        settings,
        contexts,
        locks,
        clock,
        config.retry,
        runs,
        attempts,
        alerts,
        platform_events,
        config.restored,
    )
    # Any number of workers share a PostgreSQL; a SQLite file has one.
    lock = WorkerLock(config.data_dir, shared=config.is_shared)
    upkeep = Upkeep(store, plugins, settings, contexts, clock, runs)
    connections = Connections(store, plugins, settings, contexts, clock, attempts)
    missing_webhooks = MissingWebhooks(store, plugins, settings, contexts, clock, alerts)
    digest = DailyDigest(store, clock, alerts, missing_webhooks)
    pruning = Pruning(store, worked_by, clock, config.keep_days)
    schedule = Schedule(
        [
            Job("installments", runs.request_due_installments, _INSTALLMENTS_EVERY),
            Job("upkeep after a start", upkeep.request_after_start, None),
            Job("upkeep", upkeep.request_due, _UPKEEP_EVERY),
            Job("pruning", pruning.prune, _PRUNING_EVERY),
            Job("missing webhooks", missing_webhooks.record_new, _MISSING_WEBHOOKS_EVERY),
            Job("secrets", partial(give_versions, store, vault), _SECRETS_EVERY),
            Job("refusals", refusals.write_down, _REFUSALS_EVERY),
            Job("digest", digest.record_due, _DIGEST_EVERY),
            Job("alerts", alert_delivery.deliver, _ALERTS_EVERY),
        ]
    )
    return Host(
        config,
        clock,
        store,
        vault,
        plugins,
        settings,
        runs,
        execution,
        upkeep,
        connections,
        Inquiries(store, clock, ground.begin_inquiry),
        alerts,
        alert_recipients,
        alert_delivery,
        missing_webhooks,
        digest,
        worked_by,
        lock,
        schedule,
        pruning,
        transport,
        WorkspacePlatforms(store, vault, clock, configurations, runs.retry_fetches),
        platform_events,
        translations,
        Uninvoiced(store, plugins, runs),
    )


def _open(config: HostConfig, engine: Callable[[DatabaseEngine], Engine]) -> tuple[DatabaseEngine, Engine]:
    with _opening(config):
        database = open_database(config.database_url)
        return database, engine(database)


@contextmanager
def _opening(config: HostConfig) -> Iterator[None]:
    # One at a time: two first starts at once would both make the tables.
    opening = WorkerLock(config.data_dir, "open.lock")
    opening.acquire(patience=_OPENING_SECONDS)
    try:
        yield
    except (DBAPIError, DatabaseUnavailable) as error:
        words = getattr(error if isinstance(error, DBAPIError) else error.__cause__, "orig", error)
        why = str(words).splitlines()[0].rstrip(".")
        where = "at QWOTY_HOST_DATABASE_URL" if config.is_shared else f"in {config.data_dir}"
        raise HostError(
            f"The database {where} cannot be opened: {str(why).rstrip('.')}.",
            hint="Is it a host's own, not full, and not held by another program?",
            code="data_dir",
        ) from error
    finally:
        opening.release()


def _refuse_lost_keys(config: HostConfig) -> None:
    """A key ring made anew would let a database with secrets look well, until the first of them is needed."""
    if config.keys is not None or has_key_file(config.data_dir):
        return
    with _opening(config):
        store = Store(open_database(config.database_url))
        with store.read() as db:
            lost = any_sealed(db)
        store.close()
    if lost:
        raise HostError(
            f"The file keys is missing in {config.data_dir}, but the database holds secrets that only its keys open.",
            hint="Put the file back from the backup, or set QWOTY_HOST_KEYS to what the other machines have.",
            code="key_missing",
        )


def _refuse_missing_keys(store: Store, engine: Engine, vault: Vault) -> None:
    try:
        refuse_missing_keys(store, vault)
    except HostError:
        engine.close()
        store.close()
        raise


def _durable(database: DatabaseEngine) -> Engine:
    from .engine.durable import DurableEngine  # noqa: PLC0415 - lazy: DBOS takes half a second to import

    return DurableEngine(database)


def load_plugins(config: HostConfig, clock: Clock) -> Plugins:
    """Load what is installed. Raises: HostError where a plugin that does not load stops the start."""
    return Plugins(blocked=config.plugins_blocked, strict=config.plugins_strict, trace=config.trace_hooks, clock=clock)


def _make_private(config: HostConfig) -> None:
    try:
        config.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise HostError(
            f"The data directory {config.data_dir} cannot be made: {error.strerror}.",
            hint="Choose another with --data-dir or QWOTY_HOST_DATA_DIR.",
            code="data_dir",
        ) from error
    if not os.access(config.data_dir, os.W_OK):
        raise HostError(
            f"The data directory {config.data_dir} cannot be written to.",
            hint="Give its user the right to write there, or choose another with --data-dir or QWOTY_HOST_DATA_DIR.",
            code="data_dir",
        )


def _transport(config: HostConfig) -> Transport:
    if config.smtp_url and config.mail_from:
        return SmtpTransport(config.smtp_url, config.mail_from)
    return OutboxTransport(config.data_dir / "outbox", "Qwoty <no-reply@qwoty.invalid>")
