"""Adds the version of the plugin's settings format to saved settings. NULL: a release without versions saved them."""

import sqlalchemy as sa
from alembic import op

from qwoty_integrations_host.store.tables import UtcText

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("settings", sa.Column("version", sa.Integer))
    op.add_column("settings", sa.Column("versioned_at", UtcText))
