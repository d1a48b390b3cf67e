"""The mail transports: SMTP, or files in the outbox folder (the default)."""

from __future__ import annotations

import hashlib
import os
import smtplib
import ssl
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Literal, Protocol
from urllib.parse import SplitResult, unquote, urlsplit

from ..errors import HostError, NeedsAttention, RetryableError
from ..network.addresses import is_loopback

_TIMEOUT = 30.0
#: The hints, by what the server refused.
_RECIPIENT = "Correct the e-mail address in Qwoty and accept the quote again, then retry the run."
_ITS_URL = "Correct QWOTY_HOST_SMTP_URL and restart the host, then retry the run."
_ITS_LOG = "The mail server's log says why. Mend that, then retry the run."
_ITS_TLS = (
    "Let it offer STARTTLS, or write smtps:// in QWOTY_HOST_SMTP_URL where it speaks TLS from the start. "
    "Only for a server on this machine the URL may end in ?tls=none."
)
_ITS_CERTIFICATE = (
    "Name the server in QWOTY_HOST_SMTP_URL as its certificate does, or renew the certificate. "
    "Where an authority of your own signed it, SSL_CERT_FILE names that one's file."
)


class Transport(Protocol):
    """Sends a MIME message. ``repeatable``: sending the same Message-ID again makes no second mail."""

    repeatable: bool
    sender: str

    def deliver(self, mail: EmailMessage, leaving: Callable[[], None]) -> None:
        """Send a mail, and call ``leaving`` right before the first moment at which it may have been sent.

        Raises: RetryableError (not sent), NeedsAttention (refused, or not known whether it was sent).
        """
        ...


class OutboxTransport:
    """Writes ``.eml`` files. The file's name is derived from the Message-ID, so a repeated mail replaces its file."""

    repeatable = True

    def __init__(self, folder: Path, sender: str) -> None:
        self.sender = sender
        self._folder = folder

    def deliver(self, mail: EmailMessage, leaving: Callable[[], None]) -> None:
        leaving()
        name = hashlib.sha256(str(mail["Message-ID"]).encode()).hexdigest()[:20] + ".eml"
        try:
            self._write(name, mail.as_bytes())
        except OSError as error:
            raise RetryableError(f"The outbox cannot be written: {error.strerror}.", code="mail_unreachable") from error

    def _write(self, name: str, content: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        draft = self._folder / (name + ".part")
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._folder / name)


class SmtpTransport:
    """Sends to ``smtp://[user:password@]host[:port]`` (STARTTLS), or ``smtps://…`` (implicit TLS).

    TLS is required, except for a server on this machine whose URL ends in ``?tls=none``.
    """

    repeatable = False

    def __init__(self, url: str, sender: str) -> None:
        """Raises: HostError, which names the setting, for an invalid URL or one that would send without TLS."""
        parts = urlsplit(url)
        if parts.scheme not in {"smtp", "smtps"} or not parts.hostname or not _has_port_or_none(parts):
            raise _wrong("is not an address of a mail server")
        self.sender = sender
        self._host = parts.hostname
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._tls = _tls(parts)
        self._port = parts.port or (465 if self._tls == "TLS from the start" else 25)

    def deliver(self, mail: EmailMessage, leaving: Callable[[], None]) -> None:
        try:
            server = self._connect()
        except (OSError, smtplib.SMTPException) as error:
            raise _unreachable(error) from error
        server.leaving = leaving
        with _QuitOnExit(server):
            self._greet(server)
            self._hand_over(server, mail)

    def check(self) -> str:
        """Connect, log in and quit; return a sentence about the server. Raises: RetryableError, NeedsAttention."""
        try:
            server = self._connect()
        except (OSError, smtplib.SMTPException) as error:
            raise _unreachable(error) from error
        with _QuitOnExit(server):
            self._greet(server)
        return f"{self._host}:{self._port} takes mails from {self.sender}, with {self._tls}"

    def _connect(self) -> _Line:
        if self._tls == "TLS from the start":
            # The default context verifies the certificate and its host name.
            context = ssl.create_default_context()
            return _TlsLine(self._host, self._port, timeout=_TIMEOUT, context=context)
        return _Line(self._host, self._port, timeout=_TIMEOUT)

    def _greet(self, server: smtplib.SMTP) -> None:
        try:
            server.ehlo_or_helo_if_needed()
            if self._tls == "STARTTLS":
                _start_tls(server)
            if self._user:
                server.login(self._user, self._password)
        except smtplib.SMTPAuthenticationError as error:
            raise _refused(error.smtp_code, "The mail server refused the login.", hint=_ITS_URL) from error
        except smtplib.SMTPNotSupportedError as error:
            # Retrying would not help: QWOTY_HOST_SMTP_URL has a user.
            raise _refused(550, "The mail server offers no login.", hint=_ITS_URL) from error
        except (OSError, smtplib.SMTPException) as error:
            raise _unreachable(error) from error

    def _hand_over(self, server: _Line, mail: EmailMessage) -> None:
        try:
            server.send_message(mail)
        except smtplib.SMTPRecipientsRefused as error:
            code = next(iter(error.recipients.values()))[0]
            raise _refused(code, "The mail server refused the recipient.", hint=_RECIPIENT) from error
        except smtplib.SMTPResponseException as error:
            raise _refused(error.smtp_code, "The mail server refused the mail.", hint=_ITS_LOG) from error
        except smtplib.SMTPNotSupportedError as error:
            raise _refused(550, "The mail server cannot send to an address of this kind.", hint=_RECIPIENT) from error
        except (OSError, smtplib.SMTPException) as error:
            if not server.handing_over:
                raise _unreachable(error) from error
            # The connection broke while the mail was transferred: it may have been sent or not.
            raise unsure() from error


