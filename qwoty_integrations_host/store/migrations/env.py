"""Alembic runs this module. The migrations use the caller's connection and transaction."""

from __future__ import annotations

from alembic import context

from qwoty_integrations_host.store.tables import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
context.run_migrations()
