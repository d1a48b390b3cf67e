"""Faults that the matrix (tests/faults) does not contain: outages, and what the steps of a run show of them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import inspect

from builders import EMAIL, LINK, the_example

#: The writes of a run without faults, in order.
WRITES = [
    "/v1/webhook_endpoints",
    "/v1/customers",
    "/v1/tax_rates",
    "/v1/invoices",
    "/v1/invoices/{id}/add_lines",
    "/v1/invoices/{id}/finalize",
    "/v1/checkout/sessions",
]
LINES = [("item_001", 780000), ("item_001:discount", -78000), ("item_002", 76500), ("discount:1", -20000)]


def pattern(path: str) -> str:
    return "^" + path.replace("{id}", "[^/]+") + "$"


def shape(path: str) -> str:
    return re.sub(r"/in_[^/]+", "/{id}", path)


def assert_once(bench: Any, *, mails: int = 1) -> None:
    """There is one of each object, and the invoice has the planned lines."""
    counts = {kind: len(bench.stripe.objects(kind)) for kind in ("customers", "tax_rates", "invoices", "endpoints")}
    assert counts == {"customers": 1, "tax_rates": 1, "invoices": 1, "endpoints": 1}
    (invoice,) = bench.stripe.objects("invoices")
    assert [(line["metadata"]["qwoty_line"], line["amount"]) for line in invoice["lines"]["data"]] == LINES
    assert (invoice["status"], invoice["total"]) == ("open", 910200)
    assert [s["amount_total"] for s in bench.stripe.objects("sessions") if s["status"] == "open"] == [227550]
    assert len(bench.mails()) == mails
    saved = bench.quote("q-1")["saved_ids"]
    assert saved["contacts"] == {"contact_3": bench.stripe.objects("customers")[0]["id"]}
    assert saved["taxes"] == {"tax_1": bench.stripe.objects("tax_rates")[0]["id"]}


def test_a_run_survives_a_fault_on_every_write(bench: Any) -> None:
    for path in WRITES:
        for fault in ("cut_after", "500_before"):
            bench.stripe.faults.add(fault, method="POST", path=pattern(path))
    bench.enable(**LINK)

    run = bench.accept(the_example())

    assert run["status"] == "succeeded", run
    assert_once(bench)


@pytest.mark.parametrize("path", WRITES)
def test_a_run_waits_during_an_outage_and_its_retry_makes_nothing_twice(bench: Any, path: str) -> None:
    bench.stripe.faults.add("500_before", method="POST", path=pattern(path), times=500)
    bench.enable(**LINK)

    run = bench.accept(the_example())

    assert (run["status"], run["error"]["code"]) == ("waiting", "stripe_error")
    assert run["error"]["hint"]
    bench.stripe.faults.reset()
    done = set(run_steps(run))
    bench.stripe.requests.reset()
    run = bench.retry(run["id"])
    assert run["status"] == "succeeded", run
    assert_once(bench)
    # The retry resumes: it does not repeat the requests that had succeeded.
    again = {shape(r.path) for r in bench.stripe.requests if r.method == "POST"}
    assert again == set(WRITES[WRITES.index(path) :])
    assert done <= set(run_steps(run))


def run_steps(run: dict[str, Any]) -> list[str]:
    return [step["name"] for step in run["steps"] if step["status"] == "succeeded"]


def test_a_request_whose_answer_was_lost_is_repeated_with_the_same_key(bench: Any) -> None:
    bench.stripe.faults.add("cut_before", method="POST", path="^/v1/invoices$")
    bench.enable(**LINK)

    bench.accept(the_example())

    keys = [r.idempotency_key for r in bench.stripe.requests.find("POST") if r.path == "/v1/invoices"]
    # Over the kept connection, over a new one, and at the next attempt.
    assert len(keys) == 3
    assert len(set(keys)) == 1


def test_the_steps_show_attempts_and_request_ids(bench: Any) -> None:
    bench.stripe.faults.add("500_after", method="POST", path="^/v1/customers$")
    bench.enable(**LINK)

    run = bench.accept(the_example())

    steps = {step["name"]: step for step in run["steps"]}
    assert (steps["customer"]["attempts"], steps["customer"]["status"]) == (2, "succeeded")
    assert steps["finalize"]["attempts"] == 1
    for name in ("customer", "invoice", "lines:0", "finalize", "link:1"):
        assert steps[name]["request_ids"], name
        assert all(one.startswith("req_sim_") for one in steps[name]["request_ids"])


def test_no_step_does_two_writes(bench: Any) -> None:
    bench.enable(**LINK)

    run = bench.accept(the_example())

    posts = {r.request_id for r in bench.stripe.requests if r.method in {"POST", "DELETE"}}
    assert all(len(posts & set(step["request_ids"])) <= 1 for step in run["steps"])
    assert posts <= {one for step in run["steps"] for one in step["request_ids"]}


@pytest.mark.parametrize("settings", [LINK, EMAIL], ids=["link", "email"])
def test_a_finished_run_that_is_worked_again_makes_no_request_and_sends_nothing(
    bench: Any, settings: dict[str, Any]
) -> None:
    bench.enable(**settings)
    run = bench.accept(the_example())
    mails, before = len(bench.mails()), len(bench.stripe.requests)
    with bench.host.store.write() as db:
        db.exec_driver_sql(
            "UPDATE runs SET status = 'running'"
        )  # as if the process had died before it recorded the end

    bench.host.engine.work_again(f"{run['id']}.1")

    assert bench.run(run["id"])["status"] == "succeeded"
    assert bench.run(run["id"])["outcome"] == run["outcome"]
    assert [step["name"] for step in bench.run(run["id"])["steps"]] == [step["name"] for step in run["steps"]]
    assert len(bench.stripe.requests) == before
    assert len(bench.mails()) == mails


def test_no_secret_is_stored_in_clear_or_mailed(bench: Any) -> None:
    bench.stripe.faults.add("500_after", method="POST", path="^/v1/customers$")
    bench.stripe.faults.add("401", method="POST", path="finalize$")
    bench.enable(**LINK)
    run = bench.accept(the_example())
    assert run["error"]["code"] == "key_refused"
    bench.stripe.faults.reset()
    run = bench.retry(run["id"])
    assert run["status"] == "succeeded", run
    bench.pay(bench.stripe.objects("sessions")[0]["id"])

    (endpoint,) = bench.stripe.objects("endpoints")
    (secret,) = bench.stripe.world.states()[0].endpoint_secrets[endpoint["id"]]
    pdf = bench.stripe.objects("invoices")[0]["invoice_pdf"].rsplit("/", 1)[1].split("?")[0]
    for path in bench.host.config.data_dir.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            for hidden in ("sk_test_51SimulatedKey0001", "SimulatedKey", secret):
                assert hidden.encode() not in content, path
            if path.suffix == ".sqlite3" or "sqlite3" in path.name:
                assert _outside_webhooks(bench, pdf) == [], path


def _outside_webhooks(bench: Any, text: str) -> list[str]:
    """The tables that contain a text. The raw webhooks do not count: they are Stripe's own bytes."""
    found = []
    with bench.host.store.read() as db:
        tables = inspect(db).get_table_names()
        tables += (
            [f"dbos.{name}" for name in inspect(db).get_table_names("dbos")] if bench.host.config.is_shared else []
        )
        for table in tables:
            rows = db.exec_driver_sql(f"SELECT * FROM {table}").fetchall()
            if table != "webhook_deliveries" and any(text in repr(row) for row in rows):
                found.append(table)
    return found
