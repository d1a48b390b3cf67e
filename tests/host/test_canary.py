"""A fake key is planted in every place that can hold a key. It appears only where it was meant to go."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner

from builders import a_quote
from host_server import served
from qwoty_integrations_host import (
    ConnectionReport,
    CredentialsError,
    KeyReport,
    NeedsAttention,
    Outcome,
    PermanentError,
    RetryableError,
)
from qwoty_integrations_host.cli import main
from written_log import written_log

CANARY = "sk_test_CanaryABCDEFGH0123456789"


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """What the host writes to stderr."""
    with written_log(monkeypatch) as written:
        yield written


def test_a_planted_key_appears_nowhere(desk: Any, log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    received: list[str] = []

    def careless(ctx: Any, _quote: Any) -> Outcome:
        received.append(ctx.settings["token"])
        ctx.log.info("careless", token=CANARY, nested={"list": [CANARY]})
        logging.getLogger("qwoty").warning("careless too: %s", CANARY, extra={"plugin": CANARY})
        ctx.secrets.set("kept", CANARY)
        try:
            ctx.step("unlucky", lambda _: _fail(RetryableError("The service is away.")))
        finally:
            _fail(ValueError(f"cannot use {CANARY}"))
        return Outcome.done()

    desk.recorder.answers["on_quote_accepted"] = careless
    desk.enable(token=CANARY, unit_tokens={"bu_1": CANARY})
    seen = [json.dumps(desk.host.settings.show("ws-1", "recorder"))]
    with served(desk.host) as url:
        key = {"Authorization": f"Bearer {desk.api_key()}"}
        address = f"{url}/v1/workspaces/ws-1/quotes/accepted"
        seen.append(requests.post(address, json=a_quote(), headers=key, timeout=10).text)
        desk.work()
        seen.append(requests.post(address, json=a_quote(id="q-8", currency=CANARY), headers=key, timeout=10).text)
        seen.append(
            requests.post(address, json=a_quote(), headers={"Authorization": f"Bearer {CANARY}"}, timeout=10).text
        )
        for body in (CANARY, json.dumps({"id": "e", "type": CANARY})):
            hook = f"{url}/webhooks/recorder/ws-1/right"
            seen.append(requests.post(hook, data=body, headers={"X-Signature": CANARY}, timeout=10).text)
        desk.recorder.answers["authenticate_webhook"] = lambda _ctx, _request: _fail(KeyError(CANARY))
        seen.append(requests.post(hook, data="{}", timeout=10).text)
        for watched in ("/metrics", "/health/ready", f"/{CANARY}"):
            seen.append(requests.get(url + watched, headers={"X-Request-Id": CANARY}, timeout=10).text)
    folder: Path = desk.host.config.data_dir
    monkeypatch.setenv("QWOTY_PLUGINS_BLOCKED", ",".join(desk.host.config.plugins_blocked))
    settings = folder / "settings.txt"
    settings.write_text(json.dumps({"token": f"x{CANARY}", "mode": CANARY, "unit_tokens": {CANARY: CANARY}}))
    for words in (
        ["settings", "set", "ws-1", "recorder", "--file", str(settings)],
        ["settings", "show", "ws-1", "recorder", "--json"],
        ["run", "list", "--json"],
        ["quote", "show", "ws-1", "q-7"],
        ["plugin", "list"],
        ["doctor"],
        ["secrets", "rotate-key"],
    ):
        found = CliRunner().invoke(main, ["--data-dir", str(folder), *words])
        assert found.exception is None or isinstance(found.exception, SystemExit)
        seen.append(found.output)
    settings.unlink()

    assert received == [CANARY], "the plugin itself gets the key"
    assert [text for text in seen if "Canary" in text] == []
    assert "careless" in log()
    assert "cannot use …" in log()
    assert "Canary" not in log()
    assert [p.name for p in folder.rglob("*") if p.is_file() and b"CanaryABC" in p.read_bytes()] == []


REFUSED = KeyReport(
    label="key",
    last4="0001",
    mode="test",
    account="main",
    status="refused",
    code="no",
    title=f"No {CANARY}",
    hint=CANARY,
)


@pytest.mark.parametrize(
    "ends",
    [
        lambda _: _fail(PermanentError(f"Refused {CANARY}", hint=CANARY)),
        lambda ctx: ctx.step("s", lambda _: _fail(NeedsAttention(f"Refused {CANARY}", hint=f"see\n{CANARY}"))),
        lambda ctx: ctx.step("s", lambda _: _fail(RetryableError(CANARY))),
        lambda _: _fail(CredentialsError(CANARY)),
        lambda _: Outcome.needs_attention("no", f"Refused {CANARY}", CANARY, hint=CANARY),
        lambda _: Outcome.done(CANARY, result={"raw": [CANARY]}),
        lambda _: Outcome.skipped(CANARY),
    ],
)
def test_a_key_in_a_services_message_goes_no_further(desk: Any, log: Any, ends: Any) -> None:
    desk.recorder.answers["on_quote_accepted"] = lambda ctx, _quote: ends(ctx)
    desk.recorder.answers["check_connection"] = lambda _ctx, _request: ConnectionReport((REFUSED,), (CANARY,))
    desk.enable()
    desk.host.alert_recipients.replace("ws-1", {"mails": ["ana@seller.example"]})

    run = desk.accept()
    desk.host.connections.test("ws-1", "recorder")
    desk.host.alert_delivery.deliver()

    assert run["status"] != "queued"
    shown = [run, desk.host.connections.show("ws-1", "recorder"), desk.host.alert_recipients.show("ws-1")]
    assert "Canary" not in json.dumps(shown) + log()
    folder: Path = desk.host.config.data_dir
    assert [p.name for p in folder.rglob("*") if p.is_file() and b"CanaryABC" in p.read_bytes()] == []


def _fail(error: Exception) -> Any:
    raise error
