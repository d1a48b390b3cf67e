"""Builds a host. There are no singletons: tests build many hosts, of which one at a time has a running engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Engine as DatabaseEngine

from .alerts.delivery import AlertDelivery
from .alerts.digest import DailyDigest
from .alerts.missing_webhooks import MissingWebhooks
from .alerts.recipients import AlertRecipients
from .alerts.recording import Alerts
from .clock import Clock, SystemClock
from .concurrency.file_lock import WorkerLock
from .concurrency.locks import Locks, NamedLocks
from .concurrency.rate_limits import ProcessSlots, RateLimits
from .config import HostConfig
from .engine.attempts import Attempts
from .engine.interface import Engine
from .errors import HostError
from .mail.transports import OutboxTransport, SmtpTransport, Transport
from .maintenance.key_rotation import give_versions, refuse_missing_keys, take_up_unversioned
from .maintenance.pruning import Pruning, fold_tallies
from .maintenance.scheduler import Job, Schedule
from .maintenance.upkeep import Upkeep
from .platform.configuration import Configurations
from .platform.resolver import PlatformResolver
from .plugins.catalogs import Catalogs
from .plugins.contexts import Contexts
from .plugins.manager import Plugins
from .quotes.run import Run
from .runs.executor import Executor
from .runs.platform_events import PlatformEvents
from .runs.runs import Runs, create_runs
from .store import runs as run_rows
from .store.advisory_locks import AdvisoryLocks
from .store.database import Store, open_database
from .store.opening import make_private, opening, refuse_lost_keys
from .store.rate_limits import SharedSlots
from .vault import Vault, load_vault
from .workspaces.connections import Connections
from .workspaces.inquiries import Begin, Inquiries, in_a_thread
from .workspaces.integration import Integrations
from .workspaces.platforms import WorkspacePlatforms
from .workspaces.settings import WorkspaceSettings

#: Seconds between two checks for due installments, which are due on a day, not at a minute.
_INSTALLMENTS_EVERY = 300.0
#: Seconds between two checks for due upkeep; each workspace's is due once an hour.
_UPKEEP_EVERY = 300.0
_PRUNING_EVERY = 24 * 3600.0
_MISSING_WEBHOOKS_EVERY = 3600.0
#: Seconds between two checks for secrets that workers of an earlier release have sealed during an upgrade.
_SECRETS_EVERY = 3600.0
#: Seconds between two writes of the counts of rejected webhooks.
_REFUSALS_EVERY = 5.0
#: Seconds between two deliveries of alerts.
_ALERTS_EVERY = 30.0
#: Seconds between two sums of what the metrics show.
_TALLIES_EVERY = 60.0
#: Seconds between two checks whether the daily digest is due.
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
    integrations: Integrations
    runs: Runs
    executor: Executor
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
    catalogs: Catalogs

    def start_worker(self, *, patience: float = 0.0) -> bool:
        """Start to work runs. Return False when another process works this SQLite data directory."""
        if self.worker_lock.held:
            return True
        if not self.worker_lock.acquire(patience=patience):
            return False
        self.engine.start(self.executor.execute, self.executor.set_aside, self.executor.count_results)
        self.executor.resume_stranded()
        return True

    def wait_for(self, run_ids: Sequence[str], *, timeout: float) -> bool:
        """Wait until these runs have ended or wait through an outage; return False after ``timeout`` seconds."""

        def ended() -> bool:
            with self.store.read() as db:
                return not run_rows.unfinished(db, run_ids)

        return self.engine.wait(ended, timeout=timeout)

    def waiting(self, run_ids: Sequence[str]) -> list[Run]:
        """Return those of these runs that wait through an outage."""
        with self.store.read() as db:
            return run_rows.waiting(db, run_ids)

    def close(self, *, patience: float = 60.0) -> bool:
        """Let running steps end, then close engine, database and lock; the next start continues the runs.

        Return False when a step still runs after ``patience`` seconds. The lock is then held until the process ends, so
        that no other process repeats the step at the same time.
        """
        self.schedule.stop()
        self.inquiries.close()
        self.runs.webhooks.rejected.write_down()
        if not self.engine.close(patience=patience):
            return False
        self.store.close()
        self.worker_lock.release()
        return True


@dataclass(frozen=True, slots=True)
class Resources:
    """The opened resources on which a host is built."""

    clock: Clock
    store: Store
    engine: Engine
    vault: Vault
    plugins: Plugins
    transport: Transport
    locks: Locks
    rate_limits: RateLimits
    begin_inquiry: Begin = in_a_thread


def create_host(
    config: HostConfig,
    *,
    engine: Callable[[DatabaseEngine], Engine] | None = None,
    clock: Clock | None = None,
    begin_inquiry: Begin = in_a_thread,
) -> Host:
    """Build a host; it works no runs until ``start_worker``.

    ``begin_inquiry`` starts the inquiries that requests make at services; a test may run them itself, or later.
    Raises: HostError when the data directory, the key ring or the configuration cannot be used.
    """
    clock = clock or SystemClock()
    make_private(config)
    refuse_lost_keys(config)
    vault = load_vault(config.data_dir, config.keys)
    transport = _transport(config)
    plugins = load_plugins(config, clock)
    with opening(config):
        database = open_database(config.database_url, jobs=config.jobs)
        worked_by = engine(database) if engine else _durable(database, config.jobs)
    store = Store(database)
    _refuse_missing_keys(store, worked_by, vault)
    take_up_unversioned(store, vault, clock)
    locks: Locks = AdvisoryLocks(database) if config.is_shared else NamedLocks()
    # Machines share the database's clock, so they wait in real time also where a test has a clock of its own.
    slots, slots_clock = (SharedSlots(database), SystemClock()) if config.is_shared else (ProcessSlots(clock), clock)
    rate_limits = RateLimits(slots, slots_clock)
    return assemble(
        config, Resources(clock, store, worked_by, vault, plugins, transport, locks, rate_limits, begin_inquiry)
    )


def assemble(config: HostConfig, opened: Resources) -> Host:
    """Build a host on opened resources; opens, reads and writes nothing."""
    clock, store, worked_by, vault = opened.clock, opened.store, opened.engine, opened.vault
    plugins, transport, locks, rate_limits = opened.plugins, opened.transport, opened.locks, opened.rate_limits
    configurations = Configurations(store, vault)
    platforms = PlatformResolver(store, configurations, rate_limits, config.private_pdfs, config.private_platforms)
    contexts = Contexts(store, vault, clock, transport, locks, rate_limits, platforms, config.public_url, plugins)
    settings = WorkspaceSettings(store, vault, plugins, clock, contexts.make)
    attempts = Attempts(store, worked_by, clock)
    catalogs = Catalogs(plugins)
    alerts = Alerts(store, clock)
    alert_recipients = AlertRecipients(store, vault, clock, config.private_alerts, config.public_url)
    alert_delivery = AlertDelivery(store, clock, locks, transport, catalogs, alert_recipients)
    integrations = Integrations(plugins, settings, contexts)
    runs = create_runs(store, worked_by, integrations, clock, attempts, alerts)
    platform_events = PlatformEvents(store, clock, platforms, runs)
    executor = Executor(
        store,
        worked_by,
        integrations,
        locks,
        clock,
        config.retry,
        runs,
        attempts,
        alerts,
        platform_events,
        config.restored,
    )
    # Any number of workers share a PostgreSQL; a SQLite file has one worker.
    lock = WorkerLock(config.data_dir, shared=config.is_shared)
    upkeep = Upkeep(store, integrations, clock, runs.queue, alerts)
    connections = Connections(store, integrations, clock, attempts)
    missing_webhooks = MissingWebhooks(store, integrations, clock, alerts)
    digest = DailyDigest(store, clock, alerts, missing_webhooks)
    pruning = Pruning(store, worked_by, clock, config.keep_days)
    schedule = _schedule(store, vault, runs, upkeep, pruning, missing_webhooks, digest, alert_delivery)
    return Host(
        config,
        clock,
        store,
        vault,
        plugins,
        settings,
        integrations,
        runs,
        executor,
        upkeep,
        connections,
        Inquiries(store, clock, opened.begin_inquiry),
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
        WorkspacePlatforms(store, vault, clock, configurations, runs.control.retry_fetches),
        platform_events,
        catalogs,
    )


def _schedule(
    store: Store,
    vault: Vault,
    runs: Runs,
    upkeep: Upkeep,
    pruning: Pruning,
    missing_webhooks: MissingWebhooks,
    digest: DailyDigest,
    alert_delivery: AlertDelivery,
) -> Schedule:
    return Schedule(
        [
            Job("installments", runs.installments.request_due, _INSTALLMENTS_EVERY),
            Job("upkeep after a start", upkeep.request_after_start, None),
            Job("upkeep", upkeep.request_due, _UPKEEP_EVERY),
            Job("pruning", pruning.prune, _PRUNING_EVERY),
            Job("missing webhooks", missing_webhooks.record_new, _MISSING_WEBHOOKS_EVERY),
            Job("secrets", partial(give_versions, store, vault), _SECRETS_EVERY),
            Job("refusals", runs.webhooks.rejected.write_down, _REFUSALS_EVERY),
            Job("tallies", partial(fold_tallies, store), _TALLIES_EVERY),
            Job("digest", digest.record_due, _DIGEST_EVERY),
            Job("alerts", alert_delivery.deliver, _ALERTS_EVERY),
        ]
    )


def _refuse_missing_keys(store: Store, engine: Engine, vault: Vault) -> None:
    try:
        refuse_missing_keys(store, vault)
    except HostError:
        engine.close()
        store.close()
        raise


def _durable(database: DatabaseEngine, jobs: int) -> Engine:
    from .engine.durable import DurableEngine  # noqa: PLC0415 - lazy: DBOS takes half a second to import

    return DurableEngine(database, jobs)


def load_plugins(config: HostConfig, clock: Clock) -> Plugins:
    """Load the installed plugins. Raises: HostError in strict mode, when one of them does not load."""
    return Plugins(blocked=config.plugins_blocked, strict=config.plugins_strict, trace=config.trace_hooks, clock=clock)


def _transport(config: HostConfig) -> Transport:
    if config.smtp_url and config.mail_from:
        return SmtpTransport(config.smtp_url, config.mail_from)
    return OutboxTransport(config.data_dir / "outbox", "Qwoty <no-reply@qwoty.invalid>")
