"""Events over HTTP: authentication, repetition, and their forms."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from builders import a_quote
from qwoty_integrations_host.platform.signatures import new_secret
from qwoty_stand_in import QwotyStandIn

THIN = {"event_type": "quote.accepted", "id": "q-7"}
FULL = {"event_type": "quote.accepted", "id": "q-7", "quote": a_quote()}


def count(bench: Any, table: str) -> int:
    with bench.host.store.read() as db:
        return int(db.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())


# -- who may send them ------------------------------------------------------------------------------


def test_a_signed_event_with_its_quote_starts_the_quotes_runs(bench: Any, sender: Any) -> None:
    bench.enable()

    answer = sender.send(FULL)

    assert answer.status_code == 202
    body = answer.json()
    (run,) = body.pop("runs")
    assert body == {"id": "msg_1", "event_type": "quote.accepted", "status": "accepted", "quote_id": "q-7"}
    assert (run["plugin"], run["status"]) == ("stripe_invoice", "queued")


def test_an_event_with_an_api_key_needs_no_signature_and_no_id(bench: Any, sender: Any) -> None:
    answers = [sender.post(json.dumps(FULL), Authorization=sender.key()) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [202, 200]
    assert count(bench, "events") == 2 and count(bench, "quotes") == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"secret": "whsec_" + "A" * 44},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": "v1 nonsense é"},
        {"webhook-timestamp": "nan"},
        {"webhook-timestamp": "9" * 40},
        {"webhook-id": "another"},
        {"workspace": "ws-2"},
        {"workspace": "nowhere"},
    ],
    ids=str,
)
def test_an_event_with_any_wrong_signature_gets_the_same_refusal_and_is_not_stored(
    bench: Any, sender: Any, changes: dict[str, Any]
) -> None:
    changes = {name: value.encode("utf-8").decode("latin-1") for name, value in changes.items()}

    answer = sender.send(FULL, **changes)

    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    title = "The message is not signed with a secret of this workspace"
    assert answer.json()["title"] == f"{title} (webhook-id, webhook-timestamp, webhook-signature)."
    assert count(bench, "events") == count(bench, "quotes") == 0


def test_a_changed_body_is_refused(bench: Any, sender: Any) -> None:
    sent = sender.send(THIN, **{"webhook-signature": sender.send(FULL).request.headers["webhook-signature"]})

    assert sent.status_code == 401


def test_an_api_key_does_not_make_up_for_a_wrong_signature(sender: Any) -> None:
    assert sender.send(FULL, secret=new_secret(), Authorization=sender.key()).status_code == 401


@pytest.mark.parametrize(("age", "status"), [(299, 202), (-299, 202), (302, 400), (-302, 400)])
def test_a_signed_message_is_valid_for_five_minutes(sender: Any, age: int, status: int) -> None:
    answer = sender.send(FULL, age=age)

    assert answer.status_code == status
    assert (status == 202) or "more than five minutes" in answer.json()["title"]


def test_both_secrets_are_accepted_while_they_are_rolled(bench: Any, sender: Any) -> None:
    bench.clock.advance(60)
    second = bench.host.platforms.add_signing_secret("ws-1")
    assert sender.send(FULL, id="a").status_code == 202
    assert sender.send(FULL, id="b", secret=second["secret"]).status_code == 200

    first = bench.host.platforms.signing_secrets("ws-1")[0]
    bench.host.platforms.remove_signing_secret("ws-1", first["id"])

    assert sender.send(FULL, id="c").status_code == 401
    assert sender.send(FULL, id="d", secret=second["secret"]).status_code == 200


def test_one_of_several_signatures_is_enough(sender: Any) -> None:
    right = sender.send(FULL).request.headers["webhook-signature"]

    assert sender.send(FULL, **{"webhook-signature": f"v1a,xyz v1,AAAA {right}"}).status_code == 200


def test_an_event_without_signature_and_key_is_refused(sender: Any) -> None:
    answer = sender.post(json.dumps(FULL))

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"]
    assert sender.post(json.dumps(FULL), Authorization="Bearer qwh_00000000_" + "x" * 43).status_code == 401
    assert sender.post(json.dumps(FULL), Authorization=sender.key("ws-2")).status_code == 404
    assert sender.post(json.dumps(FULL), Authorization=sender.key("ws-1", "read")).status_code == 403


def test_the_description_of_the_route_has_its_headers_and_both_ways_to_authenticate(bench: Any) -> None:
    paths = requests.get(f"{bench.url}/v1/openapi.json", timeout=10).json()["paths"]
    operation = paths["/v1/workspaces/{workspace}/events"]["post"]

    named = [one["name"] for one in operation["parameters"] if one["in"] == "header"]
    assert named == ["webhook-id", "webhook-timestamp", "webhook-signature"]
    assert operation["security"] == [{}, {"bearer": ["write"]}]
    assert {"200", "202"} <= set(operation["responses"])


# -- repetition ---------------------------------------------------------------------------------------


def test_the_same_event_again_gets_the_first_answer(bench: Any, sender: Any) -> None:
    bench.enable()
    first = sender.send(FULL)
    bench.work()
    again = sender.send(FULL)

    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json() == first.json()
    assert count(bench, "runs") == 1


def test_a_message_id_with_another_body_is_refused(bench: Any, sender: Any) -> None:
    sender.send(FULL)
    answer = sender.send({**FULL, "quote": a_quote(id="q-8")})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/webhook-id"
    assert count(bench, "quotes") == 1


def test_two_workspaces_may_use_the_same_message_id(bench: Any, sender: Any) -> None:
    other = bench.host.platforms.add_signing_secret("ws-2")["secret"]

    assert sender.send(FULL).status_code == sender.send(FULL, workspace="ws-2", secret=other).status_code == 202


def test_ten_simultaneous_deliveries_cause_one_fetch(bench: Any, sender: Any, qwoty: QwotyStandIn) -> None:
    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(lambda _: sender.send(THIN), range(10)))

    assert sorted(answer.status_code for answer in answers) == [200] * 9 + [202]
    assert len({answer.text for answer in answers}) == 1
    assert count(bench, "runs") == 1


def test_an_event_with_a_refused_quote_may_be_sent_again_corrected(bench: Any, sender: Any) -> None:
    wrong = sender.send({**FULL, "quote": {**a_quote(), "currency": "XYZ"}})

    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["pointer"] == "/currency"
    assert sender.send(FULL).status_code == 202


# -- forms --------------------------------------------------------------------------------------------


def test_a_body_that_is_only_a_quote_counts_as_an_accepted_quote(sender: Any) -> None:
    assert sender.send(a_quote()).json()["quote_id"] == "q-7"


def test_an_irrelevant_event_is_stored_and_ignored(bench: Any, sender: Any) -> None:
    answers = [sender.send({"event_type": "quote.viewed", "id": "q-7"}) for _ in range(2)]

    assert [(answer.status_code, answer.json()["status"]) for answer in answers] == [(200, "ignored")] * 2
    assert (count(bench, "events"), count(bench, "runs")) == (1, 0)


def test_a_workspace_configures_which_events_mean_accepted(bench: Any, sender: Any) -> None:
    signed = {**FULL, "event_type": "quote.signed"}
    assert sender.send(signed, id="a").json()["status"] == "ignored"

    settings = {"platform": "standalone", "accepted_event_types": ["quote.accepted", "quote.signed"]}
    bench.host.platforms.save("ws-1", settings)

    assert sender.send(signed, id="b").json()["status"] == "accepted"


def test_an_event_that_only_names_a_quote_needs_a_platform(bench: Any, sender: Any) -> None:
    answer = sender.send(THIN)

    assert answer.status_code == 409
    assert "operator set the platform" in answer.json()["detail"]
    assert count(bench, "events") == 0


@pytest.mark.parametrize(
    ("body", "status", "pointers"),
    [
        ("{", 400, []),
        ("[]", 422, [""]),
        ({}, 422, ["/event_type", "/id"]),
        ({"event_type": "quote.accepted"}, 422, ["/id"]),
        ({"event_type": 5, "id": "q"}, 422, ["/event_type"]),
        ({"event_type": "quote.accepted", "id": {"a": 1}}, 422, ["/id"]),
        ({"event_type": "quote.accepted", "id": "q" * 256}, 422, ["/id"]),
        ({"event_type": "quote.accepted", "id": "q\u0000"}, 422, ["/id"]),
        ({"event_type": "quote.accepted", "quote": 7}, 422, [""]),
        ({"event_type": "quote.accepted", "id": "q\ud800"}, 422, ["/id"]),
        ({"event_type": "quote.\0", "id": "q"}, 422, ["/event_type"]),
        ({"event_type": "quote.accepted", "id": "q", "quote": ["q"]}, 422, [""]),
        ("[" * 100_000, 400, []),
        ('{"event_type": "quote.accepted", "quote": ' + "[" * 100 + "]" * 100 + "}", 400, []),
    ],
    ids=lambda value: ascii(value)[:60],
)
def test_a_body_that_is_no_event_is_refused_by_field(
    bench: Any, sender: Any, body: Any, status: int, pointers: list[str]
) -> None:
    answer = sender.send(body)

    assert answer.status_code == status
    assert [problem["pointer"] for problem in answer.json()["errors"]] == pointers
    assert count(bench, "events") == 0


def test_an_event_body_has_a_maximum_size(sender: Any) -> None:
    assert sender.send({**THIN, "padding": "x" * 2_000_000}).status_code == 413
