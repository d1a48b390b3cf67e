"""A job whose claim was committed although its worker does not know that is worked all the same."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dbos._dbos import _get_dbos_instance
from sqlalchemy.exc import OperationalError

from qwoty_integrations_host.engine import durable
from qwoty_integrations_host.engine.durable import DurableEngine
from qwoty_integrations_host.store.database import Store, open_database


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path / 'host.db'}"
    found = Store(open_database(request.getfixturevalue("postgresql") if request.param == "postgresql" else url))
    yield found
    found.close()


def test_a_job_is_worked_although_the_answer_to_its_claim_was_lost(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durable, "_LOST_SECONDS", 0.2)
    engine, worked, lost = DurableEngine(store.engine), [], []
    engine.start(worked.append)
    system = _get_dbos_instance()._sys_db
    claim = system.start_queued_workflows

    def claim_and_lose_the_answer(*facts: Any, **more: Any) -> Any:
        claimed, reason = claim(*facts, **more)
        if claimed and not lost:
            lost.extend(claimed)
            raise OperationalError("COMMIT", None, Exception("server closed the connection unexpectedly"))
        return claimed, reason

    monkeypatch.setattr(system, "start_queued_workflows", claim_and_lose_the_answer)
    with store.write() as db:
        engine.enqueue(db, "a.1", partition="ws-1")
    end = time.monotonic() + 60
    while not worked and time.monotonic() < end:
        time.sleep(0.1)
    engine.close()

    assert (lost, worked) == (["a.1"], ["a.1"])
