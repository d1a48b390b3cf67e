"""The sent-once ledger of mails: ``sending`` is written before a mail leaves, ``sent`` after."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from urllib.parse import quote

from sqlalchemy import Connection, RowMapping, select

from . import tables as t
from .upsert import put

#: Of an escaped quote id, a character of which may take twelve: the table's names have 512.
_LONGEST_ID = 400


def name_for(quote_id: str, name: str) -> str:
    """The ledger's name of a quote's mail; no other quote's name begins like it."""
    whose = quote(quote_id, safe="")
    if len(whose) > _LONGEST_ID:  # no escaped id has a "%" before these letters
        whose = f"%sha256-{sha256(quote_id.encode()).hexdigest()}"
    return f"{whose}/{name}"


def state(db: Connection, workspace: str, plugin: str, name: str) -> str | None:
    """``sending``, ``sent`` or None."""
    table = t.mails.c
    here = (table.workspace == workspace) & (table.plugin == plugin) & (table.name == name)
    return db.execute(select(table.state).where(here)).scalar()


def note(db: Connection, workspace: str, plugin: str, name: str, *, state: str, message_id: str, now: datetime) -> None:
    """Write the state of a mail."""
    place = {"workspace": workspace, "plugin": plugin, "name": name}
    put(db, t.mails, {**place, "state": state, "message_id": message_id, "changed_at": now})


def of_quote(db: Connection, workspace: str, plugin: str, quote_id: str) -> Sequence[RowMapping]:
    """A quote's mails, oldest first."""
    table = t.mails.c
    here = (table.workspace == workspace) & (table.plugin == plugin)
    named = table.name.startswith(name_for(quote_id, ""), autoescape=True)
    wanted = select(t.mails).where(here & named).order_by(table.changed_at, table.name)
    return db.execute(wanted).mappings().all()


def forget(db: Connection, workspace: str, plugin: str, name: str) -> None:
    """Take back ``sending`` for a mail that certainly did not leave."""
    table = t.mails.c
    here = (table.workspace == workspace) & (table.plugin == plugin) & (table.name == name)
    db.execute(t.mails.delete().where(here))


def settle_unsure(db: Connection, workspace: str, plugin: str, quote_id: str) -> None:
    """A person asked for the run again: mails of which it was not known whether they left may leave again."""
    table = t.mails.c
    here = (table.workspace == workspace) & (table.plugin == plugin) & (table.state == "sending")
    db.execute(t.mails.delete().where(here & table.name.startswith(name_for(quote_id, ""), autoescape=True)))
