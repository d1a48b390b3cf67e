"""Builds the MIME message of a ``MailMessage``."""

from __future__ import annotations

import re
from datetime import datetime
from email.errors import MessageError
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime, parseaddr
from typing import Any

from ..contract.context import MailMessage
from ..contract.visible_text import visible
from ..errors import NeedsAttention
from .address import mail_address

#: RFC 5322: a line must not exceed 998 characters, and should not exceed 78.
_MOST, _SHOULD = 998, 76


class _Wire(EmailPolicy):
    """The standard library's policy, except that the From header is not folded within a quoted name.

    The standard folding drops the quotes of a long name, so that each comma in it begins another sender. Some mail
    programs end a quoted name at a fold. So the name stays on one line, or is sent as encoded words (RFC 2047).
    """

    def fold(self, name: str, value: Any) -> str:
        if name != "From":
            return str(super().fold(name, value))
        line = f"{name}: {value}"
        if not line.isascii() or len(line) > _MOST:
            (sender,) = value.addresses
            words = Header(sender.display_name, "utf-8", _SHOULD, name).encode(linesep=self.linesep)
            line = f"{name}: {words}{self.linesep} <{sender.addr_spec}>"
        return line + self.linesep

    def fold_binary(self, name: str, value: Any) -> bytes:
        return self.fold(name, value).encode("ascii") if name == "From" else super().fold_binary(name, value)


#: Lines end in CRLF, as SMTP requires.
WIRE = _Wire(linesep="\r\n")


def build(message: MailMessage, *, sender: str, message_id: str, now: datetime) -> EmailMessage:
    """Return the MIME message. Raises: NeedsAttention for an invalid address."""
    mail = EmailMessage(policy=WIRE)
    name, address = parseaddr(sender)
    mail["From"] = _sender(_one_line(message.from_name or name), address)
    mail["To"] = mail_address(message.to)
    if message.reply_to:
        mail["Reply-To"] = mail_address(message.reply_to)
    mail["Subject"] = _one_line(message.subject)
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = message_id
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(visible(message.text))
    mail.add_alternative(visible(message.html), subtype="html")
    for file in message.attachments:
        main, sub = file.mime_type.split("/")
        mail.add_attachment(file.content, maintype=main, subtype=sub, filename=_one_line(file.filename))
    mail["Content-Language"] = message.language  # last: adding a part would move it there
    return mail


def _one_line(text: str) -> str:
    # Replaces line breaks and control characters only: special blanks within an amount are intended.
    return visible(re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text).strip())


def _sender(name: str, address: str) -> Address:
    # Less strict than for recipients: the operator's own mail server decides which senders it takes.
    try:
        return Address(name, addr_spec=address)
    except (ValueError, IndexError, MessageError) as error:
        raise NeedsAttention(
            "The sender of mails is not an e-mail address.",
            hint="Correct QWOTY_HOST_MAIL_FROM and restart the host, then retry the run.",
            code="mail_address",
        ) from error
