"""The time zone in which a workspace's days are counted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("workspaces", sa.Column("timezone", sa.String(64)))
