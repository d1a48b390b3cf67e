"""Adds the day from which the schedule looks at a quote's installments."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("records", sa.Column("next_due", sa.Date()))
    op.create_index("records_by_next_due", "records", ["next_due"])
