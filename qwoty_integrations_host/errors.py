"""Every error that crosses the boundary between host and plugin, sorted by what the host does next.

A class answers one question: *what should happen now?* Its class attributes are the answer: how a run goes on
(``run_status``, ``is_resumable``), the exit code of a command and the HTTP status of a response. The ``title`` says
what happened, the ``hint`` what a person does about it, and the ``code`` is a stable slug for machines. None of the
three ever holds a secret or a rejected value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from .redaction import redact
from .run_status import RunStatus


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


#: Characters of a title or hint. A plugin may put a service's whole response into one.
_LONGEST = 2000


class Interruption(BaseException):
    """Cuts a hook short on the host's behalf.

    Anything else that leaves a hook, except ``IntegrationError``, is a bug of the plugin.
    """


class Overtaken(Interruption):
    """Another worker has taken over the quote, because this one slept or lost its connection. This worker stops.

    ``by`` is the job for which it was taken over; it may be the same job.
    """

    def __init__(self, job_id: str, *, by: str | None) -> None:
        super().__init__(job_id, by)
        self.by = by


class IntegrationError(Exception):
    """Root of the tree; nothing else is expected to leave a plugin."""

    default_code: ClassVar[str] = "error"
    #: The status that this error gives to a run. A ``waiting`` run goes on by itself.
    run_status: ClassVar[RunStatus] = RunStatus.FAILED
    #: Whether a retry resumes at the step that failed; else it looks at everything again.
    is_resumable: ClassVar[bool] = True
    #: The exit code of a command.
    exit_code: ClassVar[int] = 1
    #: The status of an HTTP response.
    http_status: int = 500
    #: The name under which a step records it: that of a class in ``RECORDABLE``.
    recorded_as: ClassVar[str] = "PermanentError"

    def __init__(self, title: str, *, hint: str = "", code: str | None = None, restart: bool = False) -> None:
        # Redacted, because services and libraries repeat what they were sent.
        self.title = _shortened(redact(title))
        self.hint = _shortened(redact(hint))
        super().__init__(self.title)
        self.code = code or self.default_code
        #: Whether the next attempt begins at the first step, because what earlier steps recorded is out of date.
        self.restart = restart
        #: Whether the service gave a final answer to a *write*, which it may repeat for the same idempotency key. The
        #: next try then looks first and uses a new key. Never set after a timeout: the write may still be under way.
        self.answered = False


# -- ask a person ---------------------------------------------------------------------------------


class NeedsAttention(IntegrationError):
    """A person has to look. The run ends as ``needs_attention`` and is not retried automatically."""

    default_code = "needs_attention"
    run_status = RunStatus.NEEDS_ATTENTION
    recorded_as = "NeedsAttention"


class AlreadyFinal(NeedsAttention):
    """The invoice of an earlier version of the quote can no longer be changed.

    The host puts that version back and works on with it; the change becomes a note on the run. ``title`` says what is
    final.
    """

    default_code = "already_final"
    recorded_as = "AlreadyFinal"


class CredentialsError(NeedsAttention):
    """The remote service refused the key, or the key lacks a right. An admin corrects the settings."""

    default_code = "key_refused"
    recorded_as = "CredentialsError"


class PermissionMissing(CredentialsError):
    """The remote service accepts the key, but the key lacks a permission. An admin adds the one that ``hint`` names."""

    default_code = "permission_missing"


# -- try again ------------------------------------------------------------------------------------


class RetryableError(IntegrationError):
    """Network, rate limit, lock or outage. The host backs off and repeats the step; after a while the run waits.

    ``retry_after`` is how many seconds the service asks to wait.
    """

    default_code = "temporarily_unavailable"
    run_status = RunStatus.WAITING

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
    """Repeating it cannot help. The run ends as ``failed``; a person may retry it."""

    default_code = "failed"


class ActionRefused(IntegrationError):
    """What a person asked for is not possible now, and nothing was changed. The run ends as ``skipped``."""

    default_code = "refused"
    run_status = RunStatus.SKIPPED
    is_resumable = False
    exit_code = 2
    http_status = 409
    recorded_as = "ActionRefused"


class WebhookRejected(IntegrationError):
    """A webhook that is not accepted.

    ``status`` is the HTTP status of the response: 400 (forged or malformed), 401 (unknown signer) or 404 (unknown
    address). ``code`` is one of a few fixed words, by which rejected webhooks are counted; it never holds a part of
    the request.
    """

    default_code = "webhook_rejected"
    http_status = 400

    def __init__(self, title: str, *, status: int = 400, code: str | None = None) -> None:
        super().__init__(title, code=code)
        self.status = self.http_status = status


# -- refuse at the door ---------------------------------------------------------------------------


class InvalidInput(IntegrationError):
    """Invalid input, refused before anything is stored."""

    default_code = "invalid_input"
    exit_code = 2
    http_status = 422

    def __init__(self, title: str, problems: Sequence[FieldProblem] = (), *, hint: str = "") -> None:
        super().__init__(title, hint=hint)
        self.problems = tuple(problems)


class MalformedInput(InvalidInput):
    """The input cannot be read: it is not JSON, truncated, or not UTF-8."""

    default_code = "malformed_input"
    http_status = 400


class SettingsError(InvalidInput):
    """An admin must change settings; each problem names its field."""

    default_code = "invalid_settings"
    exit_code = 3


class SettingsIncomplete(IntegrationError):
    """An integration's stored settings do not fit its installed release. Runs wait."""

    default_code = "settings_incomplete"
    run_status = RunStatus.WAITING
    exit_code = 3
    http_status = 409


