"""Adds why a quote has no invoice although no run is at work. Also fills it in for quotes of earlier releases."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

_RUNS = sa.table(
    "runs",
    *(sa.column(name, sa.String) for name in ("id", "workspace", "kind", "quote_id", "status")),
    *(sa.column(name, sa.JSON) for name in ("outcome", "error")),
)
_QUOTES = sa.table("quotes", *(sa.column(name, sa.String) for name in ("workspace", "id", "without_invoice")))
_HINT = "Run the quote: it says what is missing."
#: The ends of sentences that earlier releases put first into a run's notes, and the code of each today.
_WROTE = (
    ("and the integration has a key per business unit: no invoice.", "business_unit_unknown"),
    (": no invoice.", "business_unit_without_key"),
)


def upgrade() -> None:
    op.add_column("quotes", sa.Column("without_invoice", sa.String(255)))
    kept = sa.text("without_invoice IS NOT NULL")
    columns = ["workspace", "received_at", "id"]
    op.create_index("quotes_without_invoice", "quotes", columns, sqlite_where=kept, postgresql_where=kept)
    db, run, quote = op.get_bind(), _RUNS.c, _QUOTES.c
    accepting = (run.workspace == quote.workspace) & (run.quote_id == quote.id) & (run.kind == "quote_accepted")
    never_run = ~sa.exists().where(accepting)
    db.execute(_QUOTES.update().where(never_run).values(without_invoice="no_integration"))
    skipped = (run.kind == "quote_accepted") & (run.status == "skipped")
    for row in db.execute(sa.select(_RUNS).where(skipped)).mappings().all():
        if code := _code(row["outcome"]):
            said, *notes = row["outcome"]["notes"]
            values = {
                "error": {"code": code, "title": said, "hint": _HINT},
                "outcome": {**row["outcome"], "notes": notes},
            }
            db.execute(_RUNS.update().where(run.id == row["id"]).values(values))
            here = (quote.workspace == row["workspace"]) & (quote.id == row["quote_id"])
            db.execute(_QUOTES.update().where(here).values(without_invoice=code))


def _code(outcome: dict[str, Any] | None) -> str | None:
    said = outcome["notes"][0] if outcome and outcome["notes"] else ""
    return next((code for end, code in _WROTE if said.endswith(end)), None)
