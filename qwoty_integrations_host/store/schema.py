"""Creates the tables in an empty database, and migrates those of an earlier release."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, select, text

from ..errors import HostError
from . import search, tallies
from . import tables as t

#: The newest version in migrations/versions; a test compares the two.
LATEST = "0020"
_FIRST = "0001"


def bring_up_to_date(db: Connection) -> None:
    """Create or upgrade the tables in the connection's transaction. Raises: HostError for tables of a newer release."""
    if db.dialect.name == "postgresql":
        db.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('host tables', 0))"))
    there = set(inspect(db).get_table_names())
    if not there & set(t.metadata.tables):
        t.metadata.create_all(db)
        tallies.begin(db)
        db.execute(t.host_version.insert().values(version_num=LATEST))
        return
    # The first release stored no version.
    found = db.execute(select(t.host_version.c.version_num)).scalar() if t.VERSION_TABLE in there else None
    if found == LATEST:
        return
    if (found or _FIRST) > LATEST:
        raise HostError(
            f"The database was last used by a newer release (its tables are version {found}, this one's {LATEST}).",
            hint="Install that release again, or restore a backup made before it.",
            code="data_dir",
        )
    _upgrade(db, known=found is not None)


def _upgrade(db: Connection, *, known: bool) -> None:
    from alembic import command  # noqa: PLC0415 - lazy: hardly any start needs it
    from alembic.config import Config  # noqa: PLC0415

    config = Config(attributes={"connection": db})
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    if not known:
        command.stamp(config, _FIRST)
    command.upgrade(config, "head")
    search.fill(db)
