"""Adds the holds on quotes, and the hold under which a mail is sent. They stop an overtaken worker from writing."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "holds",
        sa.Column("workspace", sa.String(length=64), nullable=False),
        sa.Column("plugin", sa.String(length=64), nullable=False),
        sa.Column("quote_id", sa.String(length=255), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.String(length=128), nullable=False),
        sa.ForeignKeyConstraint(["workspace"], ["workspaces.id"]),
        sa.PrimaryKeyConstraint("workspace", "plugin", "quote_id"),
    )
    op.add_column("mails", sa.Column("epoch", sa.Integer(), nullable=False, server_default="0"))
