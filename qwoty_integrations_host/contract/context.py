"""The context of a hook: ``HookContext`` and the small services in it.

Every side effect that a plugin has for a quote happens inside ``ctx.step``. After a crash, the hook runs again from its
top: each finished step returns its recorded result instead of running again. So between two steps, a decision may
depend only on recorded results.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Protocol

from ..clock import Clock
from .quote import Quote
from .record import QuoteRecord

#: What a step may return: JSON values only (money as strings or integers).
Json = Any


@dataclass(slots=True)
class Attempt:
    """One try of one step, passed to the step's function.

    ``number`` counts how often the step has begun, including in processes that died. Put ``key`` into the idempotency
    key of a write. It stays the same, even when a person retries the run, until the service has given a final answer;
    then it changes, because a service may repeat that answer. ``first_started_at`` is when this ``key`` was first used.
    """

    number: int
    key: int
    first_started_at: datetime
    request_ids: list[str] = field(default_factory=list)
    #: Call ``attempt.confirm()`` right before each write to a service. It does not return in a worker that has lost
    #: its run or its locks to another worker.
    confirm: Callable[[], None] = field(default=lambda: None, repr=False, compare=False)

    @property
    def repeated(self) -> bool:
        """Whether the step has begun before, or may have under another name. False only if it certainly had no effect.

        If true, look for what the step has made before you make it again.
        """
        return self.number > 1 or self.key > 1


class Steps(Protocol):
    """Runs a named step once, even across crashes, and records its result. A retryable error repeats the step."""

    def __call__(self, name: str, work: Callable[[Attempt], Json]) -> Json: ...


class Platform(Protocol):
    """The platform of the quote: stores ids that a plugin finds or makes for contacts and taxes, and has the PDF."""

    def save_external_id(self, kind: str, entity_id: str, value: str, *, slot: str = "accounting") -> None:
        """Save ``value`` on the ``contact`` or ``tax`` with this id; saving it again changes nothing."""
        ...

    def quote_pdf(self, quote: Quote) -> bytes | None:
        """Return the signed quote's PDF (20 MB at most); None if the quote has no PDF. Call it inside a step.

        Raises: RetryableError while it cannot be fetched, NeedsAttention when it never can.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file on a mail."""

    filename: str
    content: bytes = field(repr=False)
    mime_type: str = "application/pdf"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailMessage:
    """A mail to one person, as text and HTML."""

    to: str
    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)
    language: str = "en"
    from_name: str | None = None
    reply_to: str | None = None
    attachments: tuple[Attachment, ...] = ()


class Mailer(Protocol):
    """Sends a mail at most once per quote and ``name``."""

    def send(self, name: str, message: MailMessage) -> bool:
        """Send the mail; return False if a mail of this name was sent before.

        Raises: RetryableError if the mail was certainly not sent, NeedsAttention if nobody can know whether it was.
        """
        ...


class State(Protocol):
    """Small JSON values that a plugin keeps per workspace, such as its own map of ids."""

    def get(self, name: str) -> Json:
        """Return the value, or None."""
        ...

    def set(self, name: str, value: Json) -> None: ...

    def forget(self, name: str) -> None:
        """Remove the value, if there is one."""
        ...


class Secrets(Protocol):
    """Secrets that a plugin keeps per workspace, encrypted at rest."""

    def get(self, name: str) -> str | None: ...

    def set(self, name: str, value: str) -> None: ...

    def forget(self, name: str) -> None:
        """Remove the secret, if there is one."""
        ...


class Records(Protocol):
    """The records of this workspace and plugin, one per quote."""

    def get(self, quote_id: str) -> QuoteRecord | None: ...

    def update(self, quote_id: str, change: Callable[[QuoteRecord | None], QuoteRecord]) -> QuoteRecord:
        """Change the record in one transaction and return it. Call it inside a step of a run of this quote.

        The host reads the record once in a run, because nothing else changes it meanwhile.
        """
        ...

    def awaiting_payment(self, *, after: str, limit: int) -> list[str]:
        """Return the ids of quotes after ``after`` whose invoice can still be paid, drafts included, in order."""
        ...


class Pace(Protocol):
    """A rate limit, shared by everything that uses this host's database."""

    def __call__(self, name: str, *, per_second: float) -> None:
        """Wait for the next slot of this name. Call it right before the request."""
        ...


class Log(Protocol):
    """A structured logger, bound to workspace, plugin and run."""

    def info(self, event: str, **facts: Any) -> Any: ...

    def warning(self, event: str, **facts: Any) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HookContext:
    """The first argument of every hook, for one workspace and one plugin."""

    workspace: str
    plugin: str
    #: The settings with their defaults filled in and the secrets in clear: never log or return them.
    settings: Mapping[str, Any] = field(repr=False)
    clock: Clock = field(repr=False)
    log: Log = field(repr=False)
    platform: Platform = field(repr=False)
    mail: Mailer = field(repr=False)
    state: State = field(repr=False)
    secrets: Secrets = field(repr=False)
    records: Records = field(repr=False)
    step: Steps = field(repr=False)
    #: ``with ctx.lock("customer:…")``: only one of this host's runs at a time is inside the block.
    lock: Callable[[str], AbstractContextManager[None]] = field(repr=False)
    #: ``ctx.pace("charges/" + account, per_second=20)`` right before a request that a service counts.
    pace: Pace = field(repr=False)
    #: The id of the run, the same in each of its attempts; None outside a run.
    run_id: str | None = None
    #: This host's public address, without a trailing slash; None when not set.
    public_url: str | None = None

    def today(self, quote: Quote) -> date:
        """Return today's date in the quote's ``timezone``."""
        return self.clock.now().astimezone(quote.timezone).date()

    def webhook_address(self, token: str) -> str | None:
        """Return the address to which the service delivers its webhooks; None without a public address."""
        if self.public_url is None:
            return None
        return f"{self.public_url}/webhooks/{self.plugin}/{self.workspace}/{token}"
