"""The worker processes of ``serve --workers``: started, started again when they die, and stopped with ``serve``."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time

#: Seconds until a dead worker is started again. The pause doubles up to the longest while workers die young.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
#: A worker that has lived this many seconds did not die young.
_YOUNG = 60.0

log = logging.getLogger(__name__)


class WorkerProcesses:
    """Keeps a number of ``qwoty-host worker`` processes running.

    Each has a pipe as its standard input, and stops when that ends: also when this process was killed.
    """

    def __init__(self, count: int, *, data_dir: str, jobs: int) -> None:
        program = (sys.executable, "-c", "from qwoty_integrations_host.cli import entry; entry()")
        self._command = (*program, "--data-dir", data_dir, "worker", "--jobs", str(jobs), "--stop-with-stdin")
        self._stopping = threading.Event()
        self._guard = threading.Lock()
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._keepers = [
            threading.Thread(target=self._keep, args=(number,), name=f"worker {number}", daemon=True)
            for number in range(count)
        ]

    def start(self) -> None:
        """Start the workers, without waiting until they are ready."""
        for keeper in self._keepers:
            keeper.start()

    def stop(self, *, patience: float) -> None:
        """Let all workers stop in good order; kill those that still run after ``patience`` seconds."""
        with self._guard:
            self._stopping.set()
            for process in self._running.values():
                _end_stdin(process)
        deadline = time.monotonic() + patience
        for keeper in self._keepers:
            if keeper.is_alive():  # a signal may have interrupted ``start``
                keeper.join(max(0.0, deadline - time.monotonic()))
        with self._guard:
            for process in self._running.values():
                log.warning("worker.killed", extra={"worker": process.pid})
                process.kill()

    def _keep(self, number: int) -> None:
        pause = _FIRST_PAUSE
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                self._run(number)
            except OSError:  # too little memory for a process, perhaps; later there may be enough
                log.exception("worker.not_started")
            if time.monotonic() - began > _YOUNG:
                pause = _FIRST_PAUSE
            self._stopping.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _run(self, number: int) -> None:
        """Start a worker, and wait until it has ended. Raises: OSError when it cannot be started."""
        process = self._begin(number)
        if process is None:
            return
        code = process.wait()
        with self._guard:
            del self._running[number]
        _end_stdin(process)
        if not self._stopping.is_set():
            log.warning("worker.died", extra={"worker": process.pid, "code": code})

    def _begin(self, number: int) -> subprocess.Popen[bytes] | None:
        with self._guard:
            if self._stopping.is_set():
                return None
            # A session of its own: Ctrl-C reaches this process only, which then stops the workers.
            process = subprocess.Popen(  # noqa: S603 - our own command
                self._command, stdin=subprocess.PIPE, start_new_session=True
            )
            self._running[number] = process
        log.info("worker.started", extra={"worker": process.pid})
        return process


def _end_stdin(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()
