"""Sends each mail once: records it right before and after sending, by one worker at a time."""

from __future__ import annotations

import hashlib

from ..clock import Clock
from ..contract.context import MailMessage
from ..errors import NeedsAttention, RetryableError
from ..store import holds, mails
from ..store.database import Store
from .message import build
from .transports import Transport, unsure


class RecordedMailer:
    """Implements ``context.Mailer`` for one workspace, plugin and quote."""

    def __init__(
        self, store: Store, transport: Transport, clock: Clock, workspace: str, plugin: str, quote_id: str
    ) -> None:
        self._store, self._transport, self._clock = store, transport, clock
        self._workspace, self._plugin, self._quote_id = workspace, plugin, quote_id

    def send(self, name: str, message: MailMessage) -> bool:
        name = mails.name_for(self._quote_id, name)
        hold = holds.held()
        sending = mails.Sending(
            self._workspace, self._plugin, name, self._message_id(name), epoch=hold.epoch if hold else 0
        )
        mail = build(message, sender=self._transport.sender, message_id=sending.message_id, now=self._clock.now())
        with self._store.read() as db:
            state = mails.state(db, self._workspace, self._plugin, name)
        if state == "sent":
            return False
        if state == "sending" and not self._transport.repeatable:
            raise unsure()
        try:
            # Recorded as late as possible: a process that dies before has certainly sent nothing.
            self._transport.deliver(mail, lambda: self._begin(sending))
        except (RetryableError, NeedsAttention) as error:
            self._settle(sending, error)
            raise
        with self._store.write() as db:
            sending.mark_sent(db, self._clock.now())
        return True

    def _begin(self, sending: mails.Sending) -> None:
        with self._store.write() as db:
            is_ours = sending.begin(db, self._clock.now(), again=self._transport.repeatable)
        if not is_ours:
            raise unsure()  # another worker is sending it

    def _settle(self, sending: mails.Sending, error: Exception) -> None:
        if isinstance(error, NeedsAttention) and error.code == "mail_unsure":
            return
        with self._store.write() as db:
            sending.forget(db)

    def _message_id(self, name: str) -> str:
        digest = hashlib.sha256(f"{self._workspace}|{self._plugin}|{name}".encode()).hexdigest()[:32]
        domain = self._transport.sender.rsplit("@", 1)[-1].strip("<> ") or "localhost"
        return f"<{digest}@{domain}>"
