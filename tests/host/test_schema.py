"""The tables: created in an empty database, or migrated from an earlier release with their rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect, text

from builders import a_quote
from qwoty_integrations_host.errors import HostError
from qwoty_integrations_host.store import migrations, schema
from qwoty_integrations_host.store.database import open_database
from qwoty_integrations_host.store.tables import VERSION_TABLE, metadata

AT = "2026-03-10T09:15:00.000000+00:00"
MIGRATIONS = Path(migrations.__file__).parent


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'host.sqlite3'}"


@pytest.fixture
def opened(url: str) -> Iterator[Callable[[], Engine]]:
    """A function that opens the database as a host does, and closes it at the end."""
    engines: list[Engine] = []

    def open_it() -> Engine:
        engines.append(open_database(url))
        return engines[-1]

    yield open_it
    for engine in engines:
        engine.dispose()


def of_the_first_release(url: str) -> None:
    """A database of the first release, with a workspace and a record."""
    from alembic import command

    engine = create_engine(url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as db:
        config.attributes["connection"] = db
        command.upgrade(config, "0001")
        db.execute(text(f"DROP TABLE {VERSION_TABLE}"))
        db.execute(text("INSERT INTO workspaces VALUES ('ws-1', :at)"), {"at": AT})
        for quote_id, invoice in (("q-7", None), ("q-8", {"id": "in_1", "status": "open", "account": "a"})):
            record = json.dumps({"currency": "EUR", "invoice": invoice, "installments": []})
            db.execute(text(f"INSERT INTO records VALUES ('ws-1', 'p', '{quote_id}', :record)"), {"record": record})
        delivery = "INSERT INTO webhook_deliveries VALUES ('ws-1', 'p', 'e-1', 'paid', '', '2026-03-10')"
        db.execute(text(delivery))
        for quote_id in ("q-6", "q-7", "q-8", "q-9"):
            names = "workspace, id, number, document, received_at"
            row = {"id": quote_id, "document": json.dumps(a_quote(id=quote_id)), "at": AT}
            db.execute(text(f"INSERT INTO quotes ({names}) VALUES ('ws-1', :id, 'N', :document, :at)"), row)
        said = {
            "q-8": "Nothing to invoice.",
            "q-9": "No Stripe key is set for business unit 'bu_2': no invoice.",
        }
        names = "id, workspace, plugin, kind, quote_id, subject, facts, status, attempt, resumable, outcome, created_at"
        # The first one was undone: its run no longer has the number of the acceptance.
        values = "(:id, 'ws-1', 'p', :id, 'q-6', 'x', :facts, 'succeeded', 1, 0, NULL, :at, :at)"
        kept = f"INSERT INTO runs ({names}, finished_at) VALUES {values}"
        for kind in ("quote_accepted", "undo"):
            db.execute(text(kept), {"id": kind, "facts": json.dumps({"version": None}), "at": AT})
        for quote_id, note in said.items():
            values = "(:id, 'ws-1', 'p', 'quote_accepted', :id, :id, '{}', 'skipped', 1, 0, :outcome, :at)"
            outcome = json.dumps({"notes": [note]})
            db.execute(
                text(f"INSERT INTO runs ({names}) VALUES {values}"), {"id": quote_id, "outcome": outcome, "at": AT}
            )
    engine.dispose()


def version(engine: Engine) -> str:
    with engine.connect() as db:
        return str(db.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar_one())


def test_the_code_expects_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))

    assert ScriptDirectory.from_config(config).get_current_head() == schema.LATEST


def test_an_empty_database_gets_the_current_tables(opened: Callable[[], Engine]) -> None:
    assert version(opened()) == schema.LATEST
    assert version(opened()) == schema.LATEST, "opened again"


def test_a_database_of_the_first_release_is_migrated_with_its_rows(url: str, opened: Callable[[], Engine]) -> None:
    of_the_first_release(url)

    engine = opened()

    assert version(engine) == schema.LATEST
    with engine.connect() as db:
        records = db.execute(text("SELECT quote_id, next_due, awaits_payment FROM records ORDER BY quote_id")).all()
        assert records == [("q-7", None, False), ("q-8", None, True)]
        assert db.execute(text("SELECT account, found FROM webhook_deliveries")).all() == [(None, False)]
        lacking = db.execute(text("SELECT id, without_invoice FROM quotes ORDER BY id")).all()
        assert lacking == [
            ("q-6", None),
            ("q-7", "no_integration"),
            ("q-8", None),
            ("q-9", "business_unit_without_key"),
        ]
        error, outcome = db.execute(text("SELECT error, outcome FROM runs WHERE id = 'q-9'")).one()
        assert (json.loads(error)["code"], json.loads(outcome)) == ("business_unit_without_key", {"notes": []})
        states = db.execute(text("SELECT quote_id, state FROM standings ORDER BY quote_id")).all()
        assert states == [("q-6", "undone"), ("q-7", "waiting_for_integration"), ("q-8", "open"), ("q-9", "no_invoice")]
        found = db.execute(text("SELECT quote_id FROM quote_words WHERE word = 'in_1'")).scalars().all()
        assert found == ["q-8"]


def test_the_migrations_produce_exactly_the_tables_in_the_code(url: str, opened: Callable[[], Engine]) -> None:
    of_the_first_release(url)
    engine = opened()

    with engine.connect() as db:
        context = MigrationContext.configure(db, opts={"version_table": VERSION_TABLE, "compare_type": True})
        found = compare_metadata(context, metadata)

    # Alembic has a table of its own.
    assert [change for change in found if getattr(change[1], "name", "") != VERSION_TABLE] == []
    assert VERSION_TABLE in inspect(engine).get_table_names()


def test_a_database_of_a_newer_release_is_refused_and_stays_unchanged(url: str, opened: Callable[[], Engine]) -> None:
    engine = opened()
    with engine.begin() as db:
        db.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))

    with pytest.raises(HostError, match=r"newer release .*9999"):
        open_database(url)

    assert version(engine) == "9999"
