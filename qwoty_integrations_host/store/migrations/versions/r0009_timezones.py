"""Adds the time zone of each workspace, in which its days begin and end."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("workspaces", sa.Column("timezone", sa.String(64)))
