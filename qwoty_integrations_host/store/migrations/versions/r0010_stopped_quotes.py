"""Quotes that are cancelled, and those of which is undone what was made."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("quotes", sa.Column("cancelled", sa.JSON(none_as_null=True)))
    op.add_column("quotes", sa.Column("undone", sa.JSON(none_as_null=True)))
