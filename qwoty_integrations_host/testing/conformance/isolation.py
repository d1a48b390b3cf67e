"""Isolation: one workspace's secrets are never used for another workspace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...contract.hook_types import Manifest
from ...contract.settings_document import schema_problems, value_at, with_defaults, with_value_at
from ...redaction import secret_paths
from ..network import recorded_traffic
from ..nonconformity import not_checked, require
from ..workbench import Workbench
from .fixtures import ConformanceFixtures


class IsolationChecks(ConformanceFixtures):
    """Checks on the recorded traffic of two workspaces with different secrets."""

    def test_a_workspaces_secrets_are_sent_for_no_other(
        self,
        works_quotes: None,
        manifest: Manifest,
        enabled: Workbench,
        valid_settings: Mapping[str, Any],
        quote: dict[str, Any],
    ) -> None:
        theirs = other_secrets(manifest.settings_schema, valid_settings)
        if theirs is None:
            not_checked("no second secret could be made that the schema accepts")
        enabled.set_up(self.plugin_id, theirs, "ws-2")
        ours, foreign = (_secrets(manifest, settings) for settings in (valid_settings, theirs))
        with recorded_traffic() as first:
            self.accepted(enabled, quote, id="conformance-ours")
        if not any(secret in first for secret in ours):
            not_checked("the secret is not sent in clear, so nobody can overhear whose it is")
        with recorded_traffic() as second:
            enabled.accept({**quote, "id": "conformance-theirs"}, "ws-2", plugin=self.plugin_id)
        with recorded_traffic() as third:
            self.accepted(enabled, quote, id="conformance-ours-again")

        mixed = [*(secret in second for secret in ours), *(secret in first + third for secret in foreign)]
        require(
            not any(mixed),
            "A secret of one workspace is sent while the plugin works for another.",
            why="One customer's account would be used for another's quote, and invoiced.",
            mend="Read settings from `ctx.settings` in each call. What is kept in the module, such as a client, must "
            "be kept under the secret (or its hash) that it was made with.",
        )


def other_secrets(schema: Mapping[str, Any], valid: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the settings with every secret replaced by another that the schema accepts; None when that fails."""
    settings = dict(valid)
    for path in secret_paths(schema, valid):
        if secret := value_at(valid, path):
            settings = with_value_at(settings, path, _another(str(secret)))
    is_valid = not any(schema_problems(schema, with_defaults(schema, settings)))
    return settings if is_valid and settings != dict(valid) else None


def _another(secret: str) -> str:
    """Return the secret with each of its last four letters and digits replaced by the next one."""

    def turn(letter: str) -> str:
        for kind in ("0123456789", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"):
            if letter in kind:
                return kind[(kind.index(letter) + 1) % len(kind)]
        return letter

    return secret[:-4] + "".join(map(turn, secret[-4:]))


def _secrets(manifest: Manifest, settings: Mapping[str, Any]) -> list[bytes]:
    values = (str(value_at(settings, path) or "") for path in secret_paths(manifest.settings_schema, settings))
    return [value.encode() for value in values if value]
