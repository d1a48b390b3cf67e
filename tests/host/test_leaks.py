"""A value from a plugin that holds a secret of the workspace, in any form, is refused and not stored."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from textwrap import wrap
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwoty_integrations_host import (
    ConnectionReport,
    InvoiceRecord,
    KeyReport,
    NeedsAttention,
    Outcome,
    QuoteRecord,
    RetryableError,
    UpkeepReport,
    WebhookEvent,
)
from qwoty_integrations_host.errors import PluginContractError
from qwoty_integrations_host.observability.leaks import KnownSecrets
from written_log import written_log

TOKEN, UNIT, KEPT = "key_PlainLeak123456789", "key_UnitLeak1234567890", "h/k+ept leak é 123"
RECORD = QuoteRecord(currency="EUR")


def known_secrets(secret: str) -> KnownSecrets:
    return KnownSecrets("acme 1.0", lambda: {"api_key": secret})


def in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


FORMS: dict[str, Callable[[str], Any]] = {
    "plain": lambda secret: secret,
    "in a text": lambda secret: f"https://acme.example/?key={secret}&x=1",
    "deep inside": lambda secret: {"a": [{"b": {"c": (1, secret)}}]},
    "as a name": lambda secret: {secret: 1},
    "quoted": quote,
    "quoted whole": lambda secret: f"?key={quote(secret, safe='')}",
    "quoted for a form": lambda secret: f"?key={quote_plus(secret)}",
    "quoted in small letters": lambda secret: re.sub("%..", lambda found: found[0].lower(), quote(secret, safe="")),
    "JSON in a text": lambda secret: json.dumps({"key": secret}),
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "base64 without padding": lambda secret: base64.b64encode(secret.encode()).decode().rstrip("="),
    "base64 for addresses": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
    "as HTTP has it": lambda secret: base64.b64encode(f"user:{secret}".encode()).decode(),
    "base64 in lines, as mails have it": lambda secret: base64.encodebytes(f"{'u' * 50}:{secret}".encode()).decode(),
    "base64 in lines, as PEM has it": lambda secret: "\r\n".join(wrap(in_base64(f"{'u' * 40}:{secret}"), 64)),
    "base64 in lines, in JSON in a text": lambda secret: json.dumps("\r\n".join(wrap(in_base64(f"u:{secret}"), 9))),
    "base64, quoted": lambda secret: quote_plus(base64.b64encode(f"u:{secret}".encode()).decode()),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
@pytest.mark.parametrize("secret", [TOKEN, KEPT])
def test_a_secret_is_found_in_every_form(form: Callable[[str], Any], secret: str) -> None:
    with pytest.raises(PluginContractError, match=r"it gives back a secret: settings\.api_key"):
        known_secrets(secret).refuse({"value": form(secret)}, "it gives back")


@given(st.binary(max_size=7), st.text(min_size=8, max_size=40), st.binary(max_size=7))
def test_a_secret_is_found_at_every_offset_in_base64(before: bytes, secret: str, after: bytes) -> None:
    whole = before + secret.encode("utf-8", "surrogatepass") + after
    for text in (base64.b64encode(whole).decode(), base64.urlsafe_b64encode(whole).decode().rstrip("=")):
        with pytest.raises(PluginContractError):
            known_secrets(secret).refuse(text, "it gives back")


@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
def test_a_secret_is_removed_in_every_form_and_the_rest_stays_json(form: Callable[[str], Any]) -> None:
    text = json.dumps({"path": "C:\\new\n\\", "value": form(KEPT), "after": ["kept"]})

    left = known_secrets(KEPT).taken_out(text)

    assert json.loads(left)["after"] == ["kept"]
    known_secrets(KEPT).refuse_json(left, "it gives back")


def test_a_text_without_secrets_keeps_its_lines() -> None:
    text = json.dumps({"value": "one\ntwo\r\n"})

    assert known_secrets(TOKEN).taken_out(text) == text


def test_secrets_shorter_than_eight_characters_are_not_searched() -> None:
    known_secrets("1234567").refuse("1234567", "it gives back")
    with pytest.raises(PluginContractError):
        known_secrets("12345678").refuse("12345678", "it gives back")


def test_text_that_only_resembles_a_secret_passes() -> None:
    for harmless in (TOKEN[:-1], TOKEN.lower(), TOKEN[::-1], TOKEN[-4:], base64.b64encode(b"something else").decode()):
        known_secrets(TOKEN).refuse(harmless, "it gives back")


def by_a_step(value: Callable[[str], Any]) -> Callable[[Any], Outcome]:
    def hook(ctx: Any) -> Outcome:
        ctx.step("note", lambda _: value(ctx.settings["token"]))
        return Outcome.done()

    return hook


def _raise(error: Exception) -> Any:
    raise error


def _kept(ctx: Any) -> str:
    ctx.secrets.set("hook", KEPT)
    return KEPT


#: The values that a run can return, and their names in the error.
LEAKS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "a step": (by_a_step(lambda token: {"id": token}), "its step 'note' gives back a secret: settings.token."),
    "a step, encoded": (
        by_a_step(lambda token: base64.b64encode(f"x:{token}".encode()).decode()),
        "its step 'note' gives back a secret: settings.token.",
    ),
    "the secret of a unit": (
        lambda ctx: ctx.step("note", lambda _: ctx.settings["unit_tokens"]["bu_1"]),
        "its step 'note' gives back a secret: settings.unit_tokens.bu_1.",
    ),
    "what it keeps": (
        lambda ctx: ctx.step("note", lambda _: {"secret": _kept(ctx)}),
        "its step 'note' gives back a secret: secrets.hook.",
    ),
    "what it kept before": (
        lambda ctx: ctx.step("note", lambda _: ctx.secrets.get("old")),
        "its step 'note' gives back a secret: secrets.old.",
    ),
    "a step's name": (
        lambda ctx: ctx.step(f"note {ctx.settings['token']}", lambda _: 1),
        "it names a step by a secret: settings.token.",
    ),
    "an outcome's note": (
        lambda ctx: Outcome.done(f"Done with {ctx.settings['token']}."),
        "on_quote_accepted gives back a secret: settings.token.",
    ),
    "an outcome's result": (
        lambda ctx: Outcome.done(result={"deep": [quote(ctx.settings["token"])]}),
        "on_quote_accepted gives back a secret: settings.token.",
    ),
    "the state": (
        lambda ctx: ctx.step("note", lambda _: ctx.state.set("key", {"of": ctx.settings["token"]})),
        "it puts into its state a secret: settings.token.",
    ),
    "the state's name": (
        lambda ctx: ctx.step("note", lambda _: ctx.state.set(ctx.settings["token"], 1)),
        "it puts into its state a secret: settings.token.",
    ),
    "the name of a secret": (
        lambda ctx: ctx.step("note", lambda _: ctx.secrets.set(ctx.settings["token"], "12345678")),
        "it names a secret by a secret: settings.token.",
    ),
    "the record": (
        lambda ctx: ctx.step("note", lambda _: _into_the_record(ctx)),
        "it puts into its record a secret: settings.token.",
    ),
}


def _into_the_record(ctx: Any) -> None:
    invoice = InvoiceRecord(id="in_1", status="open", account=ctx.settings["token"])
    ctx.records.update("q-7", lambda _: QuoteRecord(currency="EUR", invoice=invoice, total=Decimal(1)))


def in_files(desk: Any) -> list[str]:
    folder: Path = desk.host.config.data_dir
    forms = [form for secret in (TOKEN, UNIT, KEPT) for form in (secret, quote(secret))]
    forms += [base64.b64encode(f"x:{TOKEN}".encode()).decode()]
    return [
        path.name
        for path in folder.rglob("*")
        if path.is_file() and any(form.encode() in path.read_bytes() for form in forms)
    ]


@pytest.mark.parametrize(("leaks", "said"), LEAKS.values(), ids=list(LEAKS))
def test_a_leak_ends_the_run_as_the_plugins_bug_and_is_never_stored(
    desk: Any, monkeypatch: pytest.MonkeyPatch, leaks: Any, said: str
) -> None:
    desk.enable(token=TOKEN, unit_tokens={"bu_1": UNIT})
    desk.host.integrations.contexts.make("ws-1", "recorder", {}).secrets.set("old", "an old secret of before")
    desk.host.integrations.contexts.kept.clear()
    desk.recorder.answers["on_quote_accepted"] = lambda ctx, _: leaks(ctx) or Outcome.done()

    with written_log(monkeypatch) as written:
        run = desk.accept()

    assert (run["status"], run["error"]["code"]) == ("failed", "plugin_bug")
    assert "has a bug" not in desk.host.catalogs.say(run["error"]["title"], "fr", "recorder")
    assert run["error"]["title"] == f"The integration fake-recorder 1.0 has a bug: {said}"
    recorded = json.dumps([run, written()], default=str)
    assert [secret for secret in (TOKEN, UNIT, "an old secret") if secret in recorded] == []
    assert in_files(desk) == []


@pytest.mark.parametrize(
    "error",
    [NeedsAttention, RetryableError, ValueError],
    ids=lambda kind: kind.__name__,
)
@pytest.mark.parametrize("inside", [True, False], ids=["in a step", "in the hook"])
def test_an_error_is_recorded_without_the_secret_in_a_services_answer(
    desk: Any, monkeypatch: pytest.MonkeyPatch, error: type[Exception], inside: bool
) -> None:
    desk.enable(token=TOKEN)

    def hook(ctx: Any, _quote: Any) -> Outcome:
        problem = error(f"No {ctx.settings['token']}, {quote('é/' + ctx.settings['token'])}.")
        return ctx.step("note", lambda _: _raise(problem)) if inside else _raise(problem)

    desk.recorder.answers["on_quote_accepted"] = hook

    with written_log(monkeypatch) as written:
        run = desk.accept()

    assert run["error"]["title"]
    assert TOKEN not in json.dumps([run, written()], default=str)
    assert in_files(desk) == []


def test_a_hooks_log_lines_hold_none_of_its_secrets(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.enable(token=TOKEN)

    def hook(ctx: Any, _quote: Any) -> Outcome:
        ctx.secrets.set("hook", KEPT)
        ctx.log.info("asking", address=f"https://acme.example/?key={ctx.settings['token']}", with_it=[KEPT])
        return Outcome.done()

    desk.recorder.answers["on_quote_accepted"] = hook

    with written_log(monkeypatch) as written:
        assert desk.accept()["status"] == "succeeded"

    assert "https://acme.example/?key=…" in written()
    assert [secret for secret in (TOKEN, KEPT, json.dumps(KEPT)[1:-1]) if secret in written()] == []


def test_a_secret_in_the_result_of_a_connection_test_or_an_upkeep_is_refused(desk: Any) -> None:
    desk.enable(token=TOKEN)
    key = KeyReport(label=TOKEN, last4=TOKEN[-4:], mode="test", account="main", status="ok")
    desk.recorder.answers["check_connection"] = lambda _, __: ConnectionReport((key,))
    event = WebhookEvent("e-1", "ping", {"signed with": TOKEN})
    report = UpkeepReport(Outcome.skipped("Nothing."), (event,))
    desk.recorder.answers["on_upkeep"] = lambda _, __: report

    with pytest.raises(PluginContractError, match=r"check_connection gives back a secret: settings\.token"):
        desk.host.connections.test("ws-1", "recorder")
    run_id = desk.host.upkeep.request_for("ws-1", "recorder")
    desk.work()
    assert "on_upkeep gives back a secret: settings.token." in desk.run(run_id)["error"]["title"]
    assert desk.count("webhook_deliveries") == 0
    assert in_files(desk) == []


def test_a_plugin_may_store_its_secret_as_state_and_secrets_of_others_do_not_matter(desk: Any) -> None:
    desk.enable(token=TOKEN)
    desk.enable("ws-2", token=UNIT)

    def hook(ctx: Any, _quote: Any) -> Outcome:
        ctx.step("keep", lambda _: ctx.secrets.set("hook", KEPT))
        # A secret of another workspace only.
        ctx.step("note", lambda _: [UNIT, ctx.settings["token"][-4:]])
        return Outcome.done()

    desk.recorder.answers["on_quote_accepted"] = hook

    assert desk.accept()["status"] == "succeeded"
    assert desk.host.integrations.contexts.make("ws-1", "recorder", {}).secrets.get("hook") == KEPT
