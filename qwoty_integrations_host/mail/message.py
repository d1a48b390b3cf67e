"""From a ``MailMessage`` to the bytes that travel."""

from __future__ import annotations

import re
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
    mail["Subject"] = _one_line(message.subject)
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = message_id
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text)
    mail.add_alternative(message.html, subtype="html")
    for file in message.attachments:
        main, sub = file.mime_type.split("/")
        mail.add_attachment(file.content, maintype=main, subtype=sub, filename=_one_line(file.filename))
    mail["Content-Language"] = message.language  # last: what is added to a mail takes its Content- headers along
    return mail


def is_address(spec: str) -> bool:
    """Whether mail can be sent to an address."""
    try:
        _address(spec)
    except NeedsAttention:
        return False
    return True


def _one_line(text: str) -> str:
    # Only what breaks a line or controls a terminal goes: the blanks inside an amount are meant.
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text).strip()


def _address(spec: str, name: str = "") -> Address:
    try:
        return Address(_one_line(name), addr_spec=spec)
    except (ValueError, IndexError, MessageError) as error:
        raise NeedsAttention(
            "An e-mail address is not one that mail can be sent to.",
            hint="Correct the contact's or the owner's address, then retry the run.",
            code="mail_address",
        ) from error
