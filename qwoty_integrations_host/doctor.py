"""Checks everything that a host needs, for `qwoty-host doctor`: one line per finding."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from sqlalchemy import func, select

from .config import unknown_variables
from .errors import IntegrationError
from .host import Host
from .mail.transports import SmtpTransport
from .maintenance.key_rotation import refuse_missing_keys
from .plugins.settings_migrations import UNFIT
from .reports.search import count_asking
from .store import counts, runs, secrets, workspaces
from .store.platforms import PLATFORM
from .workspaces.connection_status import ConnectionStatus

#: The largest difference between two clocks.
_SKEW = timedelta(seconds=5)
#: A run that has waited longer than this to begin means that no worker runs.
_PATIENCE = timedelta(minutes=2)
_LEAST_FREE_BYTES = 500_000_000


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check. ``detail`` says what was found, ``hint`` what to do about it."""

    about: str
    state: Literal["ok", "warning", "failed"]
    detail: str
    hint: str = ""


def examine(host: Host) -> list[Finding]:
    """Run all checks and return their findings; one that fails stops no other. Calls services, changes nothing."""
    looks: tuple[tuple[str, Callable[[Host], Iterator[Finding]]], ...] = (
        ("configuration", _configuration),
        ("database", _database),
        ("key ring", _key_ring),
        ("mail", _mail),
        ("plugins", _plugins),
        ("clock", _clock),
        ("worker", _worker),
        ("services", _services),
        ("connections", _connections),
        ("webhooks", _webhooks),
        ("quotes", _quotes),
        ("alerts", _alerts),
    )
    return [finding for about, look in looks for finding in _guarded(about, look, host)]


def _guarded(about: str, look: Callable[[Host], Iterator[Finding]], host: Host) -> Iterator[Finding]:
    try:
        yield from look(host)
    except IntegrationError as error:
        yield Finding(about, "failed", error.title, error.hint or "")


def _configuration(host: Host) -> Iterator[Finding]:
    config = host.config
    if config.public_url is None:
        hint = "Set QWOTY_HOST_PUBLIC_URL to the address of `qwoty-host serve`."
        yield Finding("configuration", "warning", "No public address: payment links cannot be offered.", hint)
    elif not config.public_url.startswith("https://"):
        yield Finding(
            "configuration",
            "warning",
            f"{config.public_url} is not https: services deliver live webhooks to https only.",
        )
    else:
        yield Finding("configuration", "ok", f"Reached at {config.public_url}.")
    for unknown in unknown_variables():
        yield Finding("configuration", "warning", str(unknown))
    if config.restored:
        hint = "Take it away once the runs of before the restore have ended."
        yield Finding("configuration", "warning", "QWOTY_HOST_RESTORED is set: every step looks first.", hint)


def _database(host: Host) -> Iterator[Finding]:
    with host.store.write() as db:
        db.exec_driver_sql("SELECT 1")
    where = "PostgreSQL" if host.config.is_shared else str(host.config.data_dir)
    yield Finding("database", "ok", f"{where} can be read and written.")
    free = shutil.disk_usage(host.config.data_dir).free
    if free < _LEAST_FREE_BYTES:
        yield Finding("database", "warning", f"Only {free // 1_000_000} MB are free in the data directory.")


def _key_ring(host: Host) -> Iterator[Finding]:
    refuse_missing_keys(host.store, host.vault)
    with host.store.read() as db:
        rows = secrets.all_sealed(db)
    for row in rows:
        host.vault.open(row["blob"], row["workspace"], row["plugin"], row["field"], version=row["version"])
    yield Finding("key ring", "ok", f"All stored secrets can be opened ({len(rows)}).")


def _mail(host: Host) -> Iterator[Finding]:
    transport = host.transport
    if isinstance(transport, SmtpTransport):
        yield Finding("mail", "ok", f"{transport.check()}.")
        return
    hint = "Set QWOTY_HOST_SMTP_URL and QWOTY_HOST_MAIL_FROM."
    yield Finding("mail", "warning", "No mail server: mails are written into the folder outbox and reach nobody.", hint)


