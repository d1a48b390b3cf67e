"""Reads what intake needs of an integration, in one statement and in a form that shows what has changed since."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, Text, bindparam, case, cast, func, literal, select, union_all

from . import secrets, settings
from . import tables as t
from .secrets import Sealed

#: The most values of the plugin's state that are read.
MOST_VALUES = 8
_NAMES = [f"name_{number}" for number in range(MOST_VALUES)]
_HERE: dict[str, Any] = {"workspace": bindparam("workspace"), "plugin": bindparam("plugin")}
_SETTINGS, _SECRET, _VALUE = "settings", "secret", "value"


def _parts() -> Any:
    saved, kept, value = t.settings.c, t.secrets.c, t.plugin_state.c
    place = [t.secrets.c[name] == t.secret_versions.c[name] for name in ("workspace", "plugin", "field")]
    # If the times differ, a worker of an earlier release has saved since, without a version.
    has_version = (saved.version > 0) & (saved.versioned_at == saved.updated_at)
    return union_all(
        select(
            literal(_SETTINGS).label("part"),
            literal("").label("name"),
            cast(saved.document, Text).label("text"),
            case((has_version, saved.version), else_=1).label("version"),
        )
        .filter_by(**_HERE)
        .where(saved.enabled),
        select(literal(_SECRET), kept.field, cast(kept.blob, Text), func.coalesce(t.secret_versions.c.version, 0))
        .select_from(t.secrets.outerjoin(t.secret_versions, place[0] & place[1] & place[2]))
        .where(*(kept[name] == value for name, value in _HERE.items())),
        select(literal(_VALUE), value.name, cast(value.value, Text), literal(0))
        .filter_by(**_HERE)
        .where(value.name.in_([bindparam(name) for name in _NAMES])),
    )


# Every group of webhooks executes this. It is built once, because building costs more (docs/performance.md).
_PARTS = _parts()


@dataclass(frozen=True)
class Reading:
    """An enabled integration's rows: its settings, all its sealed secrets, and some values of its state.

    Two readings are equal if the same was stored.
    """

    rows: frozenset[tuple[str, str, str, int]]

    @cached_property
    def sealed(self) -> dict[str, Sealed]:
        """The secrets by field."""
        return {name: (text, version) for part, name, text, version in self.rows if part == _SECRET}

    @cached_property
    def state(self) -> dict[str, Any]:
        """The values by name, without those that there are not."""
        return {name: json.loads(text) for part, name, text, _ in self.rows if part == _VALUE}

    @cached_property
    def saved(self) -> settings.Saved:
        """The settings."""
        text, version = next((text, version) for part, _, text, version in self.rows if part == _SETTINGS)
        return settings.Saved(json.loads(text), version, secrets.below(self.sealed, settings.PREFIX))


def read(db: Connection, workspace: str, plugin: str, names: Collection[str] = ()) -> Reading | None:
    """Return what is stored now, with the state's values of these names; None while the integration is disabled."""
    padded = [*names, *[""] * MOST_VALUES][:MOST_VALUES]
    place = {"workspace": workspace, "plugin": plugin}
    found = db.execute(_PARTS, {**place, **dict(zip(_NAMES, padded, strict=True))})
    rows = frozenset((row[0], row[1], row[2], row[3]) for row in found)
    return Reading(rows) if any(row[0] == _SETTINGS for row in rows) else None
