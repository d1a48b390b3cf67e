"""Adds the loaded form of a quote; quotes that are there load from their documents as before."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.add_column("quotes", sa.Column("loaded", sa.Text))
