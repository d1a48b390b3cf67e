"""Adds two indexes: one to count the runs that need a person, which each start page shows; one on quote numbers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    of_these = sa.text("status IN ('needs_attention', 'failed')")
    op.create_index("quotes_by_number", "quotes", ["workspace", "number"])
    op.create_index("runs_open", "runs", ["workspace", "plugin"], sqlite_where=of_these, postgresql_where=of_these)
