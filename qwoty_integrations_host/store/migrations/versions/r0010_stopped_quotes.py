"""Adds the cancellation of a quote, and what was undone for it. Also fills in what an earlier release has undone."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_RUNS = sa.table(
    "runs",
    *(sa.column(name, sa.String) for name in ("workspace", "plugin", "kind", "quote_id", "status", "finished_at")),
    sa.column("facts", sa.JSON),
)
_QUOTES = sa.table(
    "quotes", sa.column("workspace", sa.String), sa.column("id", sa.String), sa.column("undone", sa.JSON)
)


def upgrade() -> None:
    op.add_column("quotes", sa.Column("cancelled", sa.JSON(none_as_null=True)))
    op.add_column("quotes", sa.Column("undone", sa.JSON(none_as_null=True)))
    db, run, quote = op.get_bind(), _RUNS.c, _QUOTES.c
    undone: defaultdict[tuple[str, str], dict[str, Any]] = defaultdict(dict)
    ended = sa.select(_RUNS).where((run.kind == "undo") & (run.status == "succeeded")).order_by(run.finished_at)
    for row in db.execute(ended).mappings().all():
        made = (run.kind == "quote_accepted") & (run.plugin == row["plugin"])
        here = (run.workspace == row["workspace"]) & (run.quote_id == row["quote_id"]) & made
        facts = db.execute(sa.select(run.facts).where(here)).scalar()
        # An undo set the run's version to None. If the run has a version, the quote was accepted again after the undo.
        if facts is not None and "version" in facts and facts["version"] is None:
            stop = {"at": row["finished_at"], "by": "an earlier release", "how": "undo"}
            undone[row["workspace"], row["quote_id"]][row["plugin"]] = stop
    for (workspace, quote_id), stops in undone.items():
        these = (quote.workspace == workspace) & (quote.id == quote_id)
        db.execute(_QUOTES.update().where(these).values(undone=stops))
