"""Adds the columns of runs that wait through an outage, and the table of rate limits."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("runs", sa.Column("waits_until", sa.String(length=32)))
    op.add_column("runs", sa.Column("outage_since", sa.String(length=32)))
    op.create_table(
        "paces",
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("free_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
