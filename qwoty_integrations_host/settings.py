"""A workspace's settings of a plugin: validating, storing with secrets apart, showing, enabling.

The stored document never holds a secret; secrets are sealed beside it, one by one. ``is_enabled`` is the one
function that decides whether a plugin gets a call for a workspace.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from jsonschema import Draft202012Validator

from .clock import Clock
from .context import HookContext
from .errors import FieldProblem, InvalidInput, SettingsError
from .no_invoice import NO_INVOICING
from .plugins import Plugins
from .quote_fields import is_storable
from .redaction import masked, redact, secret_paths
from .store import audit, quotes
from .store import settings as table
from .store.database import Store
from .store.secrets import Sealed
from .store.workspaces import require_workspace
from .vault import Vault

#: Sentences by JSON Schema keyword; a plugin's ``x-error`` wins. None of them repeats the value.
_SENTENCES = {
    "type": "Has the wrong type.",
    "enum": "Is not one of the choices.",
    "oneOf": "Is not one of the choices.",
    "const": "Is not one of the choices.",
    "pattern": "Has the wrong form.",
    "minProperties": "Needs at least one entry.",
}


@dataclass(frozen=True, slots=True)
class StoredSettings:
    """Settings as they are kept: ``document`` without secrets, ``secrets`` in clear by path."""

    document: Mapping[str, Any]
    secrets: Mapping[tuple[str, ...], str]


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
        problems = [*_strange_texts(document), *_pasted_secrets(document)] or list(schema_problems(schema, document))
        if not problems:
            ctx = self._context(workspace, plugin, document)
            problems = list(self._plugins.validate_settings(plugin, ctx, document))
        if problems:
            raise SettingsError("The settings are not valid.", problems)
        return document

    def save(self, workspace: str, plugin: str, given: Any) -> Mapping[str, Any]:
        """Replace the document; a secret that is omitted or empty keeps its stored value, ``null`` removes it.

        Raises: NotFound, InvalidInput, SettingsError; then nothing has changed.
        """
        schema = self._plugins.manifest(plugin).settings_schema
        stored, document = self._merged(workspace, plugin, given)
        with self._store.write() as db:
            while stored != (present := self._stored(workspace, plugin)):  # somebody was faster
                stored, document = present, self._merged(workspace, plugin, given)[1]
            secrets = {path: reach(document, path) for path in secret_paths(schema, document) if reach(document, path)}
            clear = {"/".join(path): value for path, value in secrets.items()}
            now = self._clock.now()
            table.replace(db, self._vault, workspace, plugin, without(document, secrets), clear, now)
            before = with_defaults(schema, _joined(stored) if stored else {})
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
        schema = self._plugins.manifest(plugin).settings_schema
        merged = _keep_secrets(schema, stripped(given), stored.secrets if stored else {})
        return stored, self.validate(plugin, merged, workspace=workspace)

    def show(self, workspace: str, plugin: str) -> Mapping[str, Any]:
        """Give ``{workspace, plugin, enabled, settings}``; a secret is shown as set, with its last four."""
        schema = self._plugins.manifest(plugin).settings_schema
        with self._store.read() as db:
            require_workspace(db, workspace)
        stored = self._stored(workspace, plugin)
        shown = with_defaults(schema, stored.document if stored else {})
        for path, secret in (stored.secrets if stored else {}).items():
            shown = placed(shown, path, masked(secret))
        enabled = self.is_enabled(workspace, plugin)
        return {"workspace": workspace, "plugin": plugin, "enabled": enabled, "settings": shown}

    def enable(self, workspace: str, plugin: str) -> Mapping[str, Any]:
        """Switch on. Raises: SettingsError when there are no valid settings."""
        self._plugins.manifest(plugin)
        with self._store.read() as db:
            require_workspace(db, workspace)
        stored = self._stored(workspace, plugin)
        self.validate(plugin, _joined(stored) if stored else {}, workspace=workspace)
        with self._store.write() as db:
            if stored is None and self._stored(workspace, plugin) is None:
                table.replace(db, self._vault, workspace, plugin, {}, {}, self._clock.now())
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
        """Give the settings as a plugin gets them: defaults filled in, secrets in clear."""
        stored = self._stored(workspace, plugin)
        return with_defaults(self._plugins.manifest(plugin).settings_schema, _joined(stored) if stored else {})

    def if_enabled(self, workspace: str, plugin: str) -> Callable[[], Mapping[str, Any]] | None:
        """Give what gives the settings as a plugin gets them; None where it is switched off for this workspace.

        The switch and the settings are read at once, and the secrets opened when they are asked for.
        """
        with self._store.read() as db:
            found = table.load_enabled(db, workspace, plugin)
        return None if found is None else partial(self._as_a_plugin_gets_them, workspace, plugin, found)

    def _as_a_plugin_gets_them(
        self, workspace: str, plugin: str, found: tuple[dict[str, Any], dict[str, Sealed]]
    ) -> Mapping[str, Any]:
        schema = self._plugins.manifest(plugin).settings_schema
        return with_defaults(schema, _joined(self._opened(workspace, plugin, found)))

    def digest(self, settings: Mapping[str, Any]) -> str:
        """Fingerprint of effective settings, secrets included, to tell whether they changed since an attempt began."""
        return self._vault.fingerprint(json.dumps(settings, sort_keys=True))

    # -- how ---------------------------------------------------------------------------------------

    def _stored(self, workspace: str, plugin: str) -> StoredSettings | None:
        with self._store.read() as db:
            found = table.load(db, workspace, plugin)
        return None if found is None else self._opened(workspace, plugin, found)

    def _opened(self, workspace: str, plugin: str, found: tuple[dict[str, Any], dict[str, Sealed]]) -> StoredSettings:
        document, sealed = found
        secrets = {
            tuple(field.split("/", 1)): self._vault.open(blob, workspace, plugin, "settings/" + field, version=version)
            for field, (blob, version) in sealed.items()
        }
        return StoredSettings(document, secrets)


def schema_problems(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Iterable[FieldProblem]:
    """One problem per field, in a stable order, without ever repeating a value (ux page, section 3)."""
    found: dict[tuple[str, ...], str] = {}
    errors = Draft202012Validator(schema).iter_errors(document)
    for error in sorted(errors, key=lambda e: [str(part) for part in e.absolute_path]):
        for path, sentence in _explained(document, error):
            found.setdefault(path, sentence)
    return [FieldProblem(path, sentence) for path, sentence in found.items()]


def _strange_texts(document: Mapping[str, Any]) -> Iterable[FieldProblem]:
    """Settings that hold, as value or as a row's name, what no database holds."""
    for name, value in document.items():
        if not all(is_storable(text) for text in _texts_in(value)):
            yield FieldProblem((name,), "Holds a character that is none.")


