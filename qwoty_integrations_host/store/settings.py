"""Rows of settings and their sealed secrets."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, select

from ..vault import Vault
from . import secrets
from . import tables as t
from .secrets import Sealed
from .upsert import put

#: The fields of the secrets in settings begin so.
PREFIX = "settings/"
# Every webhook and attempt executes these. They are built once, because building costs more (docs/performance.md).
_PLACE: dict[str, Any] = {"workspace": bindparam("workspace"), "plugin": bindparam("plugin")}
_ROW = select(t.settings).filter_by(**_PLACE)
_ENABLED = _ROW.with_only_columns(t.settings.c.enabled)
_PLUGINS = (
    select(t.settings.c.plugin)
    .where(t.settings.c.workspace == bindparam("in_workspace"), t.settings.c.enabled)
    .order_by(t.settings.c.plugin)
)


class Saved(NamedTuple):
    """Stored settings: the document without secrets, its version, and the sealed secrets by field."""

    document: dict[str, Any]
    version: int
    sealed: dict[str, Sealed]


def load(db: Connection, workspace: str, plugin: str) -> Saved | None:
    """Return the settings; None if there are none."""
    row = db.execute(_ROW, {"workspace": workspace, "plugin": plugin}).first()
    if row is None:
        return None
    # If the times differ, a worker of an earlier release has saved since, without a version.
    version = row.version if row.version and row.versioned_at == row.updated_at else 1
    return Saved(row.document, version, secrets.of_plugin(db, row.workspace, row.plugin, PREFIX))


def enabled(db: Connection, workspace: str, plugin: str) -> bool:
    """Whether the integration is enabled."""
    return bool(db.execute(_ENABLED, {"workspace": workspace, "plugin": plugin}).scalar())


def enabled_plugins(db: Connection, workspace: str) -> tuple[str, ...]:
    """Return the workspace's enabled plugins, sorted."""
    return tuple(db.execute(_PLUGINS, {"in_workspace": workspace}).scalars())


def configured_plugins(db: Connection, workspace: str) -> tuple[str, ...]:
    """Return the plugins that have stored settings, enabled or not, sorted."""
    here = t.settings.c.workspace == workspace
    return tuple(db.execute(select(t.settings.c.plugin).where(here).order_by(t.settings.c.plugin)).scalars())


def saved_at(db: Connection, workspace: str, plugin: str) -> datetime | None:
    """Return when the settings were last saved; None if they never were."""
    here = (t.settings.c.workspace == workspace) & (t.settings.c.plugin == plugin)
    return db.execute(select(t.settings.c.updated_at).where(here)).scalar()


def enabled_everywhere(db: Connection) -> list[tuple[str, str]]:
    """Return every enabled (workspace, plugin), sorted."""
    place = (t.settings.c.workspace, t.settings.c.plugin)
    return [(row[0], row[1]) for row in db.execute(select(*place).where(t.settings.c.enabled).order_by(*place))]


def replace(
    db: Connection,
    vault: Vault,
    workspace: str,
    plugin: str,
    document: Mapping[str, Any],
    version: int,
    clear: Mapping[str, str],
    now: datetime,
) -> None:
    """Replace the document and the secrets (``clear``, by field); whether the integration is enabled stays as it is."""
    place = {"workspace": workspace, "plugin": plugin}
    switch, stamped = enabled(db, workspace, plugin), {"version": version, "versioned_at": now}
    put(db, t.settings, {**place, "document": dict(document), "enabled": switch, "updated_at": now, **stamped})
    for field in secrets.of_plugin(db, workspace, plugin, PREFIX).keys() - clear.keys():
        secrets.forget(db, workspace, plugin, PREFIX + field)
    for field, secret in clear.items():
        secrets.put(db, vault, workspace, plugin, PREFIX + field, secret)


def switch(db: Connection, workspace: str, plugin: str, *, on: bool) -> None:
    """Enable or disable an integration. Without stored settings, this does nothing."""
    here = (t.settings.c.workspace == workspace) & (t.settings.c.plugin == plugin)
    db.execute(t.settings.update().where(here).values(enabled=on))
