"""Receives the platform's events. An event is stored together with its effect; a run fetches a quote it only names."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import uuid4

from marshmallow import ValidationError
from sqlalchemy import RowMapping

from ..clock import Clock
from ..contract.context import Attempt, Steps
from ..contract.document_fields import Identifier
from ..contract.exact_json import parse_json
from ..contract.hook_types import Outcome
from ..contract.quote_document import id_of
from ..errors import ActionRefused, FieldProblem, InvalidInput, NeedsAttention, NotFound
from ..observability.actor import acting_as
from ..platform import signatures
from ..platform.configuration import ACCEPTED, PlatformConfiguration
from ..platform.resolver import PlatformResolver
from ..quotes.run import Run, RunKind
from ..store import events
from ..store import runs as rows
from ..store.database import Store
from ..store.platforms import PLATFORM
from ..store.workspaces import require_workspace
from .acceptance import Accepted
from .runs import Runs

_NAME = re.compile(r"[ -~]{1,255}")
_QUOTE_ID = Identifier(required=True)


class EventStatus(StrEnum):
    """What an event has led to."""

    ACCEPTED = "accepted"
    CANCELLED = "cancelled"
    #: A run fetches the quote that the event named.
    QUEUED = "queued"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The response to an event. ``is_new``: the event caused something that did not exist before."""

    body: Mapping[str, Any]
    is_new: bool


@dataclass(frozen=True, slots=True)
class Announcement:
    """What an event announces about a quote. The event names the quote or holds it."""

    type: str
    quote_id: str | None
    quote: Any = None


@dataclass(frozen=True, slots=True)
class PlatformEvents:
    """Receives the events of all platforms, and executes the runs that fetch quotes."""

    store: Store
    clock: Clock
    platforms: PlatformResolver
    runs: Runs

    def authenticate(self, workspace: str, headers: Mapping[str, str], body: bytes) -> str:
        """Return the id of a signed message. Raises: WebhookRejected (401; 400 when its time is not now)."""
        known = self.platforms.configurations.signing_secrets(workspace)
        secrets = [one["secret"] for one in known.values()]
        return signatures.verify(headers, body, secrets, self.clock.now())

    def receive(self, workspace: str, body: bytes, event_id: str = "") -> Acknowledgement:
        """Store an authenticated event together with its effect. A repeated event gets the first one's answer.

        Raises: NotFound for the workspace; InvalidInput for the body, or when an earlier event with this id had another
        body; ActionRefused when the event only names a quote and no platform is set to fetch it from. Then nothing is
        stored.
        """
        if event_id and not _NAME.fullmatch(event_id):
            problem = FieldProblem((signatures.ID,), "1 to 255 plain characters.")
            raise InvalidInput("The event's id has the wrong form.", [problem])
        announcement = _read(parse_json(body))
        digest = hashlib.sha256(body).hexdigest()
        event_id = event_id or f"evt_{uuid4().hex}"
        row = {"workspace": workspace, "id": event_id, "type": announcement.type, "digest": digest}
        with self.store.write() as db:
            require_workspace(db, workspace)
            if not events.add(db, {**row, "received_at": self.clock.now()}):
                return _acknowledged_before(events.get(db, workspace, event_id), digest)
            with acting_as(_PLATFORM):
                acknowledgement = self._act(workspace, event_id, announcement)
            answer = acknowledgement.body
            events.record_answer(db, workspace, event_id, quote_id=answer["quote_id"], answer=answer)
        return acknowledgement

    def fetch(self, row: Run, step: Steps) -> Outcome:
        """Fetch the quote that an event named, and accept it. Called again from the start after a crash."""
        # Fetch and accept in one step, so that no step's result holds the quote. Accepting twice changes nothing.
        found = step("accept", lambda attempt: self._accept(row, attempt))
        if found["how"] == "cancelled":
            return Outcome.done(f"Qwoty says that quote {found['number']} is cancelled.", result=found["shown"])
        if found["how"] == "unknown":
            return Outcome.skipped(f"Qwoty says that quote {found['number']} is cancelled. {_NEVER_SEEN}")
        word = _WORDS[found["how"]]
        started = "" if found["runs"] else " No integration is enabled for this workspace, so nothing was started."
        return Outcome.done(f"Quote {found['number']} was {word}.{started}", *found["notes"], result=found["shown"])

    def _accept(self, row: Run, attempt: Attempt) -> dict[str, Any]:
        workspace = row.workspace
        qwoty = self.platforms.qwoty(workspace)
        if qwoty is None:
            raise NeedsAttention("No platform is set for this workspace any more.", hint=_SET, code="platform_missing")
        fetched = qwoty.fetch(row.quote_id, accepted_at=row.created_at)
        try:
            with acting_as(_PLATFORM):
                accepted = self.runs.acceptance.accept(workspace, fetched.document, told_at=row.created_at)
        except InvalidInput as error:
            wrong = "; ".join(f"{problem.dotted}: {problem.message}" for problem in error.problems[:5])
            raise NeedsAttention(
                f"Qwoty's quote cannot be taken. {wrong}",
                hint="Correct the quote in Qwoty, then retry the run.",
                code="quote_invalid",
            ) from None
        except NotFound:  # the quote is cancelled, and the host does not have it
            return {"how": "unknown", "number": fetched.document["number"]}
        shown = {"quote_id": accepted.quote_id, "runs": list(accepted.run_ids)}
        number = fetched.document["number"]
        return {
            "how": _how(accepted),
            "number": number,
            "runs": shown["runs"],
            "notes": list(fetched.notes),
            "shown": shown,
        }

    def _act(self, workspace: str, event_id: str, announcement: Announcement) -> Acknowledgement:
        configuration = self.platforms.configurations.of(workspace)
        if announcement.type in configuration.cancelled_event_types:
            return self._cancel(workspace, event_id, announcement)
        if announcement.type not in configuration.accepted_event_types:
            return self._acknowledge(
                event_id, announcement, EventStatus.IGNORED, announcement.quote_id, (), is_new=False
            )
        if announcement.quote is not None:
            try:
                return self._acknowledge_accepted(
                    event_id, announcement, self.runs.acceptance.accept(workspace, announcement.quote)
                )
            except NotFound:  # the quote is cancelled, and the host does not have it
                return self._never_seen(event_id, announcement, id_of(announcement.quote, workspace_id=workspace))
        assert announcement.quote_id is not None, "it names or holds a quote"
        _require_platform(configuration)
        run_id = self._request_fetch(workspace, announcement.quote_id, event_id=event_id, event_type=announcement.type)
        return self._acknowledge(
            event_id, announcement, EventStatus.QUEUED, announcement.quote_id, (run_id,), is_new=True
        )

    def _request_fetch(self, workspace: str, quote_id: str, *, event_id: str, event_type: str) -> str:
        """Queue the fetch of a quote that the workspace's platform announced; return the run's id."""
        facts = {"event_id": event_id, "type": event_type}
        with self.store.write() as db:
            added = self.runs.queue.add(
                db, workspace, PLATFORM, RunKind.PLATFORM_EVENT, quote_id, subject=event_id, facts=facts
            )
        assert added is not None, "an event is stored once, together with its run"
        return added

    def _cancel(self, workspace: str, event_id: str, announcement: Announcement) -> Acknowledgement:
        quote_id = announcement.quote_id or id_of(announcement.quote, workspace_id=workspace)
        try:
            found = self.runs.cancellation.cancel(workspace, quote_id, how=announcement.type)
        except NotFound:
            return self._never_seen(event_id, announcement, quote_id)
        return self._acknowledge(
            event_id, announcement, EventStatus.CANCELLED, quote_id, found.run_ids, is_new=not found.duplicate
        )

    def _never_seen(self, event_id: str, announcement: Announcement, quote_id: str) -> Acknowledgement:
        """Return the answer about a cancelled quote that the host does not have: the event is ignored."""
        acknowledged = self._acknowledge(event_id, announcement, EventStatus.IGNORED, quote_id, (), is_new=False)
        return Acknowledgement({**acknowledged.body, "note": _NEVER_SEEN}, is_new=False)

    def _acknowledge_accepted(self, event_id: str, announcement: Announcement, accepted: Accepted) -> Acknowledgement:
        status = EventStatus.CANCELLED if accepted.cancelled else EventStatus.ACCEPTED
        is_new = not accepted.duplicate
        return self._acknowledge(event_id, announcement, status, accepted.quote_id, accepted.run_ids, is_new=is_new)

    def _acknowledge(
        self,
        event_id: str,
        announcement: Announcement,
        status: EventStatus,
        quote_id: str | None,
        run_ids: tuple[str, ...],
        *,
        is_new: bool,
    ) -> Acknowledgement:
        with self.store.write() as db:  # joins the caller's transaction, where the runs are not committed yet
            found = [rows.require(db, run_id) for run_id in run_ids]
        runs = [{"id": row.id, "plugin": row.plugin, "status": row.status} for row in found]
        body = {"id": event_id, "event_type": announcement.type, "status": status, "quote_id": quote_id, "runs": runs}
        return Acknowledgement(body, is_new)


