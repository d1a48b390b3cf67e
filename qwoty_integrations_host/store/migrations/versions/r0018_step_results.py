"""Moves the results of steps into the table of steps. Until now the engine and ``runs.carried`` stored them."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

_JSON = sa.JSON(none_as_null=True)
_runs = sa.table(
    "runs", sa.column("id"), sa.column("attempt"), sa.column("finished_at"), sa.column("resumable"),
    sa.column("carried", sa.JSON),
)  # fmt: skip
_steps = sa.table("steps", sa.column("run_id"), sa.column("name"), sa.column("result", _JSON), sa.column("place"))


def upgrade() -> None:
    op.add_column("steps", sa.Column("result", _JSON))
    op.add_column("steps", sa.Column("place", sa.Integer))
    db = op.get_bind()
    goes_on = sa.select(_runs.c.id, _runs.c.attempt, _runs.c.carried).where(
        _runs.c.finished_at.is_(None) | _runs.c.resumable
    )
    for run in db.execute(goes_on).all():
        for name, result in (run.carried or {}).items():
            _keep(db, run.id, name, result, place=None)
        for place, (name, output) in enumerate(_recorded_by_the_engine(db, f"{run.id}.{run.attempt}")):
            _keep(db, run.id, name, json.loads(output), place=place)


def _keep(db: sa.Connection, run_id: str, name: str, result: object, *, place: int | None) -> None:
    here = (_steps.c.run_id == run_id) & (_steps.c.name == name)
    db.execute(sa.update(_steps).where(here).values(result=result, place=place))


def _recorded_by_the_engine(db: sa.Connection, job_id: str) -> list[tuple[str, str]]:
    schema = None if db.dialect.name == "sqlite" else "dbos"
    if not sa.inspect(db).has_table("operation_outputs", schema=schema):
        return []
    names = ("workflow_uuid", "function_id", "function_name", "output", "error")
    outputs = sa.table("operation_outputs", *map(sa.column, names), schema=schema)
    mine = (outputs.c.workflow_uuid == job_id) & outputs.c.error.is_(None)
    wanted = sa.select(outputs.c.function_name, outputs.c.output).where(mine).order_by(outputs.c.function_id)
    return [(row.function_name, row.output) for row in db.execute(wanted)]
