"""Tallies: how many rows there are of each state, without counting them all (ADR 0084).

Triggers of the database add a row to ``tallies`` in the transaction that changes a count, so the tallies are true after
a crash, after pruning, and beside workers of an earlier release. They only insert, so that no transaction waits for
another; ``fold`` sums the rows up now and then.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, select

from . import tables as t

#: So many rows are summed up quickly.
_MANY = 500
_LABELS = ("about", "plugin", "kind", "state")


@dataclass(frozen=True, slots=True)
class _Tally:
    """What is counted of a table. ``plugin``, ``kind`` and ``state`` are SQL expressions, as ``counted`` is.

    ``changing``: the column whose updates change a count.
    """

    table: str
    plugin: str
    kind: str
    state: str
    changing: str
    counted: str = "1 = 1"

    def values(self, row: str, number: str) -> str:
        labels = ", ".join(one.format(row=row) for one in (self.plugin, self.kind, self.state))
        return f"SELECT '{self.table}', {labels}, {number}"

    def is_counted(self, row: str) -> str:
        return self.counted.format(row=row)

    def triggers(self) -> dict[str, tuple[str, str]]:
        """Return the event and the condition of each trigger, by name."""
        new, old = self.is_counted("NEW"), self.is_counted("OLD")
        differs = f"NEW.{self.changing} <> OLD.{self.changing}"
        return {
            f"tally_{self.table}_insert": ("INSERT", new),
            f"tally_{self.table}_update": (f"UPDATE OF {self.changing}", f"{differs} AND ({new} OR {old})"),
            f"tally_{self.table}_delete": ("DELETE", old),
        }

    def adding(self, row: str, number: str) -> str:
        condition = self.is_counted(row)
        return f"INSERT INTO tallies (about, plugin, kind, state, number) {self.values(row, number)} WHERE {condition};"


_TALLIES = (
    # The other states are counted themselves: few runs are in them at a time.
    _Tally(
        "runs",
        "{row}.plugin",
        "{row}.kind",
        "{row}.status",
        changing="status",
        counted="{row}.status IN ('succeeded', 'skipped', 'dismissed')",
    ),
    _Tally("mails", "''", "''", "{row}.state", changing="state"),
    _Tally(
        "webhook_deliveries",
        "{row}.plugin",
        "''",
        "CASE WHEN {row}.found THEN 'yes' ELSE 'no' END",
        changing="found",
    ),
)


def begin(db: Connection) -> None:
    """Create the triggers, and count what is there."""
    for tally in _TALLIES:
        _create_triggers(db, tally)
        # After the triggers: they lock the table, so that nothing is counted twice or not at all.
        counted = f"{tally.values(tally.table, 'count(*)')} FROM {tally.table} WHERE {tally.is_counted(tally.table)}"
        names = "about, plugin, kind, state, number"
        db.exec_driver_sql(f"INSERT INTO tallies ({names}) {counted} GROUP BY 1, 2, 3, 4")


def _create_triggers(db: Connection, tally: _Tally) -> None:
    plus, minus = tally.adding("NEW", "1"), tally.adding("OLD", "-1")
    if db.dialect.name == "postgresql":
        db.exec_driver_sql(
            f"CREATE FUNCTION tally_{tally.table}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF TG_OP <> 'INSERT' THEN {minus} END IF; IF TG_OP <> 'DELETE' THEN {plus} END IF; RETURN NULL; END $$"
        )
    for name, (event, condition) in tally.triggers().items():
        body = f"EXECUTE FUNCTION tally_{tally.table}()"
        if db.dialect.name == "sqlite":
            work = {"I": plus, "U": minus + plus, "D": minus}[event[0]]
            body = f"BEGIN {work} END"
        db.exec_driver_sql(
            f"CREATE TRIGGER {name} AFTER {event} ON {tally.table} FOR EACH ROW WHEN ({condition}) {body}"
        )


def count(db: Connection, about: str) -> dict[tuple[str, ...], int]:
    """Return the numbers of a table's rows by (plugin, kind, state)."""
    table = t.tallies.c
    labels = (table.plugin, table.kind, table.state)
    found = select(*labels, func.sum(table.number)).where(table.about == about).group_by(*labels)
    return {tuple(row[:-1]): int(row[-1]) for row in db.execute(found) if row[-1]}


def fold(db: Connection) -> None:
    """Replace the rows of each count by their sum, once there are many."""
    table, sums = t.tallies, Counter[tuple[str, ...]]()
    if len(db.execute(select(table.c.id).limit(_MANY)).all()) < _MANY:
        return
    for row in db.execute(delete(table).returning(*(table.c[name] for name in _LABELS), table.c.number)):
        sums[tuple(row[:-1])] += row.number
    rows = [{**dict(zip(_LABELS, labels, strict=True)), "number": number} for labels, number in sums.items() if number]
    if rows:
        db.execute(insert(table), rows)
