"""The conformance suite: checks a plugin against the contract from outside. One subject per module."""

from __future__ import annotations

from .crashes import CrashChecks
from .discovery import DiscoveryChecks
from .importing import ImportChecks
from .isolation import IsolationChecks
from .overtaken import OvertakenChecks
from .quotes import QuoteChecks
from .releases import ReleaseChecks
from .schema import SchemaChecks
from .secrets import SecretChecks
from .settings import SettingsChecks
from .webhooks import WebhookChecks

__all__ = ["PluginConformance"]


class PluginConformance(
    DiscoveryChecks,
    ImportChecks,
    SchemaChecks,
    SettingsChecks,
    QuoteChecks,
    CrashChecks,
    ReleaseChecks,
    OvertakenChecks,
    WebhookChecks,
    SecretChecks,
    IsolationChecks,
):
    """All conformance checks. Subclass it, name the plugin, and define a fixture with valid settings.

    Fixtures: ``valid_settings`` (required), ``invalid_settings``, ``service``, ``side_effects``,
    ``signed_webhook``, ``forged_webhooks``, ``quote``; ``fixtures.py`` documents each. A check that lacks a fixture is
    skipped with the reason.

    Example:
        class TestConformance(PluginConformance):
            plugin_id = "acme_chat"

            @pytest.fixture
            def valid_settings(self, service):
                return {"address": service.url, "token": "tok_0123456789"}

            @pytest.fixture
            def invalid_settings(self):
                return [({"address": "https://chat.example"}, "token")]
    """
