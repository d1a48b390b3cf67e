"""Invalid characters and huge bodies are refused like any mistake, on both databases."""

from __future__ import annotations

import socket
import threading
from typing import Any

from qwoty_integrations_host.web.app import create_app
from qwoty_integrations_host.web.server import create_server

SETTINGS, KEY = "/ws-1/plugins/stripe_invoice/settings", b"sk_test_51Example0001"
CASES = [
    ("POST", "/ws-1/api-keys", b'{"name": "\\ud800"}', 422),
    ("POST", "/ws-1/api-keys", b'{"name": "a\\u0000b"}', 400),
    ("POST", "/ws-1/api-keys", b'{"\\ud800": 1}', 422),
    ("POST", "/ws-1/runs/unknown/dismiss", b'{"reason": "\\ud800"}', 422),
    ("POST", "/ws-1/runs/unknown/dismiss", b'{"reason": "\\u0000"}', 400),
    ("PUT", SETTINGS, b'{"workspace_api_token": "\\ud800", "\\u0000": 1}', 400),
    ("PUT", SETTINGS, b'{"token_scope": "business_unit", "business_unit_api_tokens": {"\\ud800": "%s"}}' % KEY, 422),
    ("PUT", SETTINGS, b'{"token_scope": "business_unit", "business_unit_api_tokens": {"a\\u0000": "%s"}}' % KEY, 400),
    ("POST", "/ws-1/quotes/accepted", b'{"id": "a\\u0000", "number": "\\u0000"}', 422),
    ("GET", "/ws-1/runs?quote_id=%00", None, 400),
    ("GET", "/ws-1/runs?status=%00&plugin=%00&kind=%00", None, 400),
    ("GET", "/ws-1/runs?quote_id=%ED%A0%80", None, 200),
    ("GET", "/ws-1/runs?starting_after=%00", None, 400),
    ("GET", "/ws-1/quotes?starting_after=%00", None, 400),
    ("GET", "/ws-1/api-keys?starting_after=%00", None, 400),
    ("GET", "/ws-1/webhooks/deliveries?starting_after=%00", None, 400),
    ("GET", "/ws-1/webhooks/deliveries?type=%00&plugin=%00", None, 400),
    ("GET", "/ws-1/runs/%00", None, 404),
    ("POST", "/ws-1/runs/%00/retry", None, 404),
    ("GET", "/ws-1/quotes/%00", None, 404),
    ("GET", "/ws-1/quotes/%ED%A0%80/installments", None, 404),
    ("POST", "/ws-1/quotes/%00/installments/send", None, 404),
    ("DELETE", "/ws-1/api-keys/%00", None, 404),
    ("GET", "/ws-1/plugins/%00/connection", None, 404),
    ("POST", "/ws-1/webhooks/deliveries/stripe_invoice/%00/replay", None, 404),
    ("GET", "/v1/workspaces/%00/runs", None, 404),
    ("POST", "/webhooks/stripe_invoice/%00/%00", b"{}", 404),
]


def test_invalid_characters_cause_no_crash(bench: Any, callers_of: Any) -> None:
    caller = callers_of(bench.host)

    answers = {(method, path, body): caller.call(method, path, body) for method, path, body, _ in CASES}

    assert {case: answer.status_code for case, answer in answers.items()} == {tuple(c[:3]): c[3] for c in CASES}
    assert all(answer.json for answer in answers.values())


def test_a_huge_body_is_refused_before_it_is_stored(desk: Any) -> None:
    server = create_server(create_app(desk.host), "127.0.0.1", 0)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        with socket.create_connection(("127.0.0.1", server.effective_port), timeout=10) as caller:
            caller.sendall(b"POST /webhooks/a/b/c HTTP/1.1\r\nHost: x\r\nContent-Length: 900000000\r\n\r\n")
            assert b" 413 " in caller.recv(100)
    finally:
        server.trigger.pull_trigger(server.close)
        thread.join()
