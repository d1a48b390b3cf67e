"""A host with Slack as its only plugin, the stand-in for Slack over real HTTP, and a server for PDFs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, redirect

from app_server import serving
from builders import the_example
from qwoty_integrations_host.clock import ManualClock
from qwoty_integrations_host.testing import Workbench
from qwoty_integrations_host.testing.workbench import build_host
from slack_stand_in import CHANNEL, TOKEN, SlackStandIn, running_slack

PDF = b"%PDF-1.7\n" + b"signed " * 100
OWNER = {"id": "u-1", "first_name": "Lea", "last_name": "Roux", "email": "lea@seller.example"}


@dataclass
class Storage:
    """The server from which the platform gives PDFs. ``answer``: its next answer."""

    answer: Any = PDF
    status: int = 200
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def give(self, name: str) -> Any:
        self.asked.append(name)
        if name == "moved.pdf":
            return redirect(f"{self.url}/quote.pdf")
        if name == "round.pdf":
            return redirect(f"{self.url}/round.pdf")
        return Response(self.answer, status=self.status, mimetype="application/pdf")


@pytest.fixture
def storage() -> Iterator[Storage]:
    found = Storage()
    app = Flask("storage", static_folder=None)

    @app.get("/<name>")
    def _give(name: str) -> Any:
        return found.give(name)

    with serving(app) as found.url:
        yield found


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlackStandIn]:
    with running_slack() as stand_in:
        monkeypatch.setenv("QWOTY_SLACK_API_BASE", stand_in.url)
        yield stand_in


@dataclass
class Desk(Workbench):
    """One host at work whose workspace ``ws-1`` has Slack switched on."""

    slack: SlackStandIn
    storage: Storage

    def enable(self, workspace: str = "ws-1", **settings: Any) -> None:
        self.set_up("slack", {"token": TOKEN, "message_channel": CHANNEL, **settings}, workspace)

    def document(self, **changes: Any) -> dict[str, Any]:
        """The documented example with an owner, a PDF and these changes."""
        given = {"owner": OWNER, "pdf_link": f"{self.storage.url}/quote.pdf?token=SignedPdfToken"}
        return the_example(**{**given, **changes})

    def accept(self, workspace: str = "ws-1", **changes: Any) -> dict[str, Any]:
        """Accept a quote and work what is queued; give its only run."""
        return super().accept(self.document(**changes), workspace)


@pytest.fixture
def desks(tmp_path: Path, slack: SlackStandIn, storage: Storage) -> Iterator[Callable[..., Desk]]:
    """Build desks, each with the configuration that a test wants."""
    with ExitStack() as opened:

        def build(name: str = "data", **config: Any) -> Desk:
            clock = ManualClock(datetime(2026, 3, 10, 9, 20, tzinfo=UTC))
            slack.time = lambda: clock.now().timestamp()
            host = build_host(tmp_path / name, clock, **{"private_pdfs": True, **config})
            opened.callback(host.close)
            assert host.start_worker()
            return Desk(host, clock, slack, storage)

        yield build


@pytest.fixture
def desk(desks: Callable[..., Desk]) -> Desk:
    found = desks()
    found.enable()
    return found
