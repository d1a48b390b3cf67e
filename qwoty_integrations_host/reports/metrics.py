"""The metrics for Prometheus.

Counters are those of this process. The state of runs, mails and webhooks is read from the database on each scrape, so
that every process reports the same. No label names a workspace, a quote or a person.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ..clock import Clock
from ..errors import DatabaseUnavailable
from ..plugins.manager import Plugins
from ..quotes.run import RunStatus
from ..store import counts
from ..store.database import Store

# Without a second line per counter for the time of its creation.
disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus-client has no types there

RUNS_ENDED = Counter("qwoty_runs_ended", "Runs that ended in this process.", ["plugin", "kind", "status"])
RUN_SECONDS = Histogram(
    "qwoty_run_seconds",
    "From the request for a run to its end, in seconds.",
    ["plugin", "kind"],
    buckets=(0.5, 1, 2, 5, 10, 30, 60, 300, 3600, 86400),
)
STEPS = Counter("qwoty_step_tries", "Tries of steps in this process.", ["plugin", "status"])
REMOTE_REQUESTS = Counter("qwoty_remote_requests", "Requests to services, as far as they gave them an id.", ["plugin"])
WEBHOOKS = Counter("qwoty_webhook_requests", "Webhooks that services sent.", ["plugin", "result"])
HTTP_SECONDS = Histogram("qwoty_http_request_seconds", "HTTP requests, in seconds.", ["method", "route", "status"])


def registry(store: Store, plugins: Plugins, clock: Clock) -> CollectorRegistry:
    """Return the registry of one host's metrics."""
    found = CollectorRegistry(auto_describe=False)
    found.register(_State(store, plugins, clock))
    found.register(_ThisProcess())
    return found


class _ThisProcess(Collector):
    """The counters above, and those of the Python process."""

    def collect(self) -> Iterable[Metric]:
        return REGISTRY.collect()

    def describe(self) -> Iterable[Metric]:
        return ()


class _State(Collector):
    """The state of the host, from its database."""

    def __init__(self, store: Store, plugins: Plugins, clock: Clock) -> None:
        self._store, self._plugins, self._clock = store, plugins, clock

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        plugins = GaugeMetricFamily("qwoty_plugins", "Installed plugins by state.", labels=["plugin", "state"])
        for status in self._plugins.statuses:
            plugins.add_metric([status.id, status.state], 1)
        yield plugins
        left: dict[tuple[str, ...], int] = {}
        for call in self._plugins.calls.abandoned():
            left[call.plugin, call.hook] = left.get((call.plugin, call.hook), 0) + 1
        help_text = "Calls of hooks that this process has left behind, since they do not come back."
        yield _family("qwoty_plugin_calls_left", help_text, ("plugin", "hook"), left)
        try:
            yield from self._of_database()
        except DatabaseUnavailable:
            yield GaugeMetricFamily("qwoty_database_up", "Whether the database answers.", value=0)

    def _of_database(self) -> Iterator[Metric]:
        with self._store.read() as db:
            runs, mails = counts.runs(db), counts.mails(db)
            deliveries, alerts = counts.deliveries(db), counts.undelivered_alerts(db)
            problems, oldest = counts.connection_problems(db), counts.oldest_queued(db)
        yield GaugeMetricFamily("qwoty_database_up", "Whether the database answers.", value=1)
        yield _family("qwoty_runs", "Runs that are kept.", ("plugin", "kind", "status"), runs)
        waiting = sum(number for (*_, status), number in runs.items() if status == RunStatus.QUEUED)
        yield GaugeMetricFamily("qwoty_queue_depth", "Runs that nobody has begun.", value=waiting)
        age = (self._clock.now() - oldest).total_seconds() if oldest else 0.0
        yield GaugeMetricFamily(
            "qwoty_oldest_queued_seconds", "Age of the oldest run that nobody has begun.", value=age
        )
        yield _family("qwoty_mails", "Mails by what is known of them.", ("state",), mails)
        yield _family("qwoty_webhook_deliveries", "Events of services that are kept.", ("plugin", "found"), deliveries)
        yield _family("qwoty_connection_problems", "Accounts that need attention.", ("plugin",), problems)
        yield GaugeMetricFamily("qwoty_undelivered_alerts", "Alerts that nobody has got yet.", value=alerts)


def _family(name: str, help_text: str, labels: Iterable[str], found: dict[tuple[str, ...], int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, help_text, labels=list(labels))
    for values, number in sorted(found.items()):
        family.add_metric(list(values), number)
    return family
