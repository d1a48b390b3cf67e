"""Every error that crosses the boundary between host and plugin, sorted by what the host does next.

A class answers one question: *what should happen now?* The message (``title``) says what happened, the
``hint`` what a person does about it, the ``code`` is a stable slug for machines. None of the three ever
holds a secret or a rejected value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from .redaction import redact


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One thing wrong with one field: where (``("business_unit_api_tokens", "bu_1")``), and a sentence."""

    path: tuple[str, ...]
    message: str

    @property
    def dotted(self) -> str:
        """The path as people write it: ``payment_terms.installments.0.percentage``."""
        return ".".join(self.path) or "(document)"

    @property
    def pointer(self) -> str:
        """The path as a JSON pointer (RFC 6901)."""
        return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in self.path)


#: What people read at once; a plugin's message may be a whole answer of a service.
_LONGEST = 2000


class Interruption(BaseException):
    """The host itself cuts a hook short. Whatever else leaves a hook, ``IntegrationError`` apart, is a plugin's bug."""


class Overtaken(Interruption):
    """Another worker has taken what this one works on, which slept or was cut off: nothing more is done for it here.

    ``by``: the job that it was taken for, which may be the same one.
    """

    def __init__(self, job_id: str, *, by: str | None) -> None:
        super().__init__(job_id, by)
        self.by = by


class IntegrationError(Exception):
    """Root of the tree; nothing else is expected to leave a plugin."""

    default_code: ClassVar[str] = "error"

    def __init__(self, title: str, *, hint: str = "", code: str | None = None, restart: bool = False) -> None:
        # Services and libraries repeat what they were sent.
        self.title = _shortened(redact(title))
        self.hint = _shortened(redact(hint))
        super().__init__(self.title)
        self.code = code or self.default_code
        #: What earlier steps recorded can no longer be trusted: the next attempt begins at the first step.
        self.restart = restart
        #: The service gave a final answer to a *write*, which it may repeat for the same idempotency key: the next
        #: try looks first and uses a new key. Never set after silence, when the write may still be under way.
        self.answered = False


# -- ask a person ---------------------------------------------------------------------------------


class NeedsAttention(IntegrationError):
    """A person has to look. The run stops as ``needs_attention``; nothing is retried by itself."""

    default_code = "needs_attention"


class AlreadyFinal(NeedsAttention):
    """What was made of an earlier version of the quote can no longer be changed.

    The host puts that version back and works on with it; the change becomes a note on the run. ``title`` says what is
    final.
    """

    default_code = "already_final"


class CredentialsError(NeedsAttention):
    """The remote service refused the key, or the key lacks a right. An admin mends the settings."""

    default_code = "key_refused"


# -- try again ------------------------------------------------------------------------------------


class RetryableError(IntegrationError):
    """Network, rate limit, lock or outage. The host backs off and repeats the step.

    ``retry_after`` is the service's own wish in seconds.
    """

    default_code = "temporarily_unavailable"

    def __init__(
        self,
        title: str,
        *,
        hint: str = "",
        code: str | None = None,
        retry_after: float | None = None,
        answered: bool = False,
    ) -> None:
        super().__init__(title, hint=hint, code=code)
        self.retry_after = retry_after
        self.answered = answered


# -- give up, or say no ---------------------------------------------------------------------------


class PermanentError(IntegrationError):
    """It can never work as it stands. The run ends as ``failed`` and can be retried by a person."""

    default_code = "failed"


class ActionRefused(IntegrationError):
    """What a person asked for is not possible now (and nothing was changed). CLI exit 2, HTTP 409."""

    default_code = "refused"


class WebhookRejected(IntegrationError):
    """A webhook that is not answered with 200.

    ``status``: 400 (forged, garbled), 401 (signed by nobody known) or 404 (unknown address). ``code`` says why in one
    of a few fixed words, by which refused deliveries are counted; never a part of what was sent.
    """

    default_code = "webhook_rejected"

    def __init__(self, title: str, *, status: int = 400, code: str | None = None) -> None:
        super().__init__(title, code=code)
        self.status = status


# -- refuse at the door ---------------------------------------------------------------------------


class InvalidInput(IntegrationError):
    """Bad input, refused before anything is stored. CLI exit 2; HTTP 400 (not JSON) or 422 (fields)."""

    default_code = "invalid_input"

    def __init__(self, title: str, problems: Sequence[FieldProblem] = (), *, hint: str = "") -> None:
        super().__init__(title, hint=hint)
        self.problems = tuple(problems)


class MalformedInput(InvalidInput):
    """The input could not even be read (not JSON, truncated, not UTF-8). HTTP 400."""

    default_code = "malformed_input"


class SettingsError(InvalidInput):
    """An admin must change settings; each problem names its field. CLI exit 3, HTTP 422."""

    default_code = "invalid_settings"


class SettingsIncomplete(IntegrationError):
    """An integration's stored settings do not fit the release that is here. Runs wait; CLI exit 3, HTTP 409."""

    default_code = "settings_incomplete"


class NotFound(IntegrationError):
    """No such workspace, plugin, quote or run. CLI exit 5, HTTP 404."""

    default_code = "not_found"


# -- about the host or a plugin -------------------------------------------------------------------


class HostError(IntegrationError):
    """The host itself cannot do its work (data directory, key ring, lock); an operator mends it."""

    default_code = "host"


class DatabaseUnavailable(HostError):
    """The host's own database cannot be used: locked, full, or away. Runs wait and go on by themselves; HTTP 503."""

    default_code = "database_unavailable"


class PluginHangs(HostError):
    """A plugin's hook does not come back. The host goes on without the answer; a run waits, HTTP gets a 503."""

    default_code = "plugin_hangs"


class PluginLoadError(HostError):
    """In strict mode: a plugin failed to load or speaks another hook API. Carries the statuses."""

    default_code = "plugin_load"

    def __init__(self, title: str, statuses: Sequence[Any] = ()) -> None:
        hint = "Mend or remove what did not load, block it by QWOTY_PLUGINS_BLOCKED, or leave strict mode."
        super().__init__(title, hint=hint)
        self.statuses = tuple(statuses)


class PluginContractError(PermanentError):
    """A plugin answered with the wrong type or raised what it may not: a bug of that plugin."""

    default_code = "plugin_bug"


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " …"


#: The errors that a recorded step may end with, by the name they are recorded under.
RECORDABLE: dict[str, type[IntegrationError]] = {
    kind.__name__: kind for kind in (NeedsAttention, AlreadyFinal, CredentialsError, PermanentError, ActionRefused)
}


def to_record(error: IntegrationError) -> dict[str, Any]:
    """Give the JSON form in which a step's final error is checkpointed."""
    kind = next((name for name, known in reversed(RECORDABLE.items()) if isinstance(error, known)), "PermanentError")
    return {
        "kind": kind,
        "code": error.code,
        "title": error.title,
        "hint": error.hint,
        "restart": error.restart,
    }


def from_record(found: dict[str, Any]) -> IntegrationError:
    """Rebuild the error that ``to_record`` wrote, so that a replay raises what the first run raised."""
    kind = RECORDABLE[found["kind"]]
    return kind(found["title"], hint=found["hint"], code=found["code"], restart=found["restart"])
