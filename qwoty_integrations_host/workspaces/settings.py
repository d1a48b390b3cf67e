"""A workspace's settings of a plugin: validating, storing with secrets apart, showing, enabling.

The stored document never holds a secret; secrets are sealed beside it, one by one. ``is_enabled`` is the one
function that decides whether a plugin gets a call for a workspace.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ..clock import Clock
from ..contract.context import HookContext
from ..contract.settings_document import (
    StoredSettings,
    changed_fields,
    joined,
    keep_secrets,
    pasted_secrets,
    placed,
    reach,
    schema_problems,
    strange_texts,
    stripped,
    with_defaults,
    without,
)
from ..errors import DatabaseUnavailable, HostError, SettingsError, SettingsIncomplete
from ..plugins.manager import Plugins
from ..plugins.settings_migrations import NEWER, as_known, brought_up, require_fit
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
        """Whether the plugin may be called at all for this workspace. (Whether it can be is its load status.)"""
        with self._store.read() as db:
            return table.enabled(db, workspace, plugin)

    def is_configured(self, workspace: str, plugin: str) -> bool:
        """Whether settings are stored, switched on or not."""
        with self._store.read() as db:
            return table.load(db, workspace, plugin) is not None

    def enabled_plugins(self, workspace: str) -> tuple[str, ...]:
        """Ids of the plugins that get this workspace's events, sorted; also of one that does not load at present."""
        with self._store.read() as db:
            return table.enabled_plugins(db, workspace)

    def enabled_everywhere(self) -> list[tuple[str, str]]:
        """Every (workspace, plugin) that is switched on."""
        with self._store.read() as db:
            return table.enabled_everywhere(db)

    def validate(self, plugin: str, given: Any, *, workspace: str = "") -> Mapping[str, Any]:
        """Check a settings document and give it back with defaults filled in and blanks stripped.

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
        """Replace the document; a secret that is omitted or empty keeps its stored value, ``null`` removes it.

        Raises: NotFound, InvalidInput, SettingsError, SettingsIncomplete where a newer release has saved them; then
        nothing has changed.
        """
        schema = self._plugins.manifest(plugin).settings_schema
        stored, document = self._merged(workspace, plugin, given)
        with self._store.write() as db:
            lock_workspace(db, workspace)
            while stored != (present := self._stored(workspace, plugin)):  # somebody was faster
                stored, document = present, self._merged(workspace, plugin, given)[1]
            secrets = {path: reach(document, path) for path in secret_paths(schema, document) if reach(document, path)}
            clear = {"/".join(path): value for path, value in secrets.items()}
            now = self._clock.now()
            version = self._plugins.manifest(plugin).settings_version
            table.replace(db, self._vault, workspace, plugin, without(document, secrets), version, clear, now)
            before = with_defaults(schema, joined(self._as_far_as_known(workspace, plugin, stored)))
            audit.note(db, workspace, "settings.saved", plugin, now, fields=changed_fields(before, document))
        return self.show(workspace, plugin)

    def as_saved(self, workspace: str, plugin: str, given: Any) -> Mapping[str, Any]:
        """Give what would be saved, as a plugin would get it, secrets in clear. Raises: as ``save`` does."""
        return self._merged(workspace, plugin, given)[1]

    def _merged(self, workspace: str, plugin: str, given: Any) -> tuple[StoredSettings | None, Mapping[str, Any]]:
        """What is stored, and the given document with the secrets that it keeps, checked.

        Outside a transaction: a plugin is asked, which may take its time.
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
        """Give ``{workspace, plugin, enabled, settings}``; a secret is shown as set, with its last four."""
        schema = self._plugins.manifest(plugin).settings_schema
        with self._store.read() as db:
            require_workspace(db, workspace)
        known = self._as_far_as_known(workspace, plugin, self._stored(workspace, plugin))
        shown = with_defaults(schema, known.document)
        for path, secret in known.secrets.items():
            shown = placed(shown, path, masked(secret))
        enabled = self.is_enabled(workspace, plugin)
        return {"workspace": workspace, "plugin": plugin, "enabled": enabled, "settings": shown}

    def enable(self, workspace: str, plugin: str) -> Mapping[str, Any]:
        """Switch on. Raises: SettingsError when there are no valid settings."""
        manifest = self._plugins.manifest(plugin)
        with self._store.read() as db:
            require_workspace(db, workspace)
        stored = self._stored(workspace, plugin)
        known = self._as_far_as_known(workspace, plugin, stored)
        self.validate(plugin, joined(known), workspace=workspace)
        with self._store.write() as db:
            lock_workspace(db, workspace)
            if stored is None and self._stored(workspace, plugin) is None:
                table.replace(db, self._vault, workspace, plugin, {}, manifest.settings_version, {}, self._clock.now())
            table.switch(db, workspace, plugin, on=True)
            if plugin in self._plugins.makers():
                # What others were given meanwhile, or nobody, is not invoiced by itself: it may be old.
                quotes.note_never_invoiced(db, workspace, self._plugins.makers(), NO_INVOICING)
            audit.note(db, workspace, "integration.enabled", plugin, self._clock.now())
        return self.show(workspace, plugin)

    def disable(self, workspace: str, plugin: str) -> Mapping[str, Any]:
        """Switch off, also what is not installed any more: the plugin gets no further call for this workspace."""
        if not self.is_configured(workspace, plugin):
            self._plugins.status(plugin)
        with self._store.write() as db:
            require_workspace(db, workspace)
            table.switch(db, workspace, plugin, on=False)
            audit.note(db, workspace, "integration.disabled", plugin, self._clock.now())
        return {"workspace": workspace, "plugin": plugin, "enabled": False}

    def effective(self, workspace: str, plugin: str) -> Mapping[str, Any]:
        """Give the settings as a plugin gets them: defaults filled in, secrets in clear.

        Raises: SettingsIncomplete where those that are stored do not fit the plugin's present release.
        """
        stored = self._stored(workspace, plugin)
        if stored is None:
            return with_defaults(self._plugins.manifest(plugin).settings_schema, {})
        return self._as_a_plugin_gets_them(workspace, plugin, stored)

    def present(self, workspace: str, plugin: str) -> Mapping[str, Any]:
        """Give the same as far as the present release knows them, whether they fit it or not."""
        known = self._as_far_as_known(workspace, plugin, self._stored(workspace, plugin))
        return with_defaults(self._plugins.manifest(plugin).settings_schema, joined(known))

    def unfit(self, workspace: str, plugin: str) -> SettingsIncomplete | None:
        """Why the stored settings do not fit the plugin's present release; None where they do, or there are none.

        Nothing is said of a secret that cannot be opened: whoever needs it does.
        """
        try:
            stored = self._stored(workspace, plugin)
        except DatabaseUnavailable:
            raise
        except HostError:
            return None
        return self._unfit(workspace, plugin, stored)

    def if_enabled(self, workspace: str, plugin: str) -> Callable[[], Mapping[str, Any]] | None:
        """Give what gives the settings as a plugin gets them; None where it is switched off for this workspace.

        The switch and the settings are read at once, and the secrets opened when they are asked for.
        """
        with self._store.read() as db:
            found = table.load_enabled(db, workspace, plugin)
        if found is None:
            return None
        return lambda: self._as_a_plugin_gets_them(workspace, plugin, self._opened(workspace, plugin, found))

    def digest(self, settings: Mapping[str, Any]) -> str:
        """Fingerprint of effective settings, secrets included, to tell whether they changed since an attempt began."""
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

    def _brought_up(self, workspace: str, plugin: str, stored: StoredSettings) -> StoredSettings:
        ctx = self._context(workspace, plugin, joined(stored))
        return brought_up(self._plugins, plugin, ctx, stored)

    def _as_a_plugin_gets_them(self, workspace: str, plugin: str, stored: StoredSettings) -> Mapping[str, Any]:
        return require_fit(self._plugins, plugin, joined(self._brought_up(workspace, plugin, stored)))

    def _unfit(self, workspace: str, plugin: str, stored: StoredSettings | None) -> SettingsIncomplete | None:
        if stored is not None:
            try:
                self._as_a_plugin_gets_them(workspace, plugin, stored)
            except SettingsIncomplete as error:
                return error
        return None

    def _as_far_as_known(self, workspace: str, plugin: str, stored: StoredSettings | None) -> StoredSettings:
        """What the present release knows of stored settings, also of those that it cannot migrate."""
        if stored is None:
            return StoredSettings({}, {})
        try:
            return self._brought_up(workspace, plugin, stored)
        except SettingsIncomplete:
            return as_known(self._plugins.manifest(plugin).settings_schema, joined(stored), stored.version)
