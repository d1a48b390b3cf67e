"""Adds the versions of a quote: the present one, and those that corrections replaced."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("quotes", sa.Column("version", sa.String(length=32)))
    op.add_column("quotes", sa.Column("replaced", sa.JSON()))
