"""The fixtures of the conformance suite: the author's with their defaults, and the suite's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any, ClassVar

import pytest

from ...contract.hook_types import Manifest, WebhookRequest
from ...errors import IntegrationError
from ...plugins.manager import GROUP, Plugins
from ...quotes.run import ENDED_WELL
from ..nonconformity import not_checked, not_claimed
from ..quotes import a_line, a_quote
from ..workbench import Workbench


class ConformanceFixtures:
    """The fixtures of the suite. The author overrides those above the rule."""

    #: The name of the plugin's entry point.
    plugin_id: ClassVar[str]

    @pytest.fixture
    def service(self) -> Any:
        """Start the stand-in for the plugin's service and let the plugin find it; stop it afterwards."""
        return None

    @pytest.fixture
    def valid_settings(self, service: Any) -> Mapping[str, Any]:
        """Settings with which the plugin works against ``service``, with made-up secrets of 8 characters or more."""
        return not_checked("the test class has no fixture valid_settings")

    @pytest.fixture
    def invalid_settings(self) -> Sequence[tuple[Mapping[str, Any], str]]:
        """Settings that must be rejected, each with the wrong field: ``({"token": "?"}, "token")``."""
        return ()

    @pytest.fixture
    def earlier_settings(self) -> Sequence[tuple[int, Mapping[str, Any]]]:
        """Settings as earlier releases saved them, each with its version: ``(1, {"token": "tok_0123456789"})``."""
        return ()

    @pytest.fixture
    def quote(self) -> dict[str, Any]:
        """The document of a quote on which the plugin acts."""
        return a_quote(a_line(), installments=2)

    @pytest.fixture
    def side_effects(self, service: Any) -> Callable[[str], int] | None:
        """A function that counts what the service holds for a quote's id, such as invoices or messages."""
        return None

    @pytest.fixture
    def signed_webhook(self, service: Any) -> Callable[..., WebhookRequest] | None:
        """A function that makes a webhook as the service signs it: ``make(event_id, quote_id, type=None)``.

        It is called after the quote was accepted in ``ws-1``. ``type`` None means a type on which the plugin acts.
        """
        return None

    @pytest.fixture
    def forged_webhooks(self) -> Callable[[WebhookRequest], Mapping[str, WebhookRequest]]:
        """A function that forges a signed webhook in several ways, each with a name."""

        def forge(genuine: WebhookRequest) -> Mapping[str, WebhookRequest]:
            return {
                "with another body": WebhookRequest(genuine.token, genuine.body + b" ", genuine.headers),
                "without its headers": WebhookRequest(genuine.token, genuine.body, {}),
                "at another address": WebhookRequest("no-such-token", genuine.body, genuine.headers),
            }

        return forge

    # -- the suite's own -----------------------------------------------------------------------------

    @pytest.fixture
    def host_config(self) -> Mapping[str, Any]:
        """Load this plugin alone."""
        return {"plugins_blocked": self.others()}

    def others(self) -> frozenset[str]:
        """Return every other installed plugin."""
        return frozenset(point.name for point in entry_points(group=GROUP)) - {self.plugin_id}

    @pytest.fixture
    def manifest(self) -> Manifest:
        """The plugin's manifest; every check that needs it is skipped when the plugin does not load."""
        try:
            return Plugins(blocked=self.others()).manifest(self.plugin_id)
        except IntegrationError:
            not_checked("the plugin does not load; another check says why")

    @pytest.fixture
    def enabled(
        self, manifest: Manifest, service: Any, workbench: Workbench, valid_settings: Mapping[str, Any]
    ) -> Workbench:
        """A host in which the plugin is enabled for ``ws-1``."""
        try:
            workbench.set_up(self.plugin_id, valid_settings)
        except IntegrationError:
            not_checked("the plugin refuses valid_settings; another check says why")
        return workbench

    def accepted(self, bench: Workbench, quote: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """Accept the quote and return its run."""
        return bench.accept({**quote, **changes}, plugin=self.plugin_id)

    def worked(self, bench: Workbench, quote: Mapping[str, Any], quote_id: str) -> dict[str, Any]:
        """Accept the quote under another id and return its run; skip the check when the run fails."""
        run = self.accepted(bench, dict(quote), id=quote_id)
        if run["status"] not in ENDED_WELL:
            not_checked("a first quote does not work; another check says why")
        return run

    @pytest.fixture
    def stand_in(self, service: Any) -> Any:
        """The author's stand-in; checks that need it are skipped without one."""
        return service or not_checked("the test class has no fixture service that starts a stand-in for the service")

    @pytest.fixture
    def works_quotes(self, manifest: Manifest) -> None:
        """Skip checks about quotes for a plugin without that capability."""
        if "quotes" not in manifest.capabilities:
            not_claimed("quotes")

    @pytest.fixture
    def counted(self, side_effects: Callable[[str], int] | None) -> Callable[[str], int]:
        """The author's ``side_effects``; checks that need it are skipped without one."""
        return side_effects or not_checked("the test class has no fixture side_effects that counts them")


def what_happened(run: Mapping[str, Any]) -> str:
    """Return how a run ended, as part of a sentence."""
    error = run["error"] or {}
    reason = f": {error['title']} [{error['code']}]" if error else ""
    return f"the run of quote {run['quote_id']} is {run['status']}{reason}"
