"""Rows of mails, so that each is sent once: a mail is ``sending`` before it leaves and ``sent`` afterwards.

A mail that is ``sending`` is claimed by one worker: the row has the epoch of the hold under which it is sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from sqlalchemy import ColumnElement, Connection, RowMapping, bindparam, select

from . import tables as t
from .upsert import insert_or_ignore

#: The longest escaped quote id in a name. The column holds 512 characters, and escaping can make one character twelve.
_LONGEST_ID = 400


# Every mail executes this. It is built once, because building costs more (docs/performance.md).
_STATE = select(t.mails.c.state).filter_by(**{name: bindparam(name) for name in ("workspace", "plugin", "name")})


def name_for(quote_id: str, name: str) -> str:
    """Return the stored name of a quote's mail. Its prefix belongs to this quote alone."""
    whose = quote(quote_id, safe="")
    if len(whose) > _LONGEST_ID:  # no escaped id begins with "%sha256"
        whose = f"%sha256-{sha256(quote_id.encode()).hexdigest()}"
    return f"{whose}/{name}"


def state(db: Connection, workspace: str, plugin: str, name: str) -> str | None:
    """Return ``sending`` or ``sent``; None for an unknown mail."""
    return db.execute(_STATE, {"workspace": workspace, "plugin": plugin, "name": name}).scalar()


@dataclass(frozen=True, slots=True)
class Sending:
    """One mail that is about to leave, and the epoch of the hold that sends it."""

    workspace: str
    plugin: str
    name: str
    message_id: str
    epoch: int

    def begin(self, db: Connection, now: datetime, *, again: bool) -> bool:
        """Claim the mail for sending; return False if another worker has claimed it, or if it has left.

        With ``again``, take over another worker's claim. Use it only where a repeated request sends no second mail.
        """
        if insert_or_ignore(db, t.mails, self._row("sending", now)):
            return True
        return again and self._change(db, t.mails.c.state == "sending", self._row("sending", now))

    def mark_sent(self, db: Connection, now: datetime) -> None:
        """Record that the mail has left, unless another worker has claimed it meanwhile."""
        if not self._change(db, t.mails.c.epoch == self.epoch, self._row("sent", now)):
            insert_or_ignore(db, t.mails, self._row("sent", now))

    def forget(self, db: Connection) -> None:
        """Remove our claim: the mail certainly did not leave."""
        ours = (t.mails.c.state == "sending") & (t.mails.c.epoch == self.epoch)
        db.execute(t.mails.delete().where(self._here & ours))

    def _change(self, db: Connection, only: ColumnElement[bool], row: Mapping[str, Any]) -> bool:
        changed = t.mails.update().where(self._here & only).values(row).returning(t.mails.c.name)
        return db.execute(changed).first() is not None

    def _row(self, state: str, now: datetime) -> dict[str, Any]:
        return {**asdict(self), "state": state, "changed_at": now}

    @property
    def _here(self) -> ColumnElement[bool]:
        table = t.mails.c
        return (table.workspace == self.workspace) & (table.plugin == self.plugin) & (table.name == self.name)


def of_quote(db: Connection, workspace: str, plugin: str, quote_id: str) -> Sequence[RowMapping]:
    """Return a quote's mails, oldest first."""
    table = t.mails.c
    here = (table.workspace == workspace) & (table.plugin == plugin) & _named_for(quote_id)
    wanted = select(t.mails).where(here).order_by(table.changed_at, table.name)
    return db.execute(wanted).mappings().all()


def settle_unsure(db: Connection, workspace: str, plugin: str, quote_id: str) -> None:
    """Remove all claims on a quote's mails, so that these mails may be sent again.

    Called when a person retries a run that could not tell whether a mail had left.
    """
    table = t.mails.c
    here = (table.workspace == workspace) & (table.plugin == plugin) & _named_for(quote_id)
    db.execute(t.mails.delete().where(here & (table.state == "sending")))


def _named_for(quote_id: str) -> ColumnElement[bool]:
    """Return the condition for the names of a quote's mails: a range, which an index finds."""
    beginning = name_for(quote_id, "")
    assert beginning.endswith("/")
    return (t.mails.c.name >= beginning) & (t.mails.c.name < beginning[:-1] + chr(ord("/") + 1))
