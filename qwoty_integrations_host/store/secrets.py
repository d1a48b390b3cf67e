"""The sealed secrets as rows, whoever they belong to: which keys they need, and sealing them anew."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, RowMapping, func, select

from . import tables as t


def any_sealed(db: Connection) -> bool:
    """Whether anything is sealed in this database: of settings, or kept by a plugin."""
    return db.execute(select(t.secrets.c.field).limit(1)).first() is not None


def count_by_key(db: Connection) -> dict[str, int]:
    """How many secrets each key of the ring opens, by key id (a blob is ``v1.<key id>.…``)."""
    key_id = func.substr(t.secrets.c.blob, 4, 8)
    found = db.execute(select(key_id, func.count()).group_by(key_id).order_by(key_id))
    return {row[0]: row[1] for row in found}


def all_sealed(db: Connection) -> Sequence[RowMapping]:
    """Every sealed secret."""
    return db.execute(select(t.secrets)).mappings().all()


def replace_blob(db: Connection, row: RowMapping, blob: str) -> None:
    """Put another blob of the same secret in its place, unless somebody has replaced it since the row was read."""
    table = t.secrets.c
    here = (table.workspace == row["workspace"]) & (table.plugin == row["plugin"]) & (table.field == row["field"])
    db.execute(t.secrets.update().where(here & (table.blob == row["blob"])).values(blob=blob))
