"""Adds the leases of worker processes, and the number of workers that died at each job."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "worker_leases",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("seen", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "job_deaths",
        sa.Column("job_id", sa.String(length=128), nullable=False),
        sa.Column("checkpoints", sa.Integer(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("job_id"),
    )
