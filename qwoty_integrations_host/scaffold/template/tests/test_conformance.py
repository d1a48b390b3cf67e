"""My Integration passes the conformance suite."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from stand_in import TOKEN, Service

from qwoty_integrations_host.testing import PluginConformance


class TestConformance(PluginConformance):
    plugin_id = "my_integration"

    @pytest.fixture
    def service(self, notes: Service) -> Service:
        return notes

    @pytest.fixture
    def valid_settings(self, service: Service) -> Mapping[str, Any]:
        return {"address": service.address, "token": TOKEN}

    @pytest.fixture
    def invalid_settings(self) -> Sequence[tuple[Mapping[str, Any], str]]:
        return [({"token": TOKEN}, "address"), ({"address": "https://notes.example.com", "token": "?"}, "token")]

    @pytest.fixture
    def side_effects(self, service: Service) -> Callable[[str], int]:
        return lambda quote_id: len(service.about(quote_id))
