"""Rate-limit slots that all processes on one PostgreSQL share: one row per name, timed by the database's clock."""

from __future__ import annotations

from sqlalchemy import Engine, text

from ..concurrency.rate_limits import LONGEST_QUEUE
from .outages import detecting_outages

# Reads the clock after the row is locked, so that a process that waited for the lock reserves from that moment on.
_NOW = "extract(epoch from clock_timestamp())"
_RESERVE = text(f"""
    INSERT INTO paces AS known (name, free_at) VALUES (:name, {_NOW} + :gap)
    ON CONFLICT (name) DO UPDATE SET free_at = :gap +
        CASE WHEN known.free_at > {_NOW} + {LONGEST_QUEUE} THEN {_NOW} ELSE greatest(known.free_at, {_NOW}) END
    RETURNING free_at - :gap - {_NOW}
""")  # noqa: S608 - constants of ours


class SharedSlots:
    """Implements ``rate_limits.Slots``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def reserve(self, name: str, gap: float) -> float:
        with detecting_outages(), self._engine.begin() as db:
            return float(db.execute(_RESERVE, {"name": name, "gap": gap}).scalar_one())
