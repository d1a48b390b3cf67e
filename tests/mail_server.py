"""A real mail server on loopback. A test chooses how it behaves, and reads the mails that it took."""

from __future__ import annotations

import asyncio
import email
import email.policy
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

#: Longer than a test lets the host wait for an answer.
HANGING_SECONDS = 1.5


class Server:
    """One mail server. Its mood stays, or lasts for ``mails_in_mood`` mails."""

    def __init__(self) -> None:
        self.taken: list[Any] = []
        self.connections = 0
        self.mood = ""
        self.mails_in_mood = 0
        self.port = 0
        #: For each attempt to log in, whether the connection was encrypted.
        self.logins: list[bool] = []

    def be(self, mood: str, *, mails: int = 0) -> None:
        self.mood, self.mails_in_mood = mood, mails

    @property
    def message_ids(self) -> list[str]:
        """The message ids of the mails that the server took, in order."""
        return [str(parsed(envelope)["Message-ID"]) for envelope in self.taken]

    async def handle_MAIL(self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802
        self.connections += 1
        session.mood = self._mood()
        if session.mood == "cut before data":
            server.transport.abort()
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, _server: SMTP, session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802
        if session.mood in {"550 rcpt", "450 rcpt"}:
            return f"{session.mood[:3]} not this one"
        if session.mood == "hang before data":
            await asyncio.sleep(HANGING_SECONDS)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:  # noqa: N802
        if session.mood in {"554 data", "451 data"}:
            return f"{session.mood[:3]} not now"
        self.taken.append(envelope)
        if session.mood == "cut in data":
            server.transport.abort()
        if session.mood == "hang in data":
            await asyncio.sleep(HANGING_SECONDS)
        return "250 taken"

    def _mood(self) -> str:
        now = self.mood
        if self.mails_in_mood:
            self.mails_in_mood -= 1
            self.mood = self.mood if self.mails_in_mood else ""
        return now


def mailing_through(server: Server, sender: str = "shop@seller.example") -> dict[str, Any]:
    """The host's settings for mail through this server."""
    return {"smtp_url": f"smtp://127.0.0.1:{server.port}?tls=none", "mail_from": sender}


def parsed(envelope: Any) -> Any:
    return email.message_from_bytes(envelope.original_content, policy=email.policy.default)


@contextmanager
def serving(*, starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """A mail server that accepts any login. It offers STARTTLS, or uses TLS from the start, with the given context."""
    handler = Server()
    with socket.create_server(("127.0.0.1", 0)) as free:
        handler.port = free.getsockname()[1]

    def authenticator(_server: SMTP, session: Any, *_: Any) -> AuthResult:
        handler.logins.append(tls is not None or session.ssl is not None)
        return AuthResult(success=handler.mood != "535 login", handled=False)

    controller = Controller(
        handler,
        hostname="127.0.0.1",
        port=handler.port,
        enable_SMTPUTF8=False,
        tls_context=starttls,
        ssl_context=tls,
        authenticator=authenticator,
        auth_require_tls=False,  # the host itself must refuse to send a password without TLS
    )
    controller.start()
    yield handler
    controller.stop()


@pytest.fixture
def mail_server() -> Iterator[Server]:
    with serving() as server:
        yield server
