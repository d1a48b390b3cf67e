"""DBOS by itself, as a program: the same number of steps and pauses as a quote has, and nothing else.

``python -m benchmarks.dbos_alone URL IN_FLIGHT SECONDS STEPS CALLS LATENCY_MS`` prints how many jobs ended per second.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import Any
from uuid import uuid4

from dbos import DBOS, DBOSConfig

from qwoty_integrations_host.store.database import open_database


@DBOS.workflow(name="alone")
def _job(steps: int, calls: int, latency: float) -> None:
    for number in range(steps):
        work: Any = (lambda: time.sleep(latency)) if number < calls else (lambda: None)
        DBOS.run_step({"name": f"step {number}"}, work)


def main() -> None:
    url, in_flight, seconds, steps, calls, latency_ms = sys.argv[1:]
    # With the host's own settings of SQLite: DBOS's are slower (docs/adr/0002).
    engine = open_database(url)
    DBOS(
        config=DBOSConfig(
            name="alone",
            executor_id=uuid4().hex,
            system_database_engine=engine,
            system_database_url=url,
            log_level="ERROR",
        )
    )
    DBOS.launch()
    done: list[float] = []
    until = time.monotonic() + float(seconds)

    def work() -> None:
        while time.monotonic() < until:
            DBOS.start_workflow(_job, int(steps), int(calls), int(latency_ms) / 1000).get_result()
            done.append(time.monotonic())

    threads = [threading.Thread(target=work) for _ in range(int(in_flight))]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(len(done) / (max(done) - began))
    DBOS.destroy()


if __name__ == "__main__":
    main()
