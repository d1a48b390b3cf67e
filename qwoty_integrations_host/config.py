"""How one host is set up: from the environment, with ``DIR`` as the only thing needed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from .errors import HostError

#: For how many days ended runs are kept, and the fewest: a person must have had the time to look at them.
KEEP_DAYS, _SHORTEST_KEEP = 400, 30
#: How many runs a process works at a time unless told otherwise, and the most.
JOBS, MOST_JOBS = 8, 64
#: Every variable whose name begins with ``QWOTY_HOST_``, and those of the plugins; a test holds them to the docs.
VARIABLES = (
    *(
        f"QWOTY_HOST_{name}"
        for name in (
            "DATA_DIR",
            "DATABASE_URL",
            "KEYS",
            "PUBLIC_URL",
            "TRUSTED_PROXIES",
            "KEEP_DAYS",
            "JOBS",
            "SMTP_URL",
            "MAIL_FROM",
            "RESTORED",
            "ALERTS_ALLOW_PRIVATE",
            "PDF_ALLOW_PRIVATE",
            "PLATFORM_ALLOW_PRIVATE",
        )
    ),
    *("QWOTY_PLUGINS_BLOCKED", "QWOTY_PLUGINS_STRICT", "QWOTY_TRACE_HOOKS"),
)
#: How long after the try before a waiting run tries again; the last gap repeats.
WAITS = (*(timedelta(minutes=n) for n in (1, 5, 15, 30)), *(timedelta(hours=n) for n in (1, 2, 4, 8, 12)))


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How a step is repeated after a retryable error.

    First at once: ``tries`` in all, the gap doubling from ``first_gap`` to ``longest_gap`` seconds. Then the run waits
    and tries again by the gaps of ``waits``, until ``patience`` is over since the outage was first met.
    """

    tries: int = 6
    first_gap: float = 0.5
    longest_gap: float = 30.0
    waits: tuple[timedelta, ...] = WAITS
    patience: timedelta = timedelta(days=3)

    def gap(self, tried: int, wish: float | None) -> float | None:
        """Seconds until the next try after try number ``tried``; None when the run should rather wait."""
        if tried >= self.tries or (wish or 0.0) > self.longest_gap:
            return None
        return min(max(self.first_gap * 2.0 ** (tried - 1), wish or 0.0), self.longest_gap)

    def next_try(self, met: datetime, now: datetime, wish: float | None) -> datetime | None:
        """When to try again in an outage that was first met at ``met``; None when its time is over.

        The moments are counted from ``met``, so that tries which take long, or a host that was down, shift none of
        them. The service's own wish in seconds counts, up to the longest gap.
        """
        end = met + self.patience
        if now >= end:
            return None
        gaps, moment = iter(self.waits), met
        while moment <= now:
            moment += next(gaps, self.waits[-1])
        wished = now + min(timedelta(seconds=wish or 0.0), self.waits[-1])
        return min(max(moment, wished), end)


@dataclass(frozen=True, slots=True)
class HostConfig:
    """Everything that may differ between two deployments."""

    #: Folder of the database, the key ring, the locks and the outbox; ``qwoty-data`` unless set. Also ``--data-dir``.
    data_dir: Path
    #: The key ring: keys of 32 random bytes in base64, newest first, separated by commas. Without it, the file ``keys``
    #: in the data directory, which the first start creates.
    keys: str | None = field(default=None, repr=False)
    #: ``smtp://user:password@host:587`` (STARTTLS) or ``smtps://…``. Without it, mails are files in ``outbox/``.
    smtp_url: str | None = field(default=None, repr=False)
    #: The sender of mails; required with the mail server.
    mail_from: str | None = None
    #: The address under which services, customers and browsers reach ``serve``; payment links need it.
    public_url: str | None = None
    #: Proxies whose ``X-Forwarded-For`` or ``Forwarded`` names the client: addresses and networks, separated by commas.
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    #: Ids of plugins that are never imported, separated by commas.
    plugins_blocked: frozenset[str] = frozenset()
    #: The host does not start when a plugin does not load.
    plugins_strict: bool = False
    #: Print each call of a plugin's hook on stderr, without secrets.
    trace_hooks: bool = False
    retry: RetryPolicy = RetryPolicy()
    #: For how many days ended runs and their timelines are kept; 30 or more.
    keep_days: int = KEEP_DAYS
    #: How many runs a process works at a time, 1 to 64; at most half of them are of one workspace. Also ``--jobs``.
    jobs: int = JOBS
    #: The database was restored from a backup: each step looks for what it may have made already.
    restored: bool = False
    #: Alert webhooks may go to private addresses, and over http.
    private_alerts: bool = False
    #: The PDFs of quotes may come from private addresses, and over http.
    private_pdfs: bool = False
    #: A platform's ``base_url`` may lead to private addresses; loopback is always allowed.
    private_platforms: bool = False
    #: ``postgresql://user:password@host/database``, for any number of processes and machines. Without it, a SQLite file
    #: in the data directory.
    shared_database: str | None = field(default=None, repr=False)

    @property
    def is_shared(self) -> bool:
        """Whether other machines work on the same database."""
        return self.shared_database is not None

    @property
    def holds_a_host(self) -> bool:
        """Whether a host has worked here before: with a shared database its folder is there, else its file is."""
        return (self.data_dir if self.is_shared else self._file).exists()

    @property
    def _file(self) -> Path:
        return self.data_dir / "host.sqlite3"

    @property
    def database_url(self) -> str:
        return self.shared_database or f"sqlite:///{self._file}"

    @classmethod
    def from_environment(cls, env: Mapping[str, str] = os.environ, *, data_dir: str | None = None) -> HostConfig:
        """Read QWOTY_HOST_… variables. Raises: HostError naming the variable that is wrong."""
        smtp_url, mail_from = _read(env, "SMTP_URL"), _read(env, "MAIL_FROM")
        if bool(smtp_url) != bool(mail_from):
            raise HostError(
                "QWOTY_HOST_SMTP_URL and QWOTY_HOST_MAIL_FROM go together; one of them is not set.",
                hint="Set both, or neither: then mails are written into the folder outbox.",
                code="config",
            )
        return cls(
            data_dir=Path(data_dir or _read(env, "DATA_DIR") or "qwoty-data").absolute(),
            keys=_read(env, "KEYS"),
            keep_days=_days(_read(env, "KEEP_DAYS")),
            jobs=_jobs(_read(env, "JOBS")),
            smtp_url=smtp_url,
            mail_from=mail_from,
            public_url=_public_url(_read(env, "PUBLIC_URL")),
            trusted_proxies=_networks(_read(env, "TRUSTED_PROXIES")),
            shared_database=_postgresql(_read(env, "DATABASE_URL")),
            plugins_blocked=frozenset(
                filter(None, (p.strip() for p in env.get("QWOTY_PLUGINS_BLOCKED", "").split(",")))
            ),
            plugins_strict=_is_on(env, "QWOTY_PLUGINS_STRICT"),
            trace_hooks=_is_on(env, "QWOTY_TRACE_HOOKS"),
            restored=_is_on(env, "QWOTY_HOST_RESTORED"),
            private_alerts=_is_on(env, "QWOTY_HOST_ALERTS_ALLOW_PRIVATE"),
            private_pdfs=_is_on(env, "QWOTY_HOST_PDF_ALLOW_PRIVATE"),
            private_platforms=_is_on(env, "QWOTY_HOST_PLATFORM_ALLOW_PRIVATE"),
        )


