"""From a ``MailMessage`` to the bytes that travel."""

from __future__ import annotations

from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

from ..context import MailMessage
from ..errors import NeedsAttention


def build(message: MailMessage, *, sender: str, message_id: str, now: datetime) -> EmailMessage:
    """Build the MIME message. Raises: NeedsAttention for an address that is none."""
    mail = EmailMessage()
    name, address = parseaddr(sender)
    mail["From"] = _address(address, message.from_name or name)
    mail["To"] = _address(message.to)
    if message.reply_to:
        mail["Reply-To"] = _address(message.reply_to)
    mail["Subject"] = " ".join(message.subject.split())
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = message_id
    mail["Auto-Submitted"] = "auto-generated"
    mail["Content-Language"] = message.language
    mail.set_content(message.text)
    mail.add_alternative(message.html, subtype="html")
    for file in message.attachments:
        main, sub = file.mime_type.split("/")
        mail.add_attachment(file.content, maintype=main, subtype=sub, filename=file.filename)
    return mail


def _address(spec: str, name: str = "") -> Address:
    try:
        return Address(name, addr_spec=spec)
    except (ValueError, IndexError, MessageError) as error:
        raise NeedsAttention(
            "An e-mail address is not one that mail can be sent to.",
            hint="Correct the contact's or the owner's address, then retry the run.",
            code="mail_address",
        ) from error
