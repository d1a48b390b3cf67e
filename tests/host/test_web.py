"""The HTTP API over real HTTP: each promised status, and answers that reveal nothing."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from builders import a_quote
from host_server import served
from qwoty_integrations_host import WebhookEvent

URL = "/v1/workspaces/ws-1/quotes/accepted"


class Caller:
    """A client that calls the host as a platform does."""

    def __init__(self, url: str, key: str) -> None:
        self.url, self.key = url, key

    def post(self, body: Any, path: str = URL, **headers: str) -> requests.Response:
        data = body if isinstance(body, bytes | str) else json.dumps(body)
        given = {"Authorization": f"Bearer {self.key}", **headers}
        return requests.post(self.url + path, data=data, headers=given, timeout=10)

    def hook(self, body: bytes, path: str = "/webhooks/recorder/ws-1/right", signature: str = "signed") -> Any:
        return requests.post(self.url + path, data=body, headers={"X-Signature": signature}, timeout=10)

    def get(self, path: str, **headers: str) -> requests.Response:
        return requests.get(self.url + path, headers=headers, timeout=10)


@pytest.fixture
def caller(desk: Any) -> Iterator[Caller]:
    desk.enable()
    with served(desk.host) as url:
        yield Caller(url, desk.api_key())


def event(id: str = "evt_1", **facts: Any) -> bytes:
    return json.dumps({"id": id, "type": "thing.done", **facts}).encode()


def problem(answer: requests.Response) -> dict[str, Any]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["status"] == answer.status_code
    assert found["type"] == "about:blank"
    assert found["title"]
    assert "Traceback" not in answer.text
    return found


def test_a_new_quote_is_202_and_a_repetition_is_200_with_the_first_runs(caller: Caller) -> None:
    first, second = caller.post(a_quote()), caller.post(a_quote())

    assert (first.status_code, second.status_code) == (202, 200)
    (run,) = first.json()["runs"]
    assert first.json() == {"quote_id": "q-7", "duplicate": False, "runs": [run]}
    assert set(run) == {"id", "plugin", "status"}
    assert (run["plugin"], run["status"]) == ("recorder", "queued")
    assert second.json() == {"quote_id": "q-7", "duplicate": True, "runs": [run]}


def test_ten_posts_of_one_quote_at_once_make_one_set_of_runs(desk: Any, caller: Caller) -> None:
    desk.enable(plugin="second")

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: caller.post(a_quote()), range(10)))

    assert sorted(answer.status_code for answer in answers) == [200] * 9 + [202]
    assert len({json.dumps(answer.json()["runs"]) for answer in answers}) == 1
    assert desk.count("runs") == 2
    desk.work()
    assert desk.recorder.calls.count(("on_quote_accepted", "ws-1")) == 1


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic cTp4", "Bearer qwh_00000000_wrongwrongwrongwrong", "qwh_x", "Bearer \xff\xfe"],
)
def test_a_quote_without_a_valid_key_is_401_and_not_stored(desk: Any, caller: Caller, header: str) -> None:
    answer = caller.post(a_quote(), Authorization=header)

    assert answer.status_code == 401
    assert problem(answer)["title"] == "Unauthorized"
    assert answer.headers["WWW-Authenticate"].lower().startswith("bearer")
    assert desk.count("quotes") == 0


def test_a_key_with_altered_characters_is_401(caller: Caller) -> None:
    forged = caller.key[:-4] + "0000"

    assert caller.post(a_quote(), Authorization=f"Bearer {forged}").status_code == 401


@pytest.mark.parametrize("workspace", ["ws-2", "unknown", "ws-1%2F..", "%00"])
def test_another_workspaces_key_is_404_whether_it_exists_or_not(caller: Caller, workspace: str) -> None:
    answer = caller.post(a_quote(), f"/v1/workspaces/{workspace}/quotes/accepted")

    assert answer.status_code == 404
    problem(answer)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        json.dumps(a_quote()).encode()[:-20],
        b"\xff\xfe{}",
        b'{"id": NaN}',
        b"[" * 100_000,
        b"[" * 500 + b"]" * 500,
    ],
    ids=["empty", "not JSON", "truncated", "not UTF-8", "NaN", "endless nesting", "deep nesting"],
)
def test_an_unreadable_body_is_400_and_not_stored(desk: Any, caller: Caller, body: bytes) -> None:
    answer = caller.post(body)

    assert answer.status_code == 400
    assert problem(answer)["code"] == "malformed_input"
    assert desk.count("quotes") == desk.count("runs") == 0


def test_wrong_fields_are_422_with_a_pointer_each_and_nothing_is_stored(desk: Any, caller: Caller) -> None:
    quote = a_quote(currency="XXY", status="accepted")
    quote["pricing_table"]["sections"][0]["phases"][0]["line_items"][0]["quantity"] = "-1"
    quote["customer"]["contacts"][0]["id"] = None

    answer = caller.post(quote)

    assert answer.status_code == 422
    assert {found["pointer"] for found in problem(answer)["errors"]} == {
        "/pricing_table/sections/0/phases/0/line_items/0/quantity",
        "/customer/contacts/0/id",
    }
    assert desk.count("quotes") == desk.count("runs") == 0


@pytest.mark.parametrize("body", [b"[]", b'"a quote"', b"null", b"7"])
def test_json_that_is_no_object_is_422_at_the_root(caller: Caller, body: bytes) -> None:
    answer = caller.post(body)

    assert answer.status_code == 422
    assert [found["pointer"] for found in problem(answer)["errors"]] == [""]


def test_the_wrong_method_is_405_and_says_the_right_one(caller: Caller) -> None:
    answer = requests.put(caller.url + URL, timeout=10)

    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]
    problem(answer)


def test_an_unknown_page_is_404(caller: Caller) -> None:
    answer = caller.get("/nowhere")

    assert answer.status_code == 404
    problem(answer)


@pytest.mark.parametrize(
    ("path", "size"), [(URL, 2_000_001), ("/webhooks/recorder/ws-1/right", 512_001)], ids=["quote", "webhook"]
)
@pytest.mark.parametrize("chunked", [False, True], ids=["with length", "chunked"])
def test_a_body_that_is_too_large_is_413(caller: Caller, path: str, size: int, chunked: bool) -> None:
    status = _post_large(caller, path, size, chunked=chunked)

    assert status == 413


def test_a_webhook_is_stored_once_and_worked_later(desk: Any, caller: Caller) -> None:
    caller.post(a_quote())

    answers = [caller.hook(event(quote_id="q-7")) for _ in range(2)]

    assert [(a.status_code, a.json()) for a in answers] == [
        (200, {"received": "stored"}),
        (200, {"received": "duplicate"}),
    ]
    assert ("on_webhook", "ws-1") not in desk.recorder.calls
    desk.work()
    assert desk.recorder.calls.count(("on_webhook", "ws-1")) == 1


@pytest.mark.parametrize("quote_id", [None, "q-unknown"], ids=["about nothing of ours", "about an unknown quote"])
def test_a_webhook_about_no_known_quote_is_200_and_makes_no_run(desk: Any, caller: Caller, quote_id: Any) -> None:
    answer = caller.hook(event(quote_id=quote_id))

    assert (answer.status_code, answer.json()) == (200, {"received": "ignored"})
    assert desk.count("runs") == 0


def test_a_forged_webhook_is_400_and_not_stored(desk: Any, caller: Caller) -> None:
    answer = caller.hook(event(), signature="forged")

    assert answer.status_code == 400
    problem(answer)
    assert desk.count("webhook_deliveries") == 0


@pytest.mark.parametrize(
    "path",
    [
        "/webhooks/recorder/ws-1/wrong",
        "/webhooks/recorder/ws-2/right",
        "/webhooks/recorder/unknown/right",
        "/webhooks/unknown/ws-1/right",
        "/webhooks/second/ws-1/right",
        "/webhooks/recorder/ws-1",
    ],
    ids=["token", "disabled there", "workspace", "plugin", "plugin without webhooks", "no token"],
)
def test_an_unknown_webhook_address_is_404(desk: Any, caller: Caller, path: str) -> None:
    desk.enable(plugin="second")

    answer = caller.hook(event(), path)

    assert answer.status_code == 404
    problem(answer)


def test_the_same_webhook_from_ten_threads_makes_one_run(desk: Any, caller: Caller) -> None:
    caller.post(a_quote())

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: caller.hook(event(quote_id="q-7")).json()["received"], range(10)))

    assert sorted(answers) == ["duplicate"] * 9 + ["stored"]
    assert desk.count("runs") == 2


@pytest.mark.parametrize(
    "answer",
    [RuntimeError("whsec_CanaryInACrash"), "rubbish", WebhookEvent(None, "x", {})],  # type: ignore[arg-type]
    ids=["raises", "no event", "an event without an id"],
)
def test_a_plugin_that_fails_on_a_webhook_is_500_without_details(desk: Any, caller: Caller, answer: Any) -> None:
    def hook(_ctx: Any, _request: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    desk.recorder.answers["authenticate_webhook"] = hook

    found = caller.hook(event())

    assert found.status_code == 500
    assert "fake-recorder 1.0" in problem(found)["title"]
    assert "Canary" not in found.text
    assert desk.count("webhook_deliveries") == 0


def test_a_crash_of_the_host_is_500_and_hides_everything(desk: Any, caller: Caller) -> None:
    with desk.host.store.write() as db:
        db.exec_driver_sql("DROP TABLE webhook_deliveries")

    answer = caller.hook(event(quote_id="q-7"))

    assert answer.status_code == 500
    assert problem(answer)["title"] == "The host could not answer."
    assert "webhook_deliveries" not in answer.text


@pytest.mark.parametrize(
    ("path", "accept", "language", "title"),
    [
        ("/paid", "", "en", "Thank you"),
        ("/paid", "fr", "fr", "Merci"),
        ("/paid", "fr-CA,en;q=0.5", "fr", "Merci"),
        ("/paid", "de-AT", "de", "Vielen Dank"),
        ("/paid", "it", "it", "Grazie"),
        ("/paid", "pt-PT", "pt", "Obrigado"),
        ("/paid", "es-MX,es;q=0.9", "es", "Gracias"),
        ("/paid", "nl", "en", "Thank you"),
        ("/paid", "nl, fr;q=0", "en", "Thank you"),
        ("/cancelled", "en-GB", "en", "Nothing was paid"),
        ("/cancelled", "nl, fr;q=0.4", "fr", "Aucun paiement"),
        ("/cancelled", "de", "de", "Es wurde nichts bezahlt"),
        ("/cancelled", "it", "it", "Nessun pagamento effettuato"),
        ("/cancelled", "pt", "pt", "Nenhum pagamento efetuado"),
        ("/cancelled", "es", "es", "No se ha realizado ningún pago"),
        ("/cancelled", ";;;garbled,,", "en", "Nothing was paid"),
    ],
)
def test_the_customers_pages_are_in_the_customers_language(
    caller: Caller, path: str, accept: str, language: str, title: str
) -> None:
    answer = caller.get(path, **{"Accept-Language": accept})

    assert answer.status_code == 200
    assert f'<html lang="{language}">' in answer.text
    assert f"<h1>{title}</h1>" in answer.text


def test_health_names_the_worker_and_the_plugins(caller: Caller) -> None:
    found = caller.get("/health").json()

    assert (found["status"], found["worker"]) == ("ok", True)
    assert (found["plugins"]["recorder"], found["plugins"]["exits"]) == ("loaded", "blocked")


def _post_large(caller: Caller, path: str, size: int, *, chunked: bool) -> int:
    address = urlsplit(caller.url)
    line = http.client.HTTPConnection(str(address.hostname), address.port, timeout=10)
    headers = {"Authorization": f"Bearer {caller.key}", "X-Signature": "signed"}
    body = iter([b" " * 65536] * (size // 65536 + 1)) if chunked else b" " * size
    with suppress(BrokenPipeError, ConnectionResetError):  # the server may answer before it has read everything
        line.request("POST", path, body, headers, encode_chunked=chunked)
    try:
        return line.getresponse().status
    finally:
        line.close()
