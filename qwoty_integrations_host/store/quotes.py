"""Quotes as they were accepted."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from ..quote import Quote
from ..quote_schema import load_quote, parse_json
from . import tables as t
from .upsert import insert_or_ignore


def add(db: Connection, quote: Quote, document: Any, received_at: datetime) -> bool:
    """Store an accepted quote; False when this workspace has it already (the stored one stays)."""
    row = {
        "workspace": quote.workspace_id,
        "id": quote.id,
        "number": quote.number,
        "document": json.dumps(document, default=str),  # Decimals become strings, which load again exactly
        "received_at": received_at,
    }
    return insert_or_ignore(db, t.quotes, row)


def exists(db: Connection, workspace: str, quote_id: str) -> bool:
    """Whether this workspace has the quote."""
    here = (t.quotes.c.workspace == workspace) & (t.quotes.c.id == quote_id)
    return db.execute(select(t.quotes.c.id).where(here)).first() is not None


def lock(db: Connection, workspace: str, quote_id: str) -> bool:
    """Let nobody else decide about this quote's runs before the transaction ends; False when there is no such quote."""
    here = (t.quotes.c.workspace == workspace) & (t.quotes.c.id == quote_id)
    return db.execute(select(t.quotes.c.id).where(here).with_for_update()).first() is not None


def replace(db: Connection, quote: Quote, document: Any, received_at: datetime) -> None:
    """Put a corrected quote in the place of the stored one."""
    here = (t.quotes.c.workspace == quote.workspace_id) & (t.quotes.c.id == quote.id)
    text = json.dumps(document, default=str)
    db.execute(t.quotes.update().where(here).values(number=quote.number, document=text, received_at=received_at))


def find(db: Connection, workspace: str, quote_id: str) -> Quote | None:
    """Load a stored quote."""
    here = (t.quotes.c.workspace == workspace) & (t.quotes.c.id == quote_id)
    row = db.execute(select(t.quotes).where(here)).mappings().first()
    if row is None:
        return None
    return load_quote(parse_json(row["document"]), workspace_id=workspace, received_at=row["received_at"])
