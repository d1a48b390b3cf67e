"""Errors over HTTP: always RFC 9457, with a pointer for each wrong field, and without the sent values."""

from __future__ import annotations

from typing import Any

import pytest

from builders import a_quote
from host.conftest import TOKEN
from host.test_cli_sentences import BAD_JSON, NAMES

CANARY = "sk_test_CanaryABCDEFGH0123456789"
SETTINGS = "/ws-1/plugins/recorder/settings"

CASES = [
    # method, path, body, status, code, pointers
    ("GET", "/ws-1/nowhere", None, 404, None, None),
    ("PATCH", "/ws-1/runs", None, 405, None, None),
    ("GET", "/ws-1/runs/unknown", None, 404, "not_found", None),
    ("GET", "/ws-1/quotes/unknown", None, 404, "not_found", None),
    ("GET", "/ws-1/quotes/unknown/installments", None, 404, "not_found", None),
    ("POST", "/ws-1/quotes/unknown/installments/send", {}, 404, "not_found", None),
    ("POST", "/ws-1/runs/unknown/retry", None, 404, "not_found", None),
    ("POST", "/ws-1/webhooks/deliveries/recorder/unknown/replay", None, 404, "not_found", None),
    ("GET", "/ws-1/plugins/unknown/settings", None, 404, "not_found", None),
    ("PUT", "/ws-1/plugins/unknown/settings", {}, 404, "not_found", None),
    ("GET", "/v1/plugins/unknown", None, 404, "not_found", None),
    ("GET", "/v1/plugins/exits/settings-schema", None, 404, "not_found", None),
    ("PUT", SETTINGS, b"", 400, "malformed_input", []),
    ("PUT", SETTINGS, b"{", 400, "malformed_input", []),
    ("PUT", SETTINGS, b"[]", 422, "invalid_input", []),
    ("PUT", SETTINGS, {"token": CANARY[3:]}, 422, "invalid_settings", ["/token"]),
    ("PUT", SETTINGS, {"mode": CANARY, "token": TOKEN}, 422, "invalid_settings", ["/mode"]),
    ("PUT", SETTINGS, {CANARY: 1, "token": TOKEN}, 422, "invalid_settings", [""]),
    (
        "PUT",
        SETTINGS,
        {"unit_tokens": {CANARY: TOKEN}, "token": TOKEN},
        422,
        "invalid_settings",
        ["/unit_tokens/row 1"],
    ),
    ("POST", "/ws-1/plugins/second/enable", None, 200, None, None),
    ("POST", "/ws-1/quotes/accepted", a_quote(currency=CANARY), 422, "invalid_input", ["/currency"]),
    ("POST", "/ws-1/quotes/preview", a_quote(currency=CANARY), 422, "invalid_input", ["/currency"]),
    ("POST", "/ws-1/quotes/preview", b"{", 400, "malformed_input", []),
    ("POST", "/ws-1/runs/unknown/dismiss", {}, 422, "invalid_input", ["/reason"]),
    ("POST", "/ws-1/runs/unknown/dismiss", {"reason": ["x"], CANARY: 1}, 422, "invalid_input", ["/reason", "/sk_…"]),
    ("POST", "/ws-1/runs/unknown/dismiss", b"{", 400, "malformed_input", []),
    ("POST", "/ws-1/runs/unknown/dismiss", b"[1]", 422, "invalid_input", [""]),
    ("POST", "/ws-1/quotes/q/installments/send", {"number": 0}, 422, "invalid_input", ["/number"]),
    ("POST", "/ws-1/quotes/q/installments/send", {"number": "2"}, 422, "invalid_input", ["/number"]),
    ("POST", "/ws-1/api-keys", {"scopes": ["read", CANARY]}, 422, "invalid_input", ["/scopes/1"]),
    ("POST", "/ws-1/api-keys", {"scopes": [], "name": "x" * 101}, 422, "invalid_input", ["/name", "/scopes"]),
    ("GET", f"/ws-1/runs/{CANARY}", None, 404, "not_found", None),
    ("POST", "/ws-1/runs/unknown/dismiss", {f"é{CANARY}": 1, "reason": "x"}, 422, "invalid_input", ["/ésk_…"]),
    ("POST", "/ws-1/runs/unknown/dismiss", b'{"\\ud800": 1, "reason": "x"}', 422, "invalid_input", ["/\ud800"]),
    ("GET", "/ws-1/runs/%00", None, 404, "not_found", None),
    ("GET", "/ws-1/runs?status=%00", None, 400, "malformed_input", []),
    ("POST", "/ws-1/api-keys", {"name": "\0"}, 400, "malformed_input", []),
    ("GET", f"/ws-1/runs?status={CANARY}", None, 422, "invalid_input", ["/status"]),
    ("GET", f"/ws-1/runs?{CANARY}=1", None, 422, "invalid_input", ["/sk_…"]),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "code", "pointers"), CASES)
def test_every_refusal_is_a_problem_that_names_the_field_and_no_value(
    caller: Any, method: str, path: str, body: Any, status: int, code: str | None, pointers: list[str] | None
) -> None:
    answer = caller.call(method, path, body)

    assert answer.status_code == status
    assert "Canary" not in answer.text
    if status == 200:
        return
    assert answer.mimetype == "application/problem+json"
    found = answer.json
    assert (found["type"], found["status"], found.get("code")) == ("about:blank", status, code)
    assert found["title"]
    assert (sorted(e["pointer"] for e in found["errors"]) if "errors" in found else None) == pointers


def test_a_refused_action_is_409_and_says_why(caller: Any) -> None:
    run = caller.desk.accept()

    answer = caller.post(f"/ws-1/runs/{run['id']}/retry")

    assert (answer.status_code, answer.json["code"]) == (409, "refused")
    assert "succeeded" in answer.json["title"]


def test_a_body_that_is_too_large_is_413(caller: Any) -> None:
    answer = caller.call("PUT", SETTINGS, b" " * 2_000_001)

    assert (answer.status_code, answer.mimetype) == (413, "application/problem+json")


def test_a_body_is_read_with_any_content_type(caller: Any) -> None:
    caller.desk.accept()

    answer = caller.call(
        "POST", "/ws-1/quotes/q-7/installments/send", {"number": 0}, Content_Type="application/x-www-form-urlencoded"
    )

    assert answer.status_code == 422, "ignoring the number would send another installment"


@pytest.mark.parametrize(("raw", "title", "hint"), BAD_JSON, ids=NAMES)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/ws-1/quotes/accepted"), ("PUT", SETTINGS), ("PUT", "/ws-1/alerts")]
)
def test_a_body_with_invalid_json_is_reported_with_its_place_and_a_remedy(
    caller: Any, method: str, path: str, raw: bytes, title: str, hint: str
) -> None:
    answer = caller.call(method, path, raw)

    assert (answer.status_code, answer.json["code"], answer.json["title"]) == (400, "malformed_input", title)
    assert hint in answer.json["detail"]
