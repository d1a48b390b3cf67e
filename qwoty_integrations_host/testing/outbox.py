"""The sent mails: a host without an SMTP server writes them into its outbox folder."""

from __future__ import annotations

from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Outbox:
    """The outbox of one host."""

    folder: Path

    @property
    def mails(self) -> list[EmailMessage]:
        """All mails, oldest first."""
        files = sorted(self.folder.glob("*.eml"), key=lambda file: (file.stat().st_mtime_ns, file.name))
        return [message_from_bytes(file.read_bytes(), policy=default) for file in files]

    def to(self, address: str) -> list[EmailMessage]:
        """Return the mails to one address, oldest first."""
        return [mail for mail in self.mails if address in str(mail["To"])]

    def __len__(self) -> int:
        return len(list(self.folder.glob("*.eml")))
