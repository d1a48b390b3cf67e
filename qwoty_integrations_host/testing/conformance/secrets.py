"""Secrets never leak: into no log, run, record, mail or ``repr``, and into no file in clear."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from ...contract.hook_types import Manifest
from ...contract.settings_document import value_at
from ...errors import IntegrationError, PluginContractError
from ...redaction import secret_paths
from ..network import no_network
from ..nonconformity import not_checked, not_claimed, require_none
from ..workbench import Workbench
from .fixtures import ConformanceFixtures

#: A shorter secret could be found by chance.
_SHORTEST = 8
_MEND = (
    "Never put a setting into a message, a log line, a step's result, `ctx.state` or an id; give a dataclass that "
    "holds one `field(repr=False)`. What a library says may repeat what it was sent: say it in your own words."
)


class SecretChecks(ConformanceFixtures):
    """Checks that search for the secrets of ``valid_settings`` wherever the plugin could have left them."""

    @pytest.fixture
    def canaries(self, manifest: Manifest, valid_settings: Mapping[str, Any]) -> list[str]:
        """The secrets, as the schema marks them."""
        values = (value_at(valid_settings, path) for path in secret_paths(manifest.settings_schema, valid_settings))
        secrets = [value for value in values if isinstance(value, str) and len(value) >= _SHORTEST]
        return secrets or not_checked("valid_settings hold no secret of 8 characters or more")

    def test_no_secret_leaves_the_work_on_a_quote(
        self,
        works_quotes: None,
        canaries: list[str],
        enabled: Workbench,
        quote: dict[str, Any],
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        with caplog.at_level("DEBUG"):
            self.accepted(enabled, quote, id="conformance-secret")
            with no_network():
                self.accepted(enabled, quote, id="conformance-secret-away")
        texts = {"the log": caplog.text, "what was printed": "".join(capfd.readouterr())}
        texts |= {f"the run of {run['quote_id']}": str(run) for run in enabled.runs().values()}

        require_none(
            [*_leaks(texts, canaries), *_leaks_in_files(enabled, canaries), *_rejected(enabled)],
            why="Logs, timelines and backups are read by people who must not have the key.",
            mend=_MEND,
        )

    def test_no_secret_is_in_the_text_of_an_object(
        self, canaries: list[str], enabled: Workbench, manifest: Manifest
    ) -> None:
        host = enabled.host
        ctx = enabled.context(self.plugin_id)
        texts = {"repr(manifest)": repr(manifest)}
        for hook in ("webhook_endpoints", "service_links"):
            if host.plugins.implements(self.plugin_id, hook):
                arguments = {"ids": ["conformance-id"]} if hook == "service_links" else {}
                result = getattr(host.plugins, hook)(self.plugin_id, ctx, **arguments)
                texts[f"repr of what {hook} gives"] = repr(result)

        require_none(
            list(_leaks(texts, canaries)),
            why="The text of an object ends up in tracebacks and logs.",
            mend=_MEND,
        )

    def test_no_secret_is_shown_by_a_connection_test(self, canaries: list[str], enabled: Workbench) -> None:
        if not enabled.host.plugins.implements(self.plugin_id, "check_connection"):
            not_claimed("check_connection")
        try:
            with no_network():
                report = str(enabled.host.connections.test("ws-1", self.plugin_id))
            problems = list(_leaks({"the report of the connection test": report}, canaries))
        except IntegrationError as error:
            problems = [error.title]

        require_none(
            problems,
            why="The report is shown in the console and stored.",
            mend="`last4` holds the last four characters; no other text holds more of it.",
        )


def _leaks(texts: Mapping[str, str], canaries: list[str]) -> Iterator[str]:
    for where, text in texts.items():
        if any(canary in text for canary in canaries):
            yield f"A secret of the settings stands in {where}."


def _rejected(bench: Workbench) -> Iterator[str]:
    """Yield the errors of results that the host did not store because they contain a secret."""
    errors = (run["error"] or {} for run in bench.runs().values())
    yield from sorted({error["title"] for error in errors if error.get("code") == PluginContractError.default_code})


def _leaks_in_files(bench: Workbench, canaries: list[str]) -> Iterator[str]:
    folder = bench.host.config.data_dir
    for path in folder.rglob("*"):
        if path.is_file() and any(canary.encode() in path.read_bytes() for canary in canaries):
            yield f"A secret of the settings stands in clear in the host's data ({path.relative_to(folder)})."
