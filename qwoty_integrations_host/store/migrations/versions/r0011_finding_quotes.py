"""Adds the tables of the search index: the words and the state of each quote. ``store/search.py`` fills them later."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def _of(table: str, key: str) -> tuple[sa.Column[str], sa.Column[str], sa.ForeignKeyConstraint]:
    return (
        sa.Column("workspace", sa.String(64), sa.ForeignKey("workspaces.id"), nullable=False, primary_key=True),
        sa.Column("quote_id", sa.String(255), primary_key=True),
        sa.ForeignKeyConstraint(
            ["workspace", "quote_id"], [f"{table}.workspace", f"{table}.{key}"], ondelete="CASCADE"
        ),
    )


def upgrade() -> None:
    op.create_table(
        "standings",
        *_of("quotes", "id"),
        sa.Column("received_at", sa.String(32), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("turns_into", sa.String(32)),
        sa.Column("turns_at", sa.String(32)),
        sa.Column("turns_on", sa.Date()),
    )
    op.create_index("standings_by_age", "standings", ["workspace", "received_at", "quote_id"])
    for name, state in (("standings_by_state", "state"), ("standings_by_turn", "turns_into")):
        columns = ["workspace", state, "received_at", "quote_id", "turns_at", "turns_on"]
        op.create_index(name, "standings", columns)
    by_bytes = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
    op.create_table(
        "quote_words",
        *_of("standings", "quote_id"),
        sa.Column("word", by_bytes, primary_key=True),
        sa.Column("source", sa.String(64), primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_index("quotes_by_word", "quote_words", ["workspace", "word", "quote_id"])
