"""Adds the number of repeated deliveries of each event, and the table of rejected webhooks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("webhook_deliveries", sa.Column("duplicates", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("webhook_deliveries", sa.Column("last_at", sa.String(32)))
    op.create_table(
        "webhook_refusals",
        sa.Column("workspace", sa.String(64), sa.ForeignKey("workspaces.id"), nullable=False, primary_key=True),
        sa.Column("id", sa.String(255), primary_key=True),
        sa.Column("plugin", sa.String(64), nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("first_at", sa.String(32), nullable=False),
        sa.Column("last_at", sa.String(32), nullable=False),
    )
    op.create_index("refusals_by_age", "webhook_refusals", ["workspace", "first_at", "id"])
