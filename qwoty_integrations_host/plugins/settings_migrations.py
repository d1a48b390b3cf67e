"""Migrates stored settings to the form that the plugin's present release reads (ADR 0072).

Settings are migrated whenever they are read, and stored in their new form when somebody saves them. So workers of the
release before still read the old form, and a migration that fails changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from ..contract.context import HookContext
from ..contract.settings_document import (
    StoredSettings,
    schema_problems,
    stripped,
    value_at,
    with_defaults,
    with_secrets,
    with_value_at,
    without_paths,
)
from ..errors import IntegrationError, SettingsIncomplete
from ..redaction import secret_paths
from .manager import Plugins

#: The codes with which runs wait until somebody saves the settings or installs another release.
NOT_MIGRATED, NEWER = "settings_not_migrated", "settings_newer"
UNFIT = (SettingsIncomplete.default_code, NOT_MIGRATED, NEWER)
#: A shorter text may occur by chance.
_TELLING = 8


def in_present_form(plugins: Plugins, plugin: str, ctx: HookContext, stored: StoredSettings) -> StoredSettings:
    """Return stored settings in the form of the present release, without fields that its schema does not have.

    Raises: SettingsIncomplete for settings of a newer release, and when the migration fails.
    """
    manifest = plugins.manifest(plugin)
    if stored.version > manifest.settings_version:
        raise _newer(plugins, plugin, stored)
    found = with_secrets(stored)
    if stored.version < manifest.settings_version:
        try:
            found = _secrets_kept(manifest.settings_schema, stored, _migrated(plugins, plugin, ctx, stored))
        except IntegrationError as error:
            raise _not_migrated(plugins, plugin, error.title) from error
    return only_known(manifest.settings_schema, found, manifest.settings_version)


def only_known(schema: Mapping[str, Any], document: Mapping[str, Any], version: int) -> StoredSettings:
    """Return the fields of a document that the schema has, with secrets separate."""
    closed = schema.get("additionalProperties") is False
    known = {name: value for name, value in document.items() if not closed or name in schema.get("properties", {})}
    held = {path: value_at(known, path) for path in secret_paths(schema, known)}
    secrets = {path: value for path, value in held.items() if value and isinstance(value, str)}
    return StoredSettings(without_paths(known, secrets), secrets, version)


def require_fit(plugins: Plugins, plugin: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the settings with defaults. Raises: SettingsIncomplete when they do not fit the present release."""
    schema = plugins.manifest(plugin).settings_schema
    whole = with_defaults(schema, document)
    if problems := schema_problems(schema, whole):
        fields = ", ".join(problem.dotted for problem in problems)
        raise SettingsIncomplete(
            f"These settings of {plugin} are missing or do not fit {plugins.status(plugin).origin}: {fields}.",
            hint="Complete and save its settings: what waits goes on by itself.",
        )
    return whole


def _migrated(plugins: Plugins, plugin: str, ctx: HookContext, stored: StoredSettings) -> dict[str, Any]:
    return stripped(plugins.migrate_settings(plugin, ctx, deepcopy(with_secrets(stored)), stored.version))


def _secrets_kept(schema: Mapping[str, Any], stored: StoredSettings, found: dict[str, Any]) -> dict[str, Any]:
    """Return the migrated settings with the secrets they left out. Raises: IntegrationError for one in clear."""
    paths = list(secret_paths(schema, found))
    moved, clear = (
        {value_at(found, path) for path in paths},
        json.dumps(without_paths(found, paths), ensure_ascii=False),
    )
    for path, secret in stored.secrets.items():
        if len(secret) >= _TELLING and secret in clear:
            raise IntegrationError(f"It puts the secret {'.'.join(path)} where it would be kept in clear.")
        if secret not in moved and not value_at(found, path) and _is_secret(schema, path):
            found = with_value_at(found, path, secret)
    return found


def _is_secret(schema: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    """Whether the schema has a secret at this path, in a map or on its own."""
    inside = {path[0]: dict.fromkeys(path[1:])}
    return path in secret_paths(schema, inside)


def _newer(plugins: Plugins, plugin: str, stored: StoredSettings) -> SettingsIncomplete:
    status, reads = plugins.status(plugin), plugins.manifest(plugin).settings_version
    return SettingsIncomplete(
        f"The settings of {plugin} were saved by a newer release: they are version {stored.version}, {status.origin} "
        f"reads version {reads}.",
        hint=f"Install the newer release of {status.distribution} again and restart the host: what waits goes on by "
        "itself.",
        code=NEWER,
    )


def _not_migrated(plugins: Plugins, plugin: str, why: str) -> SettingsIncomplete:
    status = plugins.status(plugin)
    return SettingsIncomplete(
        f"The settings of {plugin} could not be migrated to {status.origin}. {why}",
        hint=f"They are stored as they were. Save its settings anew, or install another version of "
        f"{status.distribution} and restart the host.",
        code=NOT_MIGRATED,
    )
