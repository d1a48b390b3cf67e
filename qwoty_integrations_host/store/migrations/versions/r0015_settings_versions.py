"""With which version of a plugin's settings they were saved; NULL: by a release that knew none."""

import sqlalchemy as sa
from alembic import op

from qwoty_integrations_host.store.tables import UtcText

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("settings", sa.Column("version", sa.Integer))
    op.add_column("settings", sa.Column("versioned_at", UtcText))
