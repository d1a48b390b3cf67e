"""Adds the tables of the HTTP API, the Qwoty platform, connection tests, alerts and the console."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def _workspace() -> sa.Column[str]:
    return sa.Column("workspace", sa.String(64), sa.ForeignKey("workspaces.id"), nullable=False, primary_key=True)


def _moment(name: str, *, nullable: bool = True) -> sa.Column[str]:
    return sa.Column(name, sa.String(32), nullable=nullable)


def upgrade() -> None:
    for column in (
        sa.Column("name", sa.String(100)),
        sa.Column("scopes", sa.JSON()),
        _moment("last_used_at"),
        _moment("revoked_at"),
    ):
        op.add_column("api_keys", column)
    op.create_table(
        "idempotency_keys",
        _workspace(),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("body", sa.Text()),
        _moment("created_at", nullable=False),
    )
    op.create_index("idempotency_keys_by_age", "idempotency_keys", ["created_at"])
    op.create_index("quotes_by_age", "quotes", ["workspace", "received_at", "id"])
    op.create_index("runs_by_workspace", "runs", ["workspace", "created_at", "id"])
    op.create_index("deliveries_by_age", "webhook_deliveries", ["workspace", "received_at", "event_id"])
    for name in ("platforms", "alert_targets"):
        op.create_table(
            name,
            _workspace(),
            sa.Column("document", sa.JSON(), nullable=False),
            _moment("updated_at", nullable=False),
        )
    op.create_table(
        "events",
        _workspace(),
        sa.Column("id", sa.String(255), primary_key=True),
        sa.Column("type", sa.String(255), nullable=False),
        sa.Column("quote_id", sa.String(255)),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("answer", sa.JSON()),
        _moment("received_at", nullable=False),
    )
    op.create_index("events_by_age", "events", ["workspace", "received_at"])
    op.create_table(
        "connections",
        _workspace(),
        sa.Column("plugin", sa.String(64), primary_key=True),
        sa.Column("report", sa.JSON()),
        _moment("checked_at"),
        sa.Column("problem", sa.JSON()),
    )
    op.create_table(
        "alerts",
        _workspace(),
        sa.Column("subject", sa.String(255), primary_key=True),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        _moment("created_at", nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        _moment("delivered_at"),
    )
    op.create_index("alerts_by_age", "alerts", ["created_at"])
    _console()


def _whose() -> sa.Column[str]:
    return sa.Column("workspace", sa.String(64), sa.ForeignKey("workspaces.id"), nullable=False)


def _console() -> None:
    op.create_table(
        "login_links",
        sa.Column("digest", sa.String(64), primary_key=True),
        _whose(),
        sa.Column("role", sa.String(16), nullable=False),
        _moment("expires_at", nullable=False),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        _whose(),
        sa.Column("role", sa.String(16), nullable=False),
        _moment("created_at", nullable=False),
        _moment("expires_at", nullable=False),
        _moment("revoked_at"),
    )
    op.create_table(
        "passwords",
        _workspace(),
        sa.Column("role", sa.String(16), primary_key=True),
        sa.Column("hash", sa.String(255), nullable=False),
        _moment("changed_at", nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.String(32), primary_key=True),
        _whose(),
        _moment("at", nullable=False),
        sa.Column("actor", sa.String(255), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
    )
    op.create_index("audit_by_age", "audit", ["workspace", "at"])
