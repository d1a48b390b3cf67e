"""A fake key is sent in every input of the API. It appears in no answer and in no table unencrypted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from builders import a_quote

CANARY = "sk_test_CanaryABCDEFGH0123456789"
ROUTES = [
    ("POST", "/ws-1/quotes/accepted", a_quote(title=CANARY, id=CANARY, currency="XXY")),
    ("POST", "/ws-1/quotes/preview", {CANARY: CANARY}),
    ("POST", f"/ws-1/runs/{CANARY}/retry", None),
    ("POST", f"/ws-1/runs/{CANARY}/dismiss", {"reason": [CANARY], CANARY: 1}),
    ("POST", f"/ws-1/quotes/{CANARY}/installments/send", {"number": CANARY}),
    ("POST", f"/ws-1/webhooks/deliveries/{CANARY}/{CANARY}/replay", None),
    ("POST", "/ws-1/api-keys", {"scopes": [CANARY], "name": {CANARY: CANARY}}),
    ("PUT", f"/ws-1/plugins/{CANARY}/settings", {"token": CANARY}),
    ("PUT", "/ws-1/plugins/recorder/settings", {"token": f"x{CANARY}", CANARY: CANARY}),
    ("PUT", "/ws-1/plugins/recorder/settings", {"token": CANARY, "unit_tokens": {"bu_1": CANARY}}),
    ("GET", "/ws-1/plugins/recorder/settings", None),
    ("POST", "/ws-1/plugins/recorder/enable", None),
    ("GET", f"/ws-1/runs?status={CANARY}&{CANARY}=1", None),
    ("GET", f"/v1/workspaces/{CANARY}/runs", None),
    ("GET", f"/v1/{CANARY}", None),
]


def test_a_planted_key_appears_in_no_answer_and_is_nowhere_stored_unencrypted(caller: Any) -> None:
    answers = [caller.call(*route, Idempotency_Key=f"k-{number}") for number, route in enumerate(ROUTES)]
    answers += [caller.call(*route, Idempotency_Key=f"k-{number}") for number, route in enumerate(ROUTES)]
    answers.append(caller.call("GET", "/ws-1", Authorization=f"Bearer {CANARY}"))
    answers.append(caller.call("POST", "/ws-1/api-keys", {}, Idempotency_Key=f"é{CANARY}"))

    assert [a.status_code for a in answers if a.status_code >= 500] == []
    assert any(a.headers.get("Idempotency-Replayed") for a in answers)
    assert [a.text for a in answers if "Canary" in a.text or "Canary" in json.dumps(dict(a.headers))] == []
    folder: Path = caller.desk.host.config.data_dir
    assert [p.name for p in folder.rglob("*") if p.is_file() and b"CanaryABC" in p.read_bytes()] == []


def test_a_new_key_appears_only_in_the_answer_that_creates_it(caller: Any) -> None:
    made = caller.post("/ws-1/api-keys", {}, Idempotency_Key="k-1").json["key"]

    seen = [caller.post("/ws-1/api-keys", {}, Idempotency_Key="k-1"), caller.call("GET", "/ws-1/api-keys")]
    folder: Path = caller.desk.host.config.data_dir

    secret = made.split("_", 2)[2]
    assert [a.text for a in seen if secret in a.text] == []
    assert [p.name for p in folder.rglob("*") if p.is_file() and secret.encode() in p.read_bytes()] == []
