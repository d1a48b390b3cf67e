"""A new release is rolled out while the old one works: neither waits for the other, nothing is lost or repeated."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from builders import KEY, LINK, a_quote
from fleet.machines import Fleet, until
from qwoty_integrations_host.store import schema
from qwoty_integrations_host.store.tables import VERSION_TABLE
from stripe_simulator import StripeSimulator

RELEASE = Path(__file__).parents[1] / "releases" / "0.1.0.dev1"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The unpacked code of the previous release."""
    folder = tmp_path / "old"
    for wheel in RELEASE.glob("*.whl"):
        zipfile.ZipFile(wheel).extractall(folder)
    return folder


def prepare(fleet: Fleet, code: Path) -> None:
    """Create a database with a workspace by the old release."""
    fleet.run("workspace", "add", "ws-1", code=code)
    settings = json.dumps({"workspace_api_token": KEY, **LINK})
    fleet.run("settings", "set", "ws-1", "stripe_invoice", "--file", "-", code=code, given=settings)
    fleet.run("enable", "ws-1", "stripe_invoice", code=code)
    fleet.api_keys["ws-1"] = json.loads(fleet.run("apikey", "create", "ws-1", "--json", code=code))["key"]


def accept(fleet: Fleet, *names: str) -> None:
    for name in names:
        fleet.accept("ws-1", a_quote(id=name, installments=2))


def runs(fleet: Fleet) -> dict[str, str]:
    """The status of each quote's run."""
    with closing(fleet.observer()) as observer, observer.store.read() as db:
        return {
            row[0]: row[1]
            for row in db.exec_driver_sql("SELECT quote_id, status FROM runs WHERE kind = 'quote_accepted'")
        }


def version(fleet: Fleet) -> str:
    with closing(fleet.observer()) as observer, observer.store.read() as db:
        return str(db.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalar_one())


def wait_for_all(fleet: Fleet, *names: str) -> None:
    until(lambda: runs(fleet) == dict.fromkeys(names, "succeeded"), lambda: runs(fleet), seconds=60)


def assert_once(stripe: StripeSimulator, *names: str) -> None:
    assert sorted(invoice["metadata"]["qwoty_quote_id"] for invoice in stripe.objects("invoices")) == sorted(names)
    assert {(invoice["status"], invoice["total"]) for invoice in stripe.objects("invoices")} == {("open", 12000)}
    assert [len(stripe.objects(kind)) for kind in ("customers", "tax_rates", "endpoints")] == [1, 1, 1]
    assert [session["status"] for session in stripe.objects("sessions")] == ["open"] * len(names)


def accept_and_see_begun(fleet: Fleet, stripe: StripeSimulator, *names: str, more: int) -> None:
    """Accept quotes while Stripe is slow, and wait until the workers have sent so many more requests."""
    seen = len(stripe.requests)
    stripe.config.update(latency_ms=500)
    accept(fleet, *names)
    until(lambda: len(stripe.requests) >= seen + more, lambda: len(stripe.requests), seconds=30)


def test_the_old_release_runs_the_old_code(old: Path, tmp_path: Path) -> None:
    where = (
        "import qwoty_integrations_host as host, qwoty_stripe_invoice as plugin; print(host.__file__, plugin.__file__)"
    )
    env = {"PYTHONPATH": str(old)}

    said = subprocess.run(
        [sys.executable, "-c", where], env=env, cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert [path.startswith(str(old)) for path in said.stdout.split()] == [True, True]


@pytest.mark.parametrize("end", ["stopped", "killed"])
def test_old_and_new_processes_work_together_and_the_old_one_can_stop_at_any_time(
    end: str, fleets: Callable[..., Fleet], postgresql: str, old: Path, stripe_simulator: StripeSimulator
) -> None:
    fleet = fleets(database=postgresql)
    prepare(fleet, old)
    before = fleet.serve(code=old)
    accept_and_see_begun(fleet, stripe_simulator, "q-1", "q-2", more=2)

    # The first process of the new release migrates the tables; the old process goes on, and takes new runs.
    assert version(fleet) == schema.LATEST
    stripe_simulator.config.update(latency_ms=0)
    accept(fleet, "q-3")
    wait_for_all(fleet, "q-1", "q-2", "q-3")

    fleet.worker()
    quote = fleet.folder / "quote.json"
    quote.write_text(json.dumps(a_quote(id="q-4", installments=2)))
    fleet.run("accept", "ws-1", str(quote))
    accept_and_see_begun(fleet, stripe_simulator, "q-5", "q-6", more=3)
    assert _end(before, end)
    stripe_simulator.config.update(latency_ms=0)
    fleet.serve("--no-worker")
    accept(fleet, "q-7")

    names = [f"q-{n}" for n in range(1, 8)]
    wait_for_all(fleet, *names)
    assert_once(stripe_simulator, *names)


@pytest.mark.parametrize("end", ["stopped", "killed"])
def test_the_new_release_resumes_a_run_that_the_old_release_began(
    end: str, fleets: Callable[..., Fleet], old: Path, stripe_simulator: StripeSimulator
) -> None:
    fleet = fleets()
    prepare(fleet, old)
    before = fleet.serve(code=old)
    accept_and_see_begun(fleet, stripe_simulator, "q-1", more=4)
    assert _end(before, end)
    seen = len(stripe_simulator.objects("invoices"))
    stripe_simulator.config.update(latency_ms=0)

    fleet.serve()

    wait_for_all(fleet, "q-1")
    assert seen == 0 or len(stripe_simulator.objects("invoices")) == 1
    assert version(fleet) == schema.LATEST
    assert_once(stripe_simulator, "q-1")


def _end(process: Any, how: str) -> bool:
    if how == "stopped":
        return bool(process.stop() == 0)
    process.kill()
    return True
