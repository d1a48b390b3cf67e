"""The log of requests. It has fingerprints of keys, never a key."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class LoggedRequest:
    method: str
    path: str
    params: dict[str, Any] = field(default_factory=dict)
    idempotency_key: str | None = None
    key_fingerprint: str | None = None
    request_id: str | None = None
    # None until it is answered; stays None if the connection was cut
    status: int | None = None
    replayed: bool = False
    fault: str | None = None
    new_connection: bool = False
    # seconds of the monotonic clock
    arrived: float = field(default_factory=time.monotonic)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Journal:
    """All API requests in the order of arrival."""

    def __init__(self) -> None:
        self._entries: list[LoggedRequest] = []
        self._lock = threading.Lock()

    def add(self, entry: LoggedRequest) -> LoggedRequest:
        with self._lock:
            self._entries.append(entry)
        return entry

    def find(self, method: str | None = None, path: str = "") -> list[LoggedRequest]:
        """Return the requests of a method whose path starts with ``path``."""
        return [e for e in self if (method is None or e.method == method) and e.path.startswith(path)]

    def reset(self) -> None:
        with self._lock:
            self._entries.clear()

    def __iter__(self) -> Iterator[LoggedRequest]:
        with self._lock:
            return iter(list(self._entries))

    def __len__(self) -> int:
        with self._lock:
            return len(self._entries)

    def __getitem__(self, index: int) -> LoggedRequest:
        with self._lock:
            return self._entries[index]
