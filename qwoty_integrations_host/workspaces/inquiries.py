"""Inquiries: calls to a service in the background. The HTTP request is answered at once, with the inquiry's id.

An inquiry has a row in the database and a thread in this process (ADR 0075). Secrets that a person typed stay in the
thread's memory. If the process ends, so does the inquiry: it counts as lost, at the latest after its deadline.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import RowMapping

from ..clock import Clock
from ..errors import ActionRefused, DatabaseUnavailable, HostError, IntegrationError, InvalidInput, NotFound
from ..observability.actor import acting_as, actor
from ..redaction import redacted
from ..store import inquiries as rows
from ..store.database import Store
from ..store.inquiries import InquiryStatus
from ..store.workspaces import lock_workspace, require_workspace

log = logging.getLogger(__name__)

#: The most inquiries that run at once: in this process, and for one workspace.
MOST_AT_ONCE, MOST_OF_A_WORKSPACE = 64, 8
#: How long an inquiry may take; a plugin's hook has two minutes.
PATIENCE = timedelta(seconds=150)

#: Called right before something is changed. It raises if the inquiry is already over.
Proceed = Callable[[], None]
#: Calls the service, and returns the result as JSON.
Ask = Callable[[Proceed], Any]
#: Begins work in the background. Tests replace it, to begin the work in their own thread or later.
Begin = Callable[[Callable[[], None]], None]

_LOST = {
    "code": "test_lost",
    "title": "The test has not ended in time, and nothing was changed by it.",
    "hint": "The host may have been stopped meanwhile. Test again.",
}
_CRASHED = {
    "code": "internal",
    "title": "The host could not finish the test.",
    "hint": "Its log says why.",
}


def in_a_thread(work: Callable[[], None]) -> None:
    """Begin work in a daemon thread."""
    threading.Thread(target=work, name="inquiry", daemon=True).start()


def at_once(work: Callable[[], None]) -> None:
    """Do work in the caller's thread, for tests."""
    work()


