"""One process at a time works the runs of a SQLite data directory (rule 5 of the engine)."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path


class WorkerLock:
    """A lock of the operating system on a file in ``DIR``; it ends with the process, however that dies.

    ``shared``: any number of processes hold it at once.
    """

    def __init__(self, data_dir: Path, name: str = "worker.lock", *, shared: bool = False) -> None:
        self._path = data_dir / name
        self._kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        self._handle: int | None = None

    def acquire(self, *, patience: float = 0.0) -> bool:
        """Take the lock, trying for ``patience`` seconds; False when another process holds it."""
        deadline = time.monotonic() + patience
        while not self._try():
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.1)
        return True

    def _try(self) -> bool:
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, self._kind | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        self._handle = handle
        return True

    @property
    def held(self) -> bool:
        """Whether this process works the runs."""
        return self._handle is not None

    def release(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