def _plugins(host: Host) -> Iterator[Finding]:
    for status in host.plugins.statuses:
        if status.state in {"loaded", "blocked"}:
            yield Finding("plugins", "ok", f"{status.id} ({status.origin}) is {status.state}.")
        else:
            hint = f"Mend or remove {status.distribution}, or block it: QWOTY_PLUGINS_BLOCKED={status.id}"
            yield Finding(
                "plugins", "failed", f"{status.id} ({status.origin}) is {status.state}: {status.reason}", hint
            )
    for copy in host.plugins.shadowed():
        hint = "Remove the copy that is not meant, or put its folder first on the path."
        yield Finding("plugins", "warning", f"{copy} is there, too, but another copy comes before it.", hint)
    installed = {status.id for status in host.plugins.statuses}
    for workspace, plugin in host.settings.enabled_everywhere():
        if plugin not in installed:
            hint = f"Install it again, or: qwoty-host disable {workspace} {plugin}"
            yield Finding("plugins", "failed", f"{plugin} is switched on in {workspace}, but not installed.", hint)
    yield from _stuck(host)


def _stuck(host: Host) -> Iterator[Finding]:
    """Yield runs that wait for a plugin, and calls of this process that were abandoned."""
    with host.store.read() as db:
        waiting = runs.waiting_for_a_plugin(db, ("plugin_not_loaded", "plugin_hangs", *UNFIT))
    for title, number in Counter(row.error_title for row in waiting).items():
        first = next(row for row in waiting if row.error_title == title)
        detail = f"{number} {'run waits' if number == 1 else 'runs wait'}: {title}"
        yield Finding("plugins", "failed", detail, first.error_hint)
    for call in host.plugins.calls.abandoned():
        yield Finding("plugins", "failed", f"{call}.")


def _clock(host: Host) -> Iterator[Finding]:
    now = host.clock.now()
    with host.store.read() as db:
        newest = counts.newest_run(db)
        if host.config.is_shared:
            apart = abs(db.execute(select(func.clock_timestamp())).scalar_one() - now)
            if apart > _SKEW:
                hint = "Let both machines ask the same time server."
                yield Finding("clock", "failed", f"{apart.total_seconds():.0f} s apart from the database's.", hint)
                return
    if newest is not None and newest - now > _SKEW:
        yield Finding("clock", "failed", f"Behind the newest run, which was asked for at {newest:%Y-%m-%d %H:%M} UTC.")
        return
    yield Finding("clock", "ok", f"{now:%Y-%m-%d %H:%M:%S} UTC.")


def _worker(host: Host) -> Iterator[Finding]:
    with host.store.read() as db:
        oldest = counts.oldest_queued(db)
    waited = host.clock.now() - oldest if oldest else timedelta(0)
    if waited > _PATIENCE:
        detail = f"A run has been waiting for {waited.total_seconds() // 60:.0f} minutes for somebody to begin it."
        yield Finding("worker", "failed", detail, "Start `qwoty-host serve` or `qwoty-host worker`.")
        return
    yield Finding("worker", "ok", "No run waits for somebody to begin it.")


def _services(host: Host) -> Iterator[Finding]:
    for service in host.connections.services()["data"]:
        if service["reachable"]:
            yield Finding("services", "ok", f"That of {service['plugin']} answers within {service['ms']} ms.")
        else:
            yield Finding("services", "failed", f"That of {service['plugin']}: {service['detail']}")


