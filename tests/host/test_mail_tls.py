"""A mail server gets mails only after it proved its identity, and a password only over TLS."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP

from certificates import Authority
from mail_server import Server, serving
from qwoty_integrations_host import MailMessage, Outcome
from qwoty_integrations_host.doctor import examine
from qwoty_integrations_host.errors import HostError
from qwoty_integrations_host.mail.transports import SmtpTransport

FROM = "shop@seller.example"
STARTTLS, TLS, PLAIN = "smtp://", "smtps://", ""


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """A certificate authority that this host trusts."""
    ours = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(ours.path))
    return ours


@pytest.fixture
def serves() -> Iterator[Callable[[str, ssl.SSLContext | None], Server]]:
    """A function that starts a mail server, with TLS as the URL's scheme requires."""
    with ExitStack() as stack:

        def start(scheme: str, context: ssl.SSLContext | None) -> Server:
            way = {STARTTLS: "starttls", TLS: "tls"}.get(scheme)
            return stack.enter_context(serving(**({way: context} if way else {})))

        yield start


def mailing(desks: Any, url: str) -> Any:
    """A desk whose runs send one mail."""

    def hook(ctx: Any, _quote: Any) -> Outcome:
        ctx.step(
            "mail",
            lambda _: ctx.mail.send(
                "mail:1", MailMessage(to="ana@buyer.example", subject="S", text="T", html="<p>T</p>", language="en")
            ),
        )
        return Outcome.done()

    desk = desks(smtp_url=url, mail_from=FROM)
    desk.recorder.answers["on_quote_accepted"] = hook
    desk.enable()
    return desk


def of_mail(desk: Any) -> tuple[str, str]:
    (found,) = [one for one in examine(desk.host) if one.about == "mail"]
    return found.state, found.detail


@pytest.mark.parametrize(("scheme", "said"), [(STARTTLS, "STARTTLS"), (TLS, "TLS from the start")])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_password_goes_to_a_server_with_a_trusted_certificate(
    desks: Any, serves: Any, authority: Authority, scheme: str, said: str, host: str
) -> None:
    server = serves(scheme, authority.serves(host))
    desk = mailing(desks, f"{scheme}shop:secret@{host}:{server.port}")

    assert of_mail(desk) == ("ok", f"{host}:{server.port} takes mails from {FROM}, with {said}.")
    assert desk.accept()["status"] == "succeeded"
    assert server.logins == [True, True]
    assert len(server.taken) == 1


def test_a_mail_server_on_this_machine_may_be_used_without_tls(desks: Any, mail_server: Server) -> None:
    desk = mailing(desks, f"smtp://localhost:{mail_server.port}?tls=none")

    assert of_mail(desk) == (
        "ok",
        f"localhost:{mail_server.port} takes mails from {FROM}, with no TLS, on this machine.",
    )
    assert desk.accept()["status"] == "succeeded"
    assert (len(mail_server.taken), mail_server.logins) == (1, [])


@pytest.mark.parametrize("user", ["", "shop:CanaryPassword@"])
@pytest.mark.parametrize("refuses", [False, True], ids=["not offered", "refused"])
def test_a_server_without_starttls_gets_neither_password_nor_mail(
    desks: Any,
    serves: Any,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    refuses: bool,
    user: str,
) -> None:
    if refuses:

        async def smtp_starttls(server: SMTP, _: str) -> None:
            await server.push("454 TLS is not available")

        monkeypatch.setattr(SMTP, "smtp_STARTTLS", smtp_starttls)
    server = serves(STARTTLS if refuses else PLAIN, authority.serves("127.0.0.1"))
    desk = mailing(desks, f"smtp://{user}127.0.0.1:{server.port}")

    run = desk.accept()

    assert (run["status"], run["error"]["code"]) == ("waiting", "mail_no_tls")
    assert "smtps://" in run["error"]["hint"] and "?tls=none" in run["error"]["hint"]
    assert of_mail(desk) == ("failed", "The mail server offers no STARTTLS, so it was sent nothing.")
    assert (server.taken, server.connections, server.logins) == ([], 0, [])
    assert desk.count("mails") == 0, "the mail certainly did not leave"


@pytest.mark.parametrize("scheme", [STARTTLS, TLS])
@pytest.mark.parametrize("flaw", ["another name", "run out", "an unknown authority"])
def test_a_server_with_an_untrusted_certificate_gets_neither_password_nor_mail(
    desks: Any, serves: Any, authority: Authority, tmp_path: Path, scheme: str, flaw: str
) -> None:
    (tmp_path / "other").mkdir()
    signer = Authority(tmp_path / "other") if flaw == "an unknown authority" else authority
    name = "127.0.0.2" if flaw == "another name" else "127.0.0.1"
    server = serves(scheme, signer.serves(name, days_left=-1 if flaw == "run out" else 1))
    desk = mailing(desks, f"{scheme}shop:CanaryPassword@127.0.0.1:{server.port}")

    run = desk.accept()

    assert (run["status"], run["error"]["code"]) == ("waiting", "mail_certificate")
    assert of_mail(desk) == (
        "failed",
        "The mail server's certificate is not valid for its name, so it was sent nothing.",
    )
    assert (server.taken, server.connections, server.logins) == ([], 0, [])


def test_a_waiting_mail_leaves_once_the_server_offers_tls(desks: Any, serves: Any, authority: Authority) -> None:
    server = serves(STARTTLS, authority.serves("127.0.0.2"))
    desk = mailing(desks, f"smtp://127.0.0.1:{server.port}")
    run = desk.accept()
    mended = serves(STARTTLS, authority.serves("127.0.0.1"))
    desk.host.transport._port = mended.port

    assert desk.retry(run["id"])["status"] == "succeeded"
    assert (len(server.taken), len(mended.taken)) == (0, 1)


def test_a_login_that_is_refused_needs_attention_and_never_shows_the_password(
    desks: Any, serves: Any, authority: Authority
) -> None:
    server = serves(STARTTLS, authority.serves("127.0.0.1"))
    server.be("535 login")
    desk = mailing(desks, f"smtp://shop:CanaryPassword@127.0.0.1:{server.port}")

    run = desk.accept()

    assert "Canary" not in str(run) + repr(desk.host.config)
    assert (run["status"], run["error"]["code"]) == ("needs_attention", "mail_refused")
    assert server.taken == []
    assert server.logins and all(server.logins)


@pytest.mark.parametrize(
    "url",
    [
        "smtp://mail.example?tls=none",
        "smtp://10.0.0.5?tls=none",
        "smtp://localhost.example?tls=none",
        "smtp://127.0.0.1.example?tls=none",
        "smtp://0.0.0.0?tls=none",
        "smtps://127.0.0.1?tls=none",
        "smtp://shop:secret@127.0.0.1?tls=none",
        "smtp://127.0.0.1?tls=maybe",
        "smtp://127.0.0.1?starttls=off",
        "smtp://127.0.0.1?tls=none&tls=none",
    ],
)
def test_a_mail_url_that_could_bypass_tls_stops_the_start(url: str) -> None:
    with pytest.raises(HostError) as refused:
        SmtpTransport(url, FROM)

    assert refused.value.title.startswith("QWOTY_HOST_SMTP_URL ends in ")
    assert "secret" not in refused.value.title + refused.value.hint
    assert "smtps://" in refused.value.hint and "?tls=none" in refused.value.hint


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "[::1]", "localhost"])
def test_every_name_of_this_machine_allows_a_mail_server_without_tls(host: str) -> None:
    assert SmtpTransport(f"smtp://{host}:25?tls=none", FROM).sender == FROM