#: The actor in the audit log for what the platform's events cause.
_PLATFORM = "platform"
_NEVER_SEEN = "It was never accepted here."
_WORDS = {
    "new": "accepted",
    "anew": "accepted again",
    "corrected": "taken in its changed form",
    "duplicate": "here before",
}
_SET = "Have the host's operator set the platform, then retry the run."


def _how(accepted: Accepted) -> str:
    """Return what happened to a fetched quote: ``cancelled``, or a key of ``_WORDS``."""
    words = ("cancelled", "anew", "corrected", "duplicate")
    return next((word for word in words if getattr(accepted, word)), "new")


def _require_platform(configuration: PlatformConfiguration) -> None:
    if not configuration.can_fetch:
        raise ActionRefused(
            "The event only names a quote, and there is no platform to fetch it from.",
            hint="Send the quote in full, or have the host's operator set the platform.",
        )


def _acknowledged_before(before: RowMapping, digest: str) -> Acknowledgement:
    if before["digest"] != digest:
        problem = FieldProblem((signatures.ID,), "An earlier event of this id had another body.")
        raise InvalidInput("This event's id was used before.", [problem])
    return Acknowledgement(before["answer"], is_new=False)


def _read(found: Any) -> Announcement:
    """Return the contents of a body: a quote, an event that holds a quote, or an event that names one.

    Raises: InvalidInput.
    """
    if not isinstance(found, dict):
        raise InvalidInput("The body is not an event.", [FieldProblem((), "Must be a JSON object.")])
    if "event_type" not in found and "pricing_table" in found:
        return Announcement(ACCEPTED, None, found)
    problems, event_type, quote_id = [], found.get("event_type"), found.get("id")
    if not isinstance(event_type, str) or not _NAME.fullmatch(event_type):
        problems.append(FieldProblem(("event_type",), "Must be 1 to 255 plain characters."))
    # An event that holds its quote may leave out the id. An event without the quote needs the id to fetch it.
    if quote_id is not None or found.get("quote") is None:
        try:
            quote_id = _QUOTE_ID.deserialize(quote_id)
        except ValidationError as error:
            problems.append(FieldProblem(("id",), str(error.messages[0])))
    if problems:
        raise InvalidInput("The body is not an event.", problems)
    return Announcement(str(event_type), quote_id, found.get("quote"))
