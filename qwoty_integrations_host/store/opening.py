"""Checks before a host uses its database: the data directory is private, one process opens it, the keys are there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from ..concurrency.file_lock import WorkerLock
from ..config import HostConfig
from ..errors import DatabaseUnavailable, HostError
from ..vault import has_key_file
from .database import Store, open_database
from .secrets import any_sealed

_OPENING_SECONDS = 60.0


def make_private(config: HostConfig) -> None:
    """Create the data directory for this user only. Raises: HostError when that fails or it is not writable."""
    try:
        config.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise HostError(
            f"The data directory {config.data_dir} cannot be made: {error.strerror}.",
            hint="Choose another with --data-dir or QWOTY_HOST_DATA_DIR.",
            code="data_dir",
        ) from error
    if not os.access(config.data_dir, os.W_OK):
        raise HostError(
            f"The data directory {config.data_dir} cannot be written to.",
            hint="Give its user the right to write there, or choose another with --data-dir or QWOTY_HOST_DATA_DIR.",
            code="data_dir",
        )


@contextmanager
def opening(config: HostConfig) -> Iterator[None]:
    """Hold the lock for opening the database. Raises: HostError, with the database's place, when it does not open."""
    # Two processes that start for the first time would both create the tables.
    lock = WorkerLock(config.data_dir, "open.lock")
    lock.acquire(patience=_OPENING_SECONDS)
    try:
        yield
    except (DBAPIError, DatabaseUnavailable) as error:
        cause = getattr(error if isinstance(error, DBAPIError) else error.__cause__, "orig", error)
        why = str(cause).splitlines()[0].rstrip(".")
        where = "at QWOTY_HOST_DATABASE_URL" if config.is_shared else f"in {config.data_dir}"
        raise HostError(
            f"The database {where} cannot be opened: {why}.",
            hint="Is it a host's own, not full, and not held by another program?",
            code="data_dir",
        ) from error
    finally:
        lock.release()


def refuse_lost_keys(config: HostConfig) -> None:
    """Refuse to start when the database holds secrets but the key file is missing. Raises: HostError."""
    if config.keys is not None or has_key_file(config.data_dir):
        return
    with opening(config):
        store = Store(open_database(config.database_url))
        with store.read() as db:
            lost = any_sealed(db)
        store.close()
    if lost:
        raise HostError(
            f"The file keys is missing in {config.data_dir}, but the database holds secrets that only its keys open.",
            hint="Put the file back from the backup, or set QWOTY_HOST_KEYS to what the other machines have.",
            code="key_missing",
        )