class _Line(smtplib.SMTP):
    """An SMTP connection that knows whether the mail itself was being transferred when it broke."""

    handing_over = False
    leaving: Callable[[], None]

    def data(self, msg: Any) -> tuple[int, bytes]:
        self.leaving()
        self.handing_over = True
        return super().data(msg)


class _TlsLine(_Line, smtplib.SMTP_SSL):
    """The same with implicit TLS."""


def _start_tls(server: smtplib.SMTP) -> None:
    # A man in the middle can remove the offer of STARTTLS: without it nothing is sent, least of all the password.
    if not server.has_extn("starttls"):
        raise _no_tls()
    try:
        server.starttls(context=ssl.create_default_context())
    except smtplib.SMTPResponseException as error:
        raise _no_tls() from error


def _no_tls() -> RetryableError:
    return RetryableError(
        "The mail server offers no STARTTLS, so it was sent nothing.", hint=_ITS_TLS, code="mail_no_tls"
    )


def _unreachable(error: Exception) -> RetryableError:
    if isinstance(error, ssl.SSLCertVerificationError):
        title = "The mail server's certificate is not valid for its name, so it was sent nothing."
        return RetryableError(title, hint=_ITS_CERTIFICATE, code="mail_certificate")
    return RetryableError("The mail server cannot be reached.", code="mail_unreachable")


def _tls(parts: SplitResult) -> Literal["TLS from the start", "STARTTLS", "no TLS, on this machine"]:
    if not parts.query:
        return "TLS from the start" if parts.scheme == "smtps" else "STARTTLS"
    if parts.query != "tls=none" or parts.scheme == "smtps":
        raise _wrong("ends in something that is not understood")
    if not is_loopback(parts.hostname or ""):
        raise _wrong("ends in ?tls=none, which is for a server on this machine only")
    if parts.username or parts.password:
        raise _wrong("ends in ?tls=none, but has a user or a password, which are never sent without TLS")
    return "no TLS, on this machine"


def _wrong(why: str) -> HostError:
    return HostError(
        f"QWOTY_HOST_SMTP_URL {why}.",
        hint="It reads smtp://user:password@host:587 (STARTTLS) or smtps://user:password@host:465; "
        "without TLS, on this machine alone: smtp://127.0.0.1:25?tls=none",
        code="config",
    )


def _has_port_or_none(parts: SplitResult) -> bool:
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False


def unsure() -> NeedsAttention:
    """Return the error for a mail that may have been sent: no mail is better than two."""
    return NeedsAttention(
        "It is not known whether the mail left: the connection or the host died in that moment.",
        hint="Ask the recipient or look into the mail server's log. Retry the run to send it again.",
        code="mail_unsure",
    )


def _refused(code: int, title: str, *, hint: str) -> RetryableError | NeedsAttention:
    if 400 <= code < 500:
        return RetryableError(title, code="mail_deferred")
    return NeedsAttention(title, hint=hint, code="mail_refused")


class _QuitOnExit:
    """Quits the connection; an error of QUIT does not hide an earlier error."""

    def __init__(self, server: smtplib.SMTP) -> None:
        self._server = server

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        try:
            self._server.quit()
        except (OSError, smtplib.SMTPException):
            self._server.close()
