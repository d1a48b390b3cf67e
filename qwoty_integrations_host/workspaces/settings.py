"""Validates, stores and shows a workspace's settings for a plugin, and enables the plugin for the workspace.

The stored document never holds a secret: each secret is encrypted in a row of its own. A plugin gets no call for a
workspace unless ``is_enabled`` is true.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from ..clock import Clock
from ..contract.context import HookContext
from ..contract.settings_document import (
    StoredSettings,
    changed_fields,
    keep_secrets,
    pasted_secrets,
    schema_problems,
    strange_texts,
    stripped,
    value_at,
    with_defaults,
    with_secrets,
    with_value_at,
    without_paths,
)
from ..errors import DatabaseUnavailable, HostError, SettingsError, SettingsIncomplete
from ..plugins.manager import Plugins
from ..plugins.settings_migrations import NEWER, in_present_form, only_known, require_fit
from ..quotes.without_invoice import NO_INVOICING
from ..redaction import masked, secret_paths
from ..store import audit, quotes
from ..store import settings as table
from ..store.database import Store
from ..store.workspaces import lock_workspace, require_workspace
from ..vault import Vault


class WorkspaceSettings:
    """The settings of all workspaces of one host."""

    def __init__(
        self,
        store: Store,
        vault: Vault,
        plugins: Plugins,
        clock: Clock,
        context: Callable[[str, str, Mapping[str, Any]], HookContext],
    ) -> None:
        self._store, self._vault, self._plugins, self._clock = store, vault, plugins, clock
        self._context = context

    def is_enabled(self, workspace: str, plugin: str) -> bool:
        """Return whether the plugin may be called for this workspace. Whether it is loaded is another question."""
        with self._store.read() as db:
            return table.enabled(db, workspace, plugin)

    def is_configured(self, workspace: str, plugin: str) -> bool:
        """Return whether settings are stored, enabled or not."""
        with self._store.read() as db:
            return table.load(db, workspace, plugin) is not None

    def enabled_plugins(self, workspace: str) -> tuple[str, ...]:
        """Return the ids of the plugins that are enabled for a workspace, sorted, including those that do not load."""
        with self._store.read() as db:
            return table.enabled_plugins(db, workspace)

    def enabled_everywhere(self) -> list[tuple[str, str]]:
        """Return every enabled (workspace, plugin)."""
        with self._store.read() as db:
            return table.enabled_everywhere(db)

    def validate(self, plugin: str, given: Any, *, workspace: str = "") -> Mapping[str, Any]:
        """Check a settings document and return it with defaults filled in and blanks stripped.

        Raises: SettingsError with one problem per field; InvalidInput when it is not an object.
        """
        schema = self._plugins.manifest(plugin).settings_schema
        document = with_defaults(schema, stripped(given))
        problems = [*strange_texts(document), *pasted_secrets(document)] or list(schema_problems(schema, document))
        if not problems:
            ctx = self._context(workspace, plugin, document)
            problems = list(self._plugins.validate_settings(plugin, ctx, document))
        if problems:
            raise SettingsError("The settings are not valid.", problems)
        return document

    def save(self, workspace: str, plugin: str, given: Any) -> Mapping[str, Any]:
        """Replace the document. A secret that is omitted or empty keeps its stored value; ``null`` removes it.

        Raises: NotFound; InvalidInput; SettingsError; SettingsIncomplete when a newer release has saved the settings.
        Then nothing has changed.
        """
        schema = self._plugins.manifest(plugin).settings_schema
        stored, document = self._merged(workspace, plugin, given)
        with self._store.write() as db:
            lock_workspace(db, workspace)
            while stored != (present := self._stored(workspace, plugin)):  # somebody else saved first
                stored, document = present, self._merged(workspace, plugin, given)[1]
            secrets = {
                path: value_at(document, path) for path in secret_paths(schema, document) if value_at(document, path)
            }
            clear = {"/".join(path): value for path, value in secrets.items()}
            now = self._clock.now()
            version = self._plugins.manifest(plugin).settings_version
            table.replace(db, self._vault, workspace, plugin, without_paths(document, secrets), version, clear, now)
            before = with_defaults(schema, with_secrets(self._as_far_as_known(workspace, plugin, stored)))
            audit.note(db, workspace, "settings.saved", plugin, now, fields=changed_fields(before, document))
        return self.show(workspace, plugin)

    def as_saved(self, workspace: str, plugin: str, given: Any) -> Mapping[str, Any]:
        """Return what would be saved, as the plugin would get it, with secrets in clear. Raises: as ``save`` does."""
        return self._merged(workspace, plugin, given)[1]

    def _merged(self, workspace: str, plugin: str, given: Any) -> tuple[StoredSettings | None, Mapping[str, Any]]:
        """Return the stored settings, and the given document with the secrets that it keeps, validated.

        Call this outside a transaction, because it calls the plugin, which may be slow.
        """
        with self._store.read() as db:
            require_workspace(db, workspace)
        stored = self._stored(workspace, plugin)
        if (error := self._unfit(workspace, plugin, stored)) and error.code == NEWER:
            raise error
        schema = self._plugins.manifest(plugin).settings_schema
        merged = keep_secrets(schema, stripped(given), self._as_far_as_known(workspace, plugin, stored).secrets)
        return stored, self.validate(plugin, merged, workspace=workspace)

    def show(self, workspace: str, plugin: str) -> Mapping[str, Any]:
        """Return ``{workspace, plugin, enabled, settings}``, with only the last four characters of each secret."""
        schema = self._plugins.manifest(plugin).settings_schema
        with self._store.read() as db:
            require_workspace(db, workspace)
        known = self._as_far_as_known(workspace, plugin, self._stored(workspace, plugin))
        shown = with_defaults(schema, known.document)
        for path, secret in known.secrets.items():
            shown = with_value_at(shown, path, masked(secret))
        enabled = self.is_enabled(workspace, plugin)
        return {"workspace": workspace, "plugin": plugin, "enabled": enabled, "settings": shown}

    def enable(self, workspace: str, plugin: str) -> Mapping[str, Any]:
        """Enable the plugin for the workspace. Raises: SettingsError without valid settings."""
        manifest = self._plugins.manifest(plugin)
        with self._store.read() as db:
            require_workspace(db, workspace)
        stored = self._stored(workspace, plugin)
        known = self._as_far_as_known(workspace, plugin, stored)
        self.validate(plugin, with_secrets(known), workspace=workspace)
        with self._store.write() as db:
            lock_workspace(db, workspace)
            if stored is None and self._stored(workspace, plugin) is None:
                table.replace(db, self._vault, workspace, plugin, {}, manifest.settings_version, {}, self._clock.now())
            table.switch(db, workspace, plugin, on=True)
            if plugin in self._plugins.makers():
                # Quotes that were given to no invoicing plugin may be old, so the host does not invoice them by itself.
                quotes.note_never_invoiced(db, workspace, self._plugins.makers(), NO_INVOICING)
            audit.note(db, workspace, "integration.enabled", plugin, self._clock.now())
        return self.show(workspace, plugin)

    def disable(self, workspace: str, plugin: str) -> Mapping[str, Any]:
        """Disable the plugin, installed or not, so that it gets no further call for this workspace."""
        if not self.is_configured(workspace, plugin):
            self._plugins.status(plugin)
        with self._store.write() as db:
            require_workspace(db, workspace)
            table.switch(db, workspace, plugin, on=False)
            audit.note(db, workspace, "integration.disabled", plugin, self._clock.now())
        return {"workspace": workspace, "plugin": plugin, "enabled": False}

    def effective(self, workspace: str, plugin: str) -> Mapping[str, Any]:
        """Return the settings as the plugin gets them, with defaults filled in and secrets in clear.

        Raises: SettingsIncomplete when the stored settings do not fit the plugin's present release.
        """
        stored = self._stored(workspace, plugin)
        if stored is None:
            return with_defaults(self._plugins.manifest(plugin).settings_schema, {})
        return self._as_a_plugin_gets_them(workspace, plugin, stored)

    def present(self, workspace: str, plugin: str) -> Mapping[str, Any]:
        """Return the effective settings as far as the plugin's present release knows them, even if they do not fit."""
        known = self._as_far_as_known(workspace, plugin, self._stored(workspace, plugin))
        return with_defaults(self._plugins.manifest(plugin).settings_schema, with_secrets(known))

    def unfit(self, workspace: str, plugin: str) -> SettingsIncomplete | None:
        """Return why the stored settings do not fit the plugin's present release; None if they fit, or there are none.

        Return None as well for a secret that cannot be decrypted: ``effective`` raises that error.
        """
        try:
            stored = self._stored(workspace, plugin)
        except DatabaseUnavailable:
            raise
        except HostError:
            return None
        return self._unfit(workspace, plugin, stored)

    def opened(self, workspace: str, plugin: str, saved: table.Saved) -> Mapping[str, Any]:
        """Return stored settings as the plugin gets them. Raises: as ``effective``."""
        return self._as_a_plugin_gets_them(workspace, plugin, self._opened(workspace, plugin, saved))

    def proven(self, workspace: str, plugin: str, saved: table.Saved) -> table.Saved | None:
        """Return stored settings with their defaults, for ``reopened``; None if another release saved them.

        Raises: as ``effective``.
        """
        manifest = self._plugins.manifest(plugin)
        if saved.version != manifest.settings_version:
            return None
        whole = self.opened(workspace, plugin, saved)
        secrets = {"/".join(path) for path in secret_paths(manifest.settings_schema, whole) if value_at(whole, path)}
        document = without_paths(whole, [tuple(field.split("/", 1)) for field in secrets])
        if not secrets <= saved.sealed.keys():
            return None
        return table.Saved(document, saved.version, {field: saved.sealed[field] for field in secrets})

    def reopened(self, workspace: str, plugin: str, proven: table.Saved) -> Mapping[str, Any]:
        """Return effective settings anew, with the secrets in clear, without checking them once more."""
        return with_secrets(self._opened(workspace, plugin, proven._replace(document=deepcopy(proven.document))))

    def digest(self, settings: Mapping[str, Any]) -> str:
        """Return a fingerprint of effective settings, secrets included, which shows whether they have changed."""
        return self._vault.fingerprint(json.dumps(settings, sort_keys=True))

    # -- how ---------------------------------------------------------------------------------------

    def _stored(self, workspace: str, plugin: str) -> StoredSettings | None:
        with self._store.read() as db:
            found = table.load(db, workspace, plugin)
        return None if found is None else self._opened(workspace, plugin, found)

    def _opened(self, workspace: str, plugin: str, found: table.Saved) -> StoredSettings:
        secrets = {
            tuple(field.split("/", 1)): self._vault.open(blob, workspace, plugin, "settings/" + field, version=version)
            for field, (blob, version) in found.sealed.items()
        }
        return StoredSettings(found.document, secrets, found.version)

    def _in_present_form(self, workspace: str, plugin: str, stored: StoredSettings) -> StoredSettings:
        ctx = self._context(workspace, plugin, with_secrets(stored))
        return in_present_form(self._plugins, plugin, ctx, stored)

    def _as_a_plugin_gets_them(self, workspace: str, plugin: str, stored: StoredSettings) -> Mapping[str, Any]:
        return require_fit(self._plugins, plugin, with_secrets(self._in_present_form(workspace, plugin, stored)))

    def _unfit(self, workspace: str, plugin: str, stored: StoredSettings | None) -> SettingsIncomplete | None:
        if stored is not None:
            try:
                self._as_a_plugin_gets_them(workspace, plugin, stored)
            except SettingsIncomplete as error:
                return error
        return None

    def _as_far_as_known(self, workspace: str, plugin: str, stored: StoredSettings | None) -> StoredSettings:
        """Return what the plugin's present release knows of stored settings, even if it cannot migrate them."""
        if stored is None:
            return StoredSettings({}, {})
        try:
            return self._in_present_form(workspace, plugin, stored)
        except SettingsIncomplete:
            return only_known(self._plugins.manifest(plugin).settings_schema, with_secrets(stored), stored.version)