def _connections(host: Host) -> Iterator[Finding]:
    """Yield the stored state of connections, without calling services."""
    for workspace in sorted({workspace for workspace, _ in host.settings.enabled_everywhere()}):
        for connection in host.connections.list(workspace)["data"]:
            whose, problem = f"{workspace}, {connection['plugin']}", connection["problem"]
            if not connection["enabled"]:
                continue
            if problem and connection["status"] == ConnectionStatus.SETTINGS_INCOMPLETE:
                yield Finding("connections", "failed", f"{whose}: {problem['title']}", problem["hint"])
            elif problem:
                hint = f"{problem['hint']} Then: qwoty-host test-connection {workspace}"
                yield Finding("connections", "failed", f"{whose}: {problem['title']}", hint)
            elif not connection["testable"]:
                yield Finding("connections", "ok", f"{whose}: this integration has no test of its connection.")
            elif connection["status"] == "ok":
                yield Finding("connections", "ok", f"{whose}: works, as tested.")
            else:
                hint = f"Test it: qwoty-host test-connection {workspace} {connection['plugin']}"
                yield Finding("connections", "warning", f"{whose}: not tested.", hint)


def _webhooks(host: Host) -> Iterator[Finding]:
    for workspace in sorted({workspace for workspace, _ in host.settings.enabled_everywhere()}):
        for endpoint in host.upkeep.status(workspace)["data"]:
            last = endpoint["last_event_at"]
            age = f"last event {last[:16].replace('T', ' ')} UTC" if last else "no event yet"
            upkeep = endpoint["last_upkeep"]
            whose = f"{workspace}, {endpoint['plugin']}, {endpoint['mode']}: {age}"
            if upkeep and upkeep["error"]:
                yield Finding(
                    "webhooks", "failed", f"{whose}. {upkeep['error']['title']}", upkeep["error"]["hint"] or ""
                )
            else:
                yield Finding("webhooks", "ok", f"{whose}.")


def _quotes(host: Host) -> Iterator[Finding]:
    """Yield quotes that need a person."""
    with host.store.read() as db:
        lacking = counts.quotes_without_invoice(db)
        everywhere = workspaces.all_ids(db)
        asking = {each: count_asking(db, each, host.clock.now()) for each in everywhere}
        not_fetched = {each: runs.count_open(db, each).get(PLATFORM, 0) for each in everywhere}
    for workspace in everywhere:
        if number := asking[workspace]:
            said = f"{workspace}: {number} {'quote needs' if number == 1 else 'quotes need'} a person."
            yield Finding("quotes", "warning", said, f"`qwoty-host quote list {workspace} --asking` shows them.")
        if number := not_fetched[workspace]:
            said = f"{workspace}: {number} {'quote' if number == 1 else 'quotes'} could not be fetched."
            yield Finding("quotes", "warning", said, "`qwoty-host run list --status needs_attention` says why.")
    for (workspace,), number in sorted(lacking.items()):
        quotes = "signed quote has" if number == 1 else "signed quotes have"
        hint = f"`qwoty-host quote list {workspace} --without-invoice` says why, and how each gets one."
        yield Finding("quotes", "warning", f"{workspace}: {number} {quotes} no invoice.", hint)
    if not any((lacking, *asking.values(), *not_fetched.values())):
        yield Finding("quotes", "ok", "No signed quote waits for a person, an integration or a key.")


def _alerts(host: Host) -> Iterator[Finding]:
    """Yield workspaces without alert recipients, and alerts that cannot be delivered."""
    with host.store.read() as db:
        everywhere = workspaces.all_ids(db)
    for workspace in everywhere:
        waiting = host.alert_recipients.show(workspace)["waiting"]
        if not host.alert_recipients.exist(workspace):
            hint = f"`qwoty-host alerts set {workspace} --mail ADDRESS` says whom to tell."
            yield Finding("alerts", "warning", f"{workspace}: nobody is told when something needs a person.", hint)
        elif waiting:
            hint = f"`qwoty-host alerts show {workspace}` says why."
            yield Finding("alerts", "warning", f"{workspace}: alerts that are still to be told: {waiting}.", hint)
        else:
            yield Finding("alerts", "ok", f"{workspace}: whoever is to be told has been told.")
