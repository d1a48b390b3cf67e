"""Sealed secrets: those of settings (``settings/…``), of plugins (``kept/…``), of platforms and of alerts.

A secret's place is its workspace, plugin and field. Each write seals with the place's next version. Versions are in a
table of their own and are never deleted, so that an older blob that somebody restores does not open (ADR 0078).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite

from ..vault import Vault
from . import tables as t
from .upsert import put as put_row

#: A blob, and the current version of its place.
Sealed = tuple[str, int]

_VERSION = func.coalesce(t.secret_versions.c.version, 0).label("version")
_KEYS = ("workspace", "plugin", "field")
_SAME = [t.secrets.c[name] == t.secret_versions.c[name] for name in _KEYS]
_BOTH = t.secrets.outerjoin(t.secret_versions, _SAME[0] & _SAME[1] & _SAME[2])
_PLUGINS: dict[str, Any] = {"workspace": bindparam("workspace"), "plugin": bindparam("plugin")}
# Every webhook and attempt executes these. They are built once, because building costs more (docs/performance.md).
_ONE = select(t.secrets.c.blob, _VERSION).select_from(_BOTH).where(*(t.secrets.c[n] == bindparam(n) for n in _KEYS))
_OF_PLUGIN = (
    select(t.secrets.c.field, t.secrets.c.blob, _VERSION)
    .select_from(_BOTH)
    .where(*(t.secrets.c[name] == value for name, value in _PLUGINS.items()))
    .where(t.secrets.c.field.startswith(bindparam("prefix"), autoescape=False))
    .order_by(t.secrets.c.field)
)
#: The row whose ``version`` is the time of the upgrade from a release without versions, in seconds since 1970. It is 0
#: until a host has started after the upgrade.
_UPGRADE = {"workspace": "", "plugin": "", "field": "upgraded"}


def get(db: Connection, vault: Vault, workspace: str, plugin: str, field: str) -> str | None:
    """Return a secret in clear; None if there is none. Raises: HostError when it does not open."""
    row = db.execute(_ONE, {"workspace": workspace, "plugin": plugin, "field": field}).first()
    return None if row is None else vault.open(row.blob, workspace, plugin, field, version=row.version)


def of_plugin(db: Connection, workspace: str, plugin: str, prefix: str) -> dict[str, Sealed]:
    """Return a plugin's sealed secrets whose field begins with ``prefix``, by the rest of the field."""
    found = db.execute(_OF_PLUGIN, {"workspace": workspace, "plugin": plugin, "prefix": prefix})
    return {row.field.removeprefix(prefix): (row.blob, row.version) for row in found}


def below(sealed: Mapping[str, Sealed], prefix: str) -> dict[str, Sealed]:
    """Return those whose field begins with ``prefix``, by the rest of the field."""
    return {field.removeprefix(prefix): found for field, found in sealed.items() if field.startswith(prefix)}


def put(db: Connection, vault: Vault, workspace: str, plugin: str, field: str, clear: str) -> None:
    """Save (or replace) a secret."""
    place = (workspace, plugin, field)
    blob = vault.seal(clear, *place, version=_next_version(db, *place))
    put_row(db, t.secrets, {**dict(zip(_KEYS, place, strict=True)), "blob": blob})


def forget(db: Connection, workspace: str, plugin: str, field: str) -> bool:
    """Delete a secret, so that it does not open even if its row is restored; return False if there is none."""
    gone = db.execute(t.secrets.delete().where(_here(t.secrets, workspace, plugin, field))).rowcount > 0
    if gone:
        _next_version(db, workspace, plugin, field)
    return gone


def reseal(db: Connection, vault: Vault, workspace: str, plugin: str, field: str) -> None:
    """Seal a secret with the newest key, as its next version."""
    # This statement comes first because it locks the row: another transaction that writes this secret waits here.
    version = _next_version(db, workspace, plugin, field)
    here = _here(t.secrets, workspace, plugin, field)
    blob = db.execute(select(t.secrets.c.blob).where(here)).scalar()
    if blob is None:
        return
    clear = vault.open(blob, workspace, plugin, field, version=version - 1)
    again = vault.seal(clear, workspace, plugin, field, version=version)
    db.execute(t.secrets.update().where(here & (t.secrets.c.blob == blob)).values(blob=again))


def any_sealed(db: Connection) -> bool:
    """Whether the database has any sealed secret."""
    return db.execute(select(t.secrets.c.field).limit(1)).first() is not None


def count_by_key(db: Connection) -> dict[str, int]:
    """Return how many secrets are sealed with each key, by key id (a blob is ``v1.<key id>.…``)."""
    key_id = func.substr(t.secrets.c.blob, 4, 8)
    found = db.execute(select(key_id, func.count()).group_by(key_id).order_by(key_id))
    return {row[0]: row[1] for row in found}


def all_sealed(db: Connection) -> Sequence[RowMapping]:
    """Return every sealed secret: its place, its ``blob``, and the current ``version`` of the place."""
    return db.execute(_all()).mappings().all()


def upgraded_at(db: Connection) -> int | None:
    """Return when the database was upgraded from a release without versions (see ``_UPGRADE``); None if never."""
    return db.execute(select(t.secret_versions.c.version).where(_here(t.secret_versions, **_UPGRADE))).scalar()


def note_upgrade(db: Connection, seconds: int) -> None:
    """Record when a host first saw the upgrade; later calls change nothing."""
    unseen = _here(t.secret_versions, **_UPGRADE) & (t.secret_versions.c.version == 0)
    db.execute(t.secret_versions.update().where(unseen).values(version=seconds))


def _next_version(db: Connection, workspace: str, plugin: str, field: str) -> int:
    row = {"workspace": workspace, "plugin": plugin, "field": field, "version": 1}
    version: int = db.execute(_counting(db.dialect.name), row).scalar_one()
    return version


@cache
def _counting(dialect: str) -> Any:
    statement = (postgresql if dialect == "postgresql" else sqlite).insert(t.secret_versions)
    more = {"version": t.secret_versions.c.version + 1}
    return statement.on_conflict_do_update(index_elements=_KEYS, set_=more).returning(t.secret_versions.c.version)


@cache
def _all() -> Select[Any]:
    return select(t.secrets, _VERSION).select_from(_BOTH)


def _here(table: Any, workspace: str, plugin: str, field: str) -> ColumnElement[bool]:
    here: ColumnElement[bool] = (table.c.workspace == workspace) & (table.c.plugin == plugin) & (table.c.field == field)
    return here
