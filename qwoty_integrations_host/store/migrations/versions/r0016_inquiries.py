"""Adds the table of inquiries: calls to a service that continue in the background, and their results."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.create_table(
        "inquiries",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("workspace", sa.String(64), sa.ForeignKey("workspaces.id"), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("plugin", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("begun_at", sa.String(32), nullable=False),
        sa.Column("deadline", sa.String(32), nullable=False),
        sa.Column("ended_at", sa.String(32)),
        sa.Column("typed", sa.JSON()),
        sa.Column("found", sa.JSON()),
        sa.Column("error", sa.JSON()),
    )
    op.create_index("inquiries_by_age", "inquiries", ["workspace", "begun_at"])