class NotFound(IntegrationError):
    """There is no such workspace, plugin, quote or run."""

    default_code = "not_found"
    exit_code = 5
    http_status = 404


# -- about the host or a plugin -------------------------------------------------------------------


class HostError(IntegrationError):
    """The host itself cannot work (data directory, key ring, lock). An operator corrects it."""

    default_code = "host"
    http_status = 503


class DatabaseUnavailable(HostError):
    """The host's own database is locked, full or unreachable. Runs wait and go on by themselves."""

    default_code = "database_unavailable"
    run_status = RunStatus.WAITING


class PluginHangs(HostError):
    """A plugin's hook does not return in time. The host goes on without its result; a run waits."""

    default_code = "plugin_hangs"
    run_status = RunStatus.WAITING


class PluginLoadError(HostError):
    """In strict mode, a plugin failed to load or uses another hook API. ``statuses`` says which."""

    default_code = "plugin_load"

    def __init__(self, title: str, statuses: Sequence[Any] = ()) -> None:
        hint = "Mend or remove what did not load, block it by QWOTY_PLUGINS_BLOCKED, or leave strict mode."
        super().__init__(title, hint=hint)
        self.statuses = tuple(statuses)


class PluginContractError(PermanentError):
    """A plugin returned the wrong type, or raised an error that it may not raise: a bug of that plugin."""

    default_code = "plugin_bug"


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " …"


#: The errors that a step records, by the name under which they are recorded.
RECORDABLE: dict[str, type[IntegrationError]] = {
    kind.recorded_as: kind for kind in (NeedsAttention, AlreadyFinal, CredentialsError, PermanentError, ActionRefused)
}


def to_record(error: IntegrationError) -> dict[str, Any]:
    """Return the JSON form in which a step records its final error."""
    return {
        "kind": error.recorded_as,
        "code": error.code,
        "title": error.title,
        "hint": error.hint,
        "restart": error.restart,
    }


def from_record(recorded: dict[str, Any]) -> IntegrationError:
    """Rebuild the error that ``to_record`` recorded, so that a replay raises what the first run raised."""
    kind = RECORDABLE[recorded["kind"]]
    # Recorded as its parent, which workers of an earlier release know, too.
    if kind is CredentialsError and recorded["code"] == PermissionMissing.default_code:
        kind = PermissionMissing
    return kind(recorded["title"], hint=recorded["hint"], code=recorded["code"], restart=recorded["restart"])
