"""Another process controls the simulator over HTTP."""

from __future__ import annotations

import re
import signal
import subprocess
import sys

import pytest
import requests

from stripe_simulator import StripeSimulator


@pytest.fixture
def control(shop):
    def call(method, path, /, **body):
        answer = requests.request(method, f"{shop.sim.url}/_simulator/{path}", json=body or None, timeout=5)
        return answer.status_code, answer.json()

    return call


def test_another_process_can_read_requests_and_objects(shop, control):
    shop.a_customer()

    assert [entry["path"] for entry in control("GET", "requests")[1]] == ["/v1/customers"]
    assert [customer["name"] for customer in control("GET", "objects/customers")[1]] == ["Ada"]
    assert control("GET", "objects/customers?account=acct_other&livemode=true")[1] == []
    control("DELETE", "requests")
    assert control("GET", "requests")[1] == []


def test_another_process_can_order_faults_switches_keys_and_time(shop, control):
    assert control("POST", "faults", fault="429", method="POST", path="/v1/customers", times=3)[0] == 200
    assert len(shop.sim.faults.pending()) == 1
    control("DELETE", "faults")
    assert shop.sim.faults.pending() == []
    assert control("POST", "config", rounding="half_even")[1]["rounding"] == "half_even"
    assert control("POST", "keys", key="rk_test_0123456789", permissions=["customer_read"])[0] == 200
    assert control("POST", "clock", set=1_900_000_000)[1]["now"] in range(1_900_000_000, 1_900_000_005)
    assert control("POST", "clock", advance=100)[1]["now"] in range(1_900_000_100, 1_900_000_105)


def test_another_process_can_play_the_payer(shop, control):
    sessions = [shop.a_session().id for _ in range(4)]
    invoice = shop.an_open_invoice(1000)

    assert control("POST", f"sessions/{sessions[0]}/pay")[1]["payment_status"] == "paid"
    for after in ("settle", "fail"):
        session = sessions[1 if after == "settle" else 2]
        assert control("POST", f"sessions/{session}/pay_later")[1]["status"] == "complete"
        assert control("POST", f"sessions/{session}/{after}")[0] == 200
    assert control("POST", f"sessions/{sessions[3]}/expire")[1]["status"] == "expired"
    assert control("POST", f"invoices/{invoice.id}/pay")[1]["status"] == "paid"
    assert control("POST", "deliver")[1]["all_delivered"] is True
    assert control("GET", "deliveries")[1] == []


def test_another_process_can_mark_an_invoice_as_paid(shop, control):
    assert control("POST", f"invoices/{shop.an_open_invoice(1000).id}/mark_paid")[1]["status"] == "paid"


def test_another_process_can_refund_a_payment(shop, control):
    intent = shop.sim.pay(shop.a_session(1000).id)["payment_intent"]

    assert control("POST", f"payments/{intent}/refund", amount=300)[1]["amount_refunded"] == 300
    assert control("POST", f"payments/{intent}/refund")[1]["amount_refunded"] == 1000


def test_another_process_can_roll_a_secret(shop, control):
    endpoint = shop.v1.webhook_endpoints.create({"url": "http://127.0.0.1:9/", "enabled_events": ["invoice.paid"]})

    assert control("POST", f"endpoints/{endpoint.id}/roll")[1]["secret"].startswith("whsec_")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("sessions/cs_gone/pay", {}, 404),
        ("sessions/cs_gone/steal", {}, 400),
        ("invoices/in_gone/pay", {}, 404),
        ("payments/pi_gone/refund", {}, 404),
        ("faults", {"fault": "flood"}, 400),
        ("faults", {"fault": "odd_after", "code": "flood"}, 400),
        ("faults", {"colour": "red"}, 400),
        ("config", {"colour": "red"}, 400),
        ("keys", {"key": "nonsense"}, 400),
    ],
)
def test_a_wrong_order_is_refused_in_json(control, path, body, status):
    code, answer = control("POST", path, **body)

    assert code == status
    assert answer["error"]


def test_reset_forgets_everything_but_the_address(shop, control):
    shop.a_customer()
    shop.sim.clock.advance(1000)
    shop.sim.config.update(rounding="half_up")
    url = shop.sim.url

    assert control("POST", "reset")[0] == 200

    assert shop.sim.url == url
    assert shop.sim.objects("customers") == []
    assert shop.sim.config.rounding == "half_away_from_zero"
    assert control("GET", "health")[1]["url"] == url


def test_the_simulator_can_be_restored_any_number_of_times(shop):
    before = shop.a_customer()
    saved = shop.sim.snapshot()

    for _ in range(2):
        shop.v1.customers.update(before.id, {"name": "Grace"})
        shop.a_customer()
        shop.sim.restore(saved)

    assert [(customer["id"], customer["name"]) for customer in shop.sim.objects("customers")] == [(before.id, "Ada")]


def test_a_hanging_request_does_not_hold_up_the_stop():
    sim = StripeSimulator(latency_ms=5).start()
    sim.faults.add("hang", seconds=60)
    with requests.Session() as session, pytest.raises(requests.ReadTimeout):
        session.get(f"{sim.url}/v1/customers", timeout=(1, 0.2))
    sim.stop()

    with pytest.raises(requests.ConnectionError):
        requests.get(f"{sim.url}/v1/customers", timeout=1)


def test_the_simulator_runs_alone_and_stops_on_sigterm():
    command = [sys.executable, "-m", "stripe_simulator", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        url = re.search(r"http://127\.0\.0\.1:\d+", line).group()
        assert requests.get(f"{url}/_simulator/health", timeout=5).json()["ok"] is True
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
