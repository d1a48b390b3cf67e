"""The version of a quote that a correction took the place of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("quotes", sa.Column("version", sa.String(length=32)))
    op.add_column("quotes", sa.Column("replaced", sa.JSON()))
