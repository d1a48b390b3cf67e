"""Adds the newest version of each secret. Secrets sealed by earlier releases get a version at the next start."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    versions = op.create_table(
        "secret_versions",
        sa.Column("workspace", sa.String(64), primary_key=True),
        sa.Column("plugin", sa.String(64), primary_key=True),
        sa.Column("field", sa.String(512), primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
    )
    # This row says that the database was upgraded. The first host that starts afterwards writes the time into it.
    op.bulk_insert(versions, [{"workspace": "", "plugin": "", "field": "upgraded", "version": 0}])
