"""Adds what upkeep needs: the account of each event, whether upkeep found it, and which records await a payment."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("webhook_deliveries", sa.Column("account", sa.String(length=64)))
    op.add_column("webhook_deliveries", sa.Column("found", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index("deliveries_by_account", "webhook_deliveries", ["workspace", "plugin", "account", "received_at"])
    op.create_index("runs_by_kind", "runs", ["workspace", "plugin", "kind", "created_at"])
    op.add_column("records", sa.Column("awaits_payment", sa.Boolean()))
    op.create_index("records_awaiting_payment", "records", ["workspace", "plugin", "awaits_payment", "quote_id"])
    _fill_in(op.get_bind())


def _fill_in(db: sa.Connection) -> None:
    names = ("workspace", "plugin", "quote_id")
    table = sa.table("records", *map(sa.column, (*names, "awaits_payment")), sa.column("document", sa.JSON()))
    for row in db.execute(sa.select(table)).mappings().all():
        here = sa.and_(*(table.c[name] == row[name] for name in names))
        db.execute(table.update().where(here).values(awaits_payment=_is_open(row["document"])))


def _is_open(document: Any) -> bool:
    found = json.loads(document) if isinstance(document, str) else document
    return ((found or {}).get("invoice") or {}).get("status") == "open"