class Inquiries:
    """The inquiries of one host.

    ``find`` returns ``{"id", "workspace", "kind", "plugin": str | None, "status": InquiryStatus, "begun_at",
    "ended_at": ISO time | None, "typed", "found", "error": None | {"code", "title", "hint",
    "problems": [{"path": [str], "message"}]}}``.
    """

    def __init__(self, store: Store, clock: Clock, begin: Begin = in_a_thread) -> None:
        self._store, self._clock, self._begin = store, clock, begin
        self._lock, self._closed = threading.Lock(), False
        self._mine: set[str] = set()

    def begin(
        self,
        workspace: str,
        kind: str,
        plugin: str,
        ask: Ask,
        *,
        once: bool = False,
        typed: Mapping[str, Any] | None = None,
        patience: timedelta = PATIENCE,
    ) -> str:
        """Begin an inquiry as soon as the caller's transaction has committed; return the inquiry's id.

        With ``once``, return the id of the same inquiry if one is running. ``typed`` are the form's values that may be
        shown again, without secrets. Raises: NotFound for the workspace; HostError (``too_many_tests``).
        """
        inquiry_id, now = uuid4().hex, self._clock.now()
        with self._store.write() as db:
            require_workspace(db, workspace)
            lock_workspace(db, workspace)
            if once and (same := rows.running(db, workspace, kind, plugin, now)):
                return same
            if rows.count_running(db, workspace, now) >= MOST_OF_A_WORKSPACE:
                raise _too_many()
            if not self._has_room():
                raise _too_many()
            row = {"id": inquiry_id, "workspace": workspace, "kind": kind, "plugin": plugin, "typed": typed}
            rows.add(db, {**row, "begun_at": now, "deadline": now + patience})
            who = actor()
            self._store.afterwards(lambda: self._start(inquiry_id, lambda: self._work(workspace, inquiry_id, ask, who)))
        return inquiry_id

    def find(self, workspace: str, inquiry_id: str) -> dict[str, Any]:
        """Return an inquiry and its result so far. Raises: NotFound."""
        with self._store.read() as db:
            row = rows.find(db, workspace, inquiry_id)
        if row is None:
            raise NotFound("There is no such test.", hint="What came of a test is kept for a day.")
        status = InquiryStatus.LOST if self._is_lost(row) else row["status"]
        return {
            **{name: row[name] for name in ("id", "workspace", "kind", "typed", "found")},
            "plugin": row["plugin"] or None,
            "status": status,
            "begun_at": row["begun_at"].isoformat(),
            "ended_at": row["ended_at"].isoformat() if row["ended_at"] else None,
            "error": {**_LOST, "problems": []} if status == InquiryStatus.LOST else row["error"],
        }

    def close(self) -> None:
        """Mark this process's inquiries as lost, because the process ends. Does not wait for them."""
        with self._lock:
            self._closed, lost = True, set(self._mine)
        if lost:
            with suppress(DatabaseUnavailable), self._store.write() as db:
                rows.end(db, lost, self._clock.now(), status=InquiryStatus.LOST)

    def _has_room(self) -> bool:
        return not self._closed and len(self._mine) < MOST_AT_ONCE

    def _start(self, inquiry_id: str, work: Callable[[], None]) -> None:
        with self._lock:
            # Check again, because other inquiries may have begun since the first check.
            if has_room := self._has_room():
                self._mine.add(inquiry_id)
        if not (has_room and self._has_begun(work)):
            self._forget(inquiry_id)
            with self._store.write() as db:
                rows.end(db, [inquiry_id], self._clock.now(), status=InquiryStatus.LOST)
            raise _too_many()

    def _has_begun(self, work: Callable[[], None]) -> bool:
        try:
            self._begin(work)
        except RuntimeError:  # the machine has no more threads
            return False
        return True

    def _work(self, workspace: str, inquiry_id: str, ask: Ask, who: str) -> None:
        try:
            with acting_as(who):
                ended = self._ended(workspace, inquiry_id, ask)
            if not self._closed:
                with self._store.write() as db:
                    rows.end(db, [inquiry_id], self._clock.now(), **ended)
        except DatabaseUnavailable:
            log.warning("inquiry.not_noted", exc_info=True, extra={"workspace": workspace})
        finally:
            self._forget(inquiry_id)

    def _forget(self, inquiry_id: str) -> None:
        with self._lock:
            self._mine.discard(inquiry_id)

    def _ended(self, workspace: str, inquiry_id: str, ask: Ask) -> dict[str, Any]:
        try:
            found = ask(lambda: self._proceed(workspace, inquiry_id))
        except IntegrationError as error:
            return {"status": InquiryStatus.FAILED, "error": redacted(_shown(error))}
        except Exception:
            log.exception("inquiry.crashed", extra={"workspace": workspace})
            return {"status": InquiryStatus.FAILED, "error": {**_CRASHED, "problems": []}}
        return {"status": InquiryStatus.SUCCEEDED, "found": redacted(found)}

    def _proceed(self, workspace: str, inquiry_id: str) -> None:
        """Raise ActionRefused if the inquiry was lost: people may have read that nothing was changed."""
        with self._store.read() as db:
            row = rows.find(db, workspace, inquiry_id)
        if row is None or row["status"] != InquiryStatus.RUNNING or self._is_lost(row):
            raise ActionRefused(_LOST["title"], hint=_LOST["hint"], code=_LOST["code"])

    def _is_lost(self, row: RowMapping) -> bool:
        is_over = bool(self._clock.now() >= row["deadline"])
        return row["status"] == InquiryStatus.LOST or (row["status"] == InquiryStatus.RUNNING and is_over)


def _shown(error: IntegrationError) -> dict[str, Any]:
    problems = error.problems if isinstance(error, InvalidInput) else ()
    return {
        "code": error.code,
        "title": error.title,
        "hint": error.hint,
        "problems": [{"path": list(problem.path), "message": problem.message} for problem in problems],
    }


def _too_many() -> HostError:
    return HostError(
        "Too many tests are under way.", hint="Wait for one of them to end, then test again.", code="too_many_tests"
    )
