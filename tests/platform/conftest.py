"""A host whose workspace ``ws-1`` has a Qwoty platform, played by the stand-in over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from standardwebhooks import Webhook

from qwoty_integrations_host.reports.runs import list_runs
from qwoty_integrations_host.store.api_keys import SCOPES, create_api_key
from qwoty_stand_in import TOKEN, QwotyStandIn


@dataclass
class Sender:
    """A client that sends events to the host over HTTP."""

    bench: Any
    secret: str = ""

    def send(
        self,
        body: Any,
        *,
        id: str = "msg_1",
        workspace: str = "ws-1",
        secret: str | None = None,
        age: float = 0,
        **headers: str,
    ) -> requests.Response:
        """Send a signed message that is ``age`` seconds old."""
        raw = body if isinstance(body, str) else json.dumps(body)
        moment = self.bench.clock.now().replace(microsecond=0)
        timestamp = int(moment.timestamp() - age)
        signature = _sign(secret or self.secret, id, timestamp, raw)
        signed = {"webhook-id": id, "webhook-timestamp": str(timestamp), "webhook-signature": signature}
        return self.post(raw, workspace=workspace, **{**signed, **headers})

    def post(self, raw: str, *, workspace: str = "ws-1", **headers: str) -> requests.Response:
        """Send a body with exactly these headers."""
        url = f"{self.bench.url}/v1/workspaces/{workspace}/events"
        return requests.post(url, data=raw.encode(), headers=headers, timeout=10)

    def key(self, workspace: str = "ws-1", *scopes: str) -> str:
        """A new API key as the value of the Authorization header; without ``scopes`` it has every scope."""
        with self.bench.host.store.write() as db:
            return "Bearer " + create_api_key(db, workspace, self.bench.clock.now(), scopes=scopes or SCOPES)


def _sign(secret: str, id: str, timestamp: int, raw: str) -> str:
    return Webhook(secret).sign(id, datetime.fromtimestamp(timestamp, UTC), raw)


@pytest.fixture
def sender(bench: Any) -> Sender:
    return Sender(bench, bench.host.platforms.add_signing_secret("ws-1")["secret"])


@pytest.fixture
def qwoty(bench: Any) -> Iterator[QwotyStandIn]:
    stand_in = QwotyStandIn()
    stand_in.start()
    bench.host.platforms.save("ws-1", {"platform": "qwoty", "base_url": stand_in.url, "token": TOKEN})
    yield stand_in
    stand_in.stop()


@pytest.fixture
def report_accepted(bench: Any, qwoty: QwotyStandIn) -> Callable[..., dict[str, Any]]:
    """A function that reports an accepted quote to the host, works the queue, and returns the run that fetched the quote."""

    def report(quote_id: str, event_id: str = "") -> dict[str, Any]:
        body = json.dumps({"event_type": "quote.accepted", "id": quote_id}).encode()
        (run,) = bench.host.platform_events.receive("ws-1", body, event_id).body["runs"]
        bench.work()
        return bench.run(run["id"])

    return report


@pytest.fixture
def runs_of(bench: Any) -> Callable[..., list[dict[str, Any]]]:
    """The runs of a quote, oldest first; of one plugin if given."""

    def of(quote_id: str, plugin: str | None = None) -> list[dict[str, Any]]:
        found = list_runs(bench.host.store, quote_id=quote_id)["data"]
        return [run for run in reversed(found) if plugin in (None, run["plugin"])]

    return of
