"""Runs the conformance suite over a plugin with deliberate faults, one check at a time."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TEMPLATE_TESTS = HERE.parents[1] / "qwoty_integrations_host" / "scaffold" / "template" / "tests"
SUITE = """
import pytest
from qwoty_integrations_host import WebhookRequest
from qwoty_integrations_host.testing import PluginConformance
from stand_in import TOKEN, running_service
import json

class TestWayward(PluginConformance):
    plugin_id = "wayward"

    @pytest.fixture
    def service(self):
        with running_service() as running:
            yield running

    @pytest.fixture
    def valid_settings(self, service):
        return {"address": service.address, "token": TOKEN}

    @pytest.fixture
    def invalid_settings(self):
        return [({"address": "http://nowhere.invalid", "token": TOKEN}, "address")]

    @pytest.fixture
    def earlier_settings(self, service):
        return [(1, {"place": service.address, "token": TOKEN})]

    @pytest.fixture
    def side_effects(self, service):
        return lambda quote_id: len(service.about(quote_id))

    @pytest.fixture
    def signed_webhook(self):
        def sign(event_id, quote_id, *, type=None):
            body = json.dumps({"id": event_id, "type": type or "note.read", "quote_id": quote_id}).encode()
            return WebhookRequest("hook", body, {"X-Signature": f"{len(body)}/{TOKEN}"})

        return sign
"""


@pytest.fixture
def checked(
    monkeypatch: pytest.MonkeyPatch, pytester: pytest.Pytester
) -> Iterator[Callable[..., list[dict[str, str]]]]:
    """A function that runs the checks whose names match an expression over the plugin, and returns their results.

    ``source`` is appended to the plugin's module.
    """

    def check(chosen: str = "", *faults: str, source: str = "", suite: str = SUITE) -> list[dict[str, str]]:
        installed = shutil.copytree(HERE / "wayward", pytester.path / "installed")
        module = installed / "wayward.py"
        module.write_text(f"{module.read_text('utf-8')}\nfaults |= {set(faults)!r}\n{source}\n", "utf-8")
        for folder in (installed, TEMPLATE_TESTS):
            monkeypatch.syspath_prepend(str(folder))
        pytester.makepyfile(test_wayward=suite)
        report = pytester.path / "report.jsonl"
        options = ["-p", "qwoty_integrations_host.testing.reporting", f"--conformance-report={report}", "-k", chosen]
        pytester.inline_run("--import-mode=importlib", "-p", "no:cacheprovider", "-p", "no:xdist", *options)
        return [json.loads(line) for line in report.read_text("utf-8").splitlines()]

    yield check
    sys.modules.pop("wayward", None)
