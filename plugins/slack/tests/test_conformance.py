"""Slack keeps the contract with the host, tried against a small Slack of our own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from flask import Flask, Response

from app_server import serving
from qwoty_integrations_host import Clock
from qwoty_integrations_host.testing import PluginConformance, a_quote
from slack_stand_in import CHANNEL, TOKEN, SlackStandIn, running_slack


class TestConformance(PluginConformance):
    plugin_id = "slack"

    @pytest.fixture
    def service(self, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlackStandIn]:
        with running_slack() as slack:
            # With the right to look, a run that was cut short finds its message by itself.
            slack.scopes.add("channels:history")
            slack.time = lambda: clock.now().timestamp()
            monkeypatch.setenv("QWOTY_SLACK_API_BASE", slack.url)
            yield slack

    @pytest.fixture
    def valid_settings(self) -> Mapping[str, Any]:
        return {"token": TOKEN, "message_channel": CHANNEL}

    @pytest.fixture
    def invalid_settings(self) -> Sequence[tuple[Mapping[str, Any], str]]:
        return [
            ({"message_channel": CHANNEL}, "token"),
            ({"token": TOKEN.replace("b-", "p-", 1), "message_channel": CHANNEL}, "token"),
            ({"token": f"{TOKEN}\n!", "message_channel": CHANNEL}, "token"),
            ({"token": TOKEN}, "message_channel"),
            ({"token": TOKEN, "message_channel": "<!channel>"}, "message_channel"),
            ({"token": TOKEN, "message_channel": CHANNEL, "document_send": "yes"}, "document_send"),
        ]

    @pytest.fixture
    def pdf_link(self) -> Iterator[str]:
        """Where the platform keeps the quote's PDF."""
        storage = Flask("storage", static_folder=None)
        storage.add_url_rule("/quote.pdf", view_func=lambda: Response(b"%PDF-1.7\n", mimetype="application/pdf"))
        with serving(storage) as address:
            yield f"{address}/quote.pdf"

    @pytest.fixture
    def host_config(self) -> Mapping[str, Any]:
        """Load Slack alone, and let it have a PDF of this machine."""
        return {"plugins_blocked": self.others(), "private_pdfs": True}

    @pytest.fixture
    def quote(self, pdf_link: str) -> dict[str, Any]:
        return a_quote(pdf_link=pdf_link)

    @pytest.fixture
    def side_effects(self, service: SlackStandIn) -> Callable[[str], int]:
        """Count the messages of a quote, and the PDFs in their threads."""

        def count(quote_id: str) -> int:
            mine = [one for one in service.posted if one["metadata"]["event_payload"]["quote_id"] == quote_id]
            threads = {message["ts"] for message in mine}
            return len(mine) + sum(one.get("thread_ts") in threads for one in service.messages)

        return count
