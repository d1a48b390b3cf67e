"""Start-up: the command line, a plugin's import, and a host that finds ten thousand open runs."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from uuid import uuid4

from qwoty_integrations_host.config import HostConfig
from qwoty_integrations_host.engine.attempts import job_id
from qwoty_integrations_host.host import create_host
from qwoty_integrations_host.store import runs

from .quotes import LINK
from .rows import Figure, Row, Target
from .site import BIN, DATABASES, Site, simulator, site

_OPEN_RUNS = 10_000
_IMPORT = """
import time, sys
import qwoty_integrations_host.plugins
began = time.perf_counter()
import qwoty_stripe_invoice.plugin
print((time.perf_counter() - began) * 1000)
assert "stripe" not in sys.modules
"""


def measure(*, quick: bool) -> list[Row]:
    """Each in a process of its own, the machine's files in its cache."""
    times = 3 if quick else 15
    rows = [
        Row("startup.python", "an empty Python, for comparison", "ms", _wall([sys.executable, "-c", ""], times)),
        Row("startup.help", "qwoty-host --help", "ms", _wall([str(BIN / "qwoty-host"), "--help"], times), Target(150)),
        Row("startup.plugin", "import of Stripe Invoice into a host, without stripe", "ms", _import(times), Target(50)),
    ]
    for database in DATABASES:
        took = _ready(database, open_runs=_OPEN_RUNS, times=2 if quick else 5)
        what = f"ready with {1000 if quick else _OPEN_RUNS:,} open runs, {database}"
        rows.append(Row(f"startup.ready.{database.lower()}", what, "ms", took, Target(1000)))
    return rows


def _wall(command: list[str], times: int) -> Figure:
    return Figure.of(
        [_timed(lambda: subprocess.run(command, check=True, capture_output=True)) for _ in range(times + 1)][1:]
    )


def _import(times: int) -> Figure:
    command = [sys.executable, "-c", _IMPORT]
    return Figure.of(
        [float(subprocess.run(command, check=True, capture_output=True, text=True).stdout) for _ in range(times + 1)][
            1:
        ]
    )


def _ready(database: str, *, open_runs: int, times: int) -> Figure:
    # At a second per call none of them ends meanwhile.
    with simulator(1000) as stripe, site(stripe.url, database=database) as place:
        place.add_workspaces({"ws": LINK})
        _queue(place, open_runs)
        took = []
        for _ in range(times):
            took.append(_timed(place.serve))
            for process in place.processes:
                process.popen.kill()
                process.popen.wait()
            place.processes.clear()
    return Figure.of(took)


def _queue(place: Site, count: int) -> None:
    """Runs that nobody has begun, as after a night without workers."""
    host = create_host(HostConfig.from_environment(place.env))
    now = host.clock.now()
    with host.store.write() as db:
        for number in range(count):
            run_id = uuid4().hex
            row = {
                "id": run_id,
                "workspace": "ws",
                "plugin": "stripe_invoice",
                "kind": "installment",
                "quote_id": f"q-{number}",
                "subject": run_id,
                "facts": {"number": 1},
                "status": "queued",
                "attempt": 1,
                "resumable": False,
                "created_at": now,
            }
            runs.add(db, row)
            host.engine.enqueue(db, job_id(run_id, 1), partition="ws")
    host.close()


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000