@dataclass(frozen=True, slots=True)
class UnknownVariable:
    """A variable that has no effect, and the known one with the nearest name; None where no name is near."""

    name: str
    nearest: str | None

    def __str__(self) -> str:
        meant = f"Did you mean {self.nearest}?" if self.nearest else "docs/operations.md lists the variables."
        return f"The host does not know the variable {self.name}, so it has no effect. {meant}"


def unknown_variables(env: Mapping[str, str] = os.environ) -> list[UnknownVariable]:
    """The variables that look like the host's and are none of them, by name."""
    wrong = sorted(name for name in env if name.upper().startswith("QWOTY_HOST_") and name not in VARIABLES)
    # What all begin with makes no two of them alike.
    known = {name.removeprefix("QWOTY_").removeprefix("HOST_"): name for name in VARIABLES}
    nearest = {name: get_close_matches(name.upper().removeprefix("QWOTY_HOST_"), known, n=1) for name in wrong}
    return [UnknownVariable(name, known[found[0]] if found else None) for name, found in nearest.items()]


def _read(env: Mapping[str, str], name: str) -> str | None:
    return env.get(f"QWOTY_HOST_{name}", "").strip() or None


def _days(text: str | None) -> int:
    if text is None:
        return KEEP_DAYS
    if not text.isdecimal() or int(text) < _SHORTEST_KEEP:
        raise HostError(
            f"QWOTY_HOST_KEEP_DAYS is not a number of days, {_SHORTEST_KEEP} or more.",
            hint=f"Leave it out for {KEEP_DAYS}.",
            code="config",
        )
    return int(text)


def _jobs(text: str | None) -> int:
    if text is None:
        return JOBS
    if not text.isdecimal() or not 1 <= int(text) <= MOST_JOBS:
        raise HostError(
            f"QWOTY_HOST_JOBS is not a number from 1 to {MOST_JOBS}.", hint=f"Leave it out for {JOBS}.", code="config"
        )
    return int(text)


def _is_on(env: Mapping[str, str], name: str) -> bool:
    return env.get(name, "").strip().lower() in {"1", "true", "yes"}


def _networks(text: str | None) -> tuple[IPv4Network | IPv6Network, ...]:
    given = [each.strip() for each in (text or "").split(",")]
    try:
        return tuple(_unmapped(ip_network(each)) for each in given if each)
    except ValueError:
        raise HostError(
            "QWOTY_HOST_TRUSTED_PROXIES is not a list of addresses and networks.",
            hint="Give the addresses of your proxies, such as 10.0.0.4, or networks such as 10.0.0.0/24.",
            code="config",
        ) from None


def _unmapped(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """An IPv4 network that is mapped into IPv6 as itself: a client's address is compared as that, too."""
    first = network.network_address
    if isinstance(first, IPv6Address) and first.ipv4_mapped and network.prefixlen >= 96:
        return IPv4Network((first.ipv4_mapped, network.prefixlen - 96))
    return network


def _postgresql(text: str | None) -> str | None:
    if text is None:
        return None
    scheme, _, rest = text.partition("://")
    if scheme not in {"postgresql", "postgres", "postgresql+psycopg"} or not rest:
        raise HostError(
            "QWOTY_HOST_DATABASE_URL is not the address of a PostgreSQL.",
            hint="Give postgresql://user:password@host/database, or leave it out for SQLite in the data directory.",
            code="config",
        )
    return f"postgresql+psycopg://{rest}"


def _public_url(text: str | None) -> str | None:
    if text is None:
        return None
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment:
        raise HostError(
            "QWOTY_HOST_PUBLIC_URL is not an address.",
            hint="Give scheme, host and perhaps a path, such as https://integrations.example.com",
            code="config",
        )
    return text.rstrip("/")