def _texts_in(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from value
        for inner in value.values():
            yield from _texts_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts_in(inner)


def _pasted_secrets(document: Mapping[str, Any]) -> Iterable[FieldProblem]:
    """Names that are secrets, pasted into the wrong place: they would be kept, and named, in clear."""
    for name, rows in document.items():
        for number, row in enumerate(rows if isinstance(rows, Mapping) else (), start=1):
            if redact(row) != row:
                yield FieldProblem(
                    (name, f"row {number}"), "This identifier looks like a secret: is it in the wrong box?"
                )


def _explained(document: Mapping[str, Any], error: Any) -> Iterable[tuple[tuple[str, ...], str]]:
    path = tuple(str(part) for part in error.absolute_path)
    if error.validator == "required":
        missing = (name for name in error.validator_value if name not in error.instance)
        return [((*path, name), "This field is required.") for name in missing]
    if "propertyNames" in error.absolute_schema_path:
        # The name may itself be a pasted key: give the row, never the text.
        row = list(reach(document, path)).index(error.instance) + 1
        return [((*path, f"row {row}"), "This identifier has the wrong form.")]
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        strange = [str(name) for name in error.instance if name not in known]
        # Only what reads like a setting's name is repeated: anything else may be a pasted key.
        named = [(*path, name) for name in strange if re.fullmatch("[a-z][a-z_]{0,39}", name)]
        return [(where, "This integration does not know this setting.") for where in named or [path]]
    own = error.schema.get("x-error", {}).get(error.validator)
    return [(path, own or _SENTENCES.get(error.validator, "Is not valid."))]


def with_defaults(schema: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    """Fill absent keys with the schema's defaults, in the schema's order."""
    defaults = {name: part["default"] for name, part in schema.get("properties", {}).items() if "default" in part}
    return {**defaults, **document}


def stripped(given: Any) -> dict[str, Any]:
    """A copy of a given document without blanks around its texts. Raises: InvalidInput when it is not an object."""
    if not isinstance(given, Mapping):
        raise InvalidInput("The settings are not a JSON object.", hint="Send an object with the settings by name.")
    return {str(name).strip(): _strip(value) for name, value in given.items()}


def _strip(value: Any) -> Any:
    if isinstance(value, Mapping):
        return stripped(value)
    if isinstance(value, Decimal):  # numbers of a file are read exactly; settings are kept as plain JSON
        return float(value)
    return value.strip() if isinstance(value, str) else value


def _keep_secrets(
    schema: Mapping[str, Any], given: dict[str, Any], stored: Mapping[tuple[str, ...], str]
) -> dict[str, Any]:
    merged: dict[str, Any] = dict(given)
    for path, secret in stored.items():
        if _left_as_it_is(given, path):
            merged = placed(merged, path, secret)
    gone = [path for path in secret_paths(schema, merged) if reach(merged, path) in (None, "")]
    gone += {path[:1] for path in stored if merged.get(path[0], "") is None}
    return without(merged, gone)


def _left_as_it_is(given: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    """Whether the stored secret at ``path`` stays: it was left out or empty, and no ``null`` removes it."""
    if len(path) == 2 and path[0] in given and not isinstance(given[path[0]], Mapping):
        return False
    holder = reach(given, path[:-1]) or {}
    return path[-1] not in holder or holder[path[-1]] == ""


def _joined(stored: StoredSettings) -> dict[str, Any]:
    document = dict(stored.document)
    for path, secret in stored.secrets.items():
        document = placed(document, path, secret)
    return document


def changed_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The names of what differs, sorted; of a map those of its entries (``tokens.unit_1``)."""
    found: list[str] = []
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if isinstance(old, Mapping) or isinstance(new, Mapping):
            found += [f"{name}.{inner}" for inner in changed_fields(old or {}, new or {})]
        elif old != new:
            found.append(name)
    return found


def reach(document: Any, path: Iterable[Any]) -> Any:
    """Give the value at a path, or None."""
    for part in path:
        if not isinstance(document, Mapping) or part not in document:
            return None
        document = document[part]
    return document


def placed(document: Mapping[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A copy of the document with one value set."""
    head, *rest = path
    inner = placed(document.get(head) or {}, tuple(rest), value) if rest else value
    return {**document, head: inner}


def without(document: Mapping[str, Any], paths: Iterable[tuple[str, ...]]) -> dict[str, Any]:
    """A copy of the document without the values at these paths (an emptied map goes, too)."""
    gone = set(paths)
    kept: dict[str, Any] = {}
    for name, value in document.items():
        if (name,) in gone:
            continue
        if isinstance(value, Mapping) and any(path[0] == name for path in gone):
            rows = {row: v for row, v in value.items() if (name, row) not in gone}
            if rows:
                kept[name] = rows
            continue
        kept[name] = value
    return kept
