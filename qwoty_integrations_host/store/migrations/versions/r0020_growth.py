"""Adds what keeps each query fast however many runs there are: indexes, and tallies for the metrics (ADR 0084)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from qwoty_integrations_host.store import tallies

revision = "0020"
down_revision = "0019"

_UNUSUAL = "status IN ('waiting', 'skipped', 'needs_attention', 'failed', 'dismissed')"
_GONE = (
    ("ix_quotes_number", "quotes"),
    ("runs_by_quote", "runs"),
    ("runs_by_workspace", "runs"),
    ("runs_by_kind", "runs"),
    ("runs_open", "runs"),
    ("records_awaiting_payment", "records"),
    ("deliveries_by_age", "webhook_deliveries"),
    ("events_by_age", "events"),
)
_NEW: tuple[tuple[str, str, list[str], str | None], ...] = (
    ("runs_by_quote", "runs", ["workspace", "quote_id", "created_at", "id"], None),
    ("runs_by_workspace", "runs", ["workspace", "created_at", "id", "plugin"], None),
    ("runs_by_kind", "runs", ["workspace", "kind", "created_at", "id", "plugin"], None),
    ("runs_unfinished", "runs", ["created_at", "id"], "finished_at IS NULL"),
    ("runs_unusual", "runs", ["workspace", "status", "created_at", "id"], _UNUSUAL),
    ("runs_unusual_everywhere", "runs", ["status", "created_at", "id"], _UNUSUAL),
    ("records_awaiting_payment", "records", ["workspace", "plugin", "quote_id"], "awaits_payment IS NOT FALSE"),
    ("records_by_quote", "records", ["workspace", "quote_id"], None),
    ("deliveries_by_age", "webhook_deliveries", ["workspace", "received_at", "event_id", "plugin", "type"], None),
    ("deliveries_repeated", "webhook_deliveries", ["workspace", "received_at", "event_id"], "duplicates > 0"),
    ("alerts_by_workspace", "alerts", ["workspace", "created_at", "subject"], None),
    ("alerts_undelivered", "alerts", ["workspace", "tries", "created_at"], "delivered_at IS NULL"),
)


def upgrade() -> None:
    op.create_table(
        "tallies",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("about", sa.String(32), nullable=False),
        sa.Column("plugin", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
    )
    for name, table in _GONE:
        op.drop_index(name, table_name=table)
    for name, table, columns, only in _NEW:
        of_these = sa.text(only) if only else None
        op.create_index(name, table, columns, sqlite_where=of_these, postgresql_where=of_these)
    if op.get_bind().dialect.name == "postgresql":
        # SQLite sorts texts by their bytes anyway.
        op.alter_column("mails", "name", type_=sa.String(512, collation="C"), existing_nullable=False)
    tallies.begin(op.get_bind())
