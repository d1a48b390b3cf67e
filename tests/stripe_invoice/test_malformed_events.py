"""A body that has a right signature but is no event is refused, without a run, an alert or a doubt about the secret."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from stripe_events import an_event, deliver, endpoint_url, post, v1_of
from stripe_invoice.conftest import figures, first_link, parts, webhook_runs

DEEP = b'{"id":"evt_x","object":"event","type":"invoice.paid","livemode":false,"data":{"object":{"a":'
ids = count()


@pytest.fixture
def linked_example(linked_example: Any) -> Any:
    """A bench with the invoice and the first link of the example, and with a recipient for alerts."""
    linked_example.host.alert_recipients.replace("ws-1", {"mails": ["ana@seller.example"]})
    return linked_example


def things(bench: Any) -> dict[str, dict[str, Any]]:
    """One of our objects for each type of event."""
    (invoice,), session = bench.stripe.objects("invoices"), bench.stripe.objects("sessions")[0]
    payment = {"id": "inpay_1", "object": "invoice_payment", "invoice": invoice["id"], "currency": "eur"}
    charge = {"id": "ch_1", "object": "charge", "payment_intent": "pi_1", "currency": "eur", "amount": 227550,
              "amount_refunded": 50, "metadata": session["metadata"]}  # fmt: skip
    return {
        "checkout.session.completed": session,
        "checkout.session.async_payment_failed": session,
        "invoice.paid": invoice,
        "invoice_payment.paid": payment | {"payment": {"type": "payment_intent", "payment_intent": "pi_1"}},
        "charge.refunded": charge,
    }


def blamed(bench: Any) -> dict[str, Any]:
    """All that would make a person look: runs, alerts, problems of the connection and of the webhooks' secret."""
    with bench.host.store.read() as db:
        kept = "SELECT name FROM plugin_state WHERE name LIKE 'webhook_refused:%'"
        refused = db.exec_driver_sql(kept).scalars().all()
        stored = db.exec_driver_sql("SELECT event_id FROM webhook_deliveries").scalars().all()
    bench.host.alert_delivery.deliver()
    return {
        "runs": webhook_runs(bench, "q-1"),
        "alerts": bench.host.alert_recipients.show("ws-1")["alerts"],
        "connection": [one["problem"] for one in bench.host.connections.list("ws-1")["data"]],
        "secret": refused,
        "stored": stored,
    }


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


def changed(event: dict[str, Any], way: tuple[str, ...], value: Any) -> dict[str, Any]:
    """The event with another value at this place. ``Ellipsis`` removes the value."""
    event = copy.deepcopy(event)
    place: Any = event
    for name in way[:-1]:
        place = place[name]
    if value is ...:
        del place[way[-1]]
    else:
        place[way[-1]] = value
    return event


THING = ("data", "object")
ROWS: dict[str, tuple[tuple[str, ...], Any]] = {
    "no id": (("id",), ...),
    "an empty id": (("id",), ""),
    "a number as id": (("id",), 7),
    "an id that is too long": (("id",), "evt_" + "x" * 252),
    "an id with a NUL": (("id",), "evt_\0"),
    "an id with half a character": (("id",), "evt_\ud800"),
    "a list as id": (("id",), ["evt_1"]),
    "no type": (("type",), ...),
    "a number as type": (("type",), 7),
    "a type that is too long": (("type",), "x" * 256),
    "a type with a NUL": (("type",), "invoice.paid\0"),
    "not an event": (("object",), "invoice"),
    "a mode that is a word": (("livemode",), "false"),
    "no data": (("data",), ...),
    "no data at all": (("data",), None),
    "a list as data": (("data",), []),
    "no object": (THING, ...),
    "null as object": (THING, None),
    "a text as object": (THING, "in_1"),
    "a number as the object's id": ((*THING, "id"), 7),
    "no id of the object": ((*THING, "id"), ...),
    "the object's id too long": ((*THING, "id"), "x" * 256),
    "the object's id with a NUL": ((*THING, "id"), "x\0"),
    "an object of another kind": ((*THING, "object"), "customer"),
    "an object of no kind": ((*THING, "object"), 7),
    "a list as metadata": ((*THING, "metadata"), ["qwoty_workspace"]),
    "a text as metadata": ((*THING, "metadata"), "ws-1"),
    "numbers in metadata": ((*THING, "metadata"), {"qwoty_workspace": 1, "qwoty_quote_id": 2}),
    "a list in metadata": ((*THING, "metadata"), {"qwoty_workspace": "ws-1", "qwoty_quote_id": ["q-1"]}),
    "a NUL in metadata": ((*THING, "metadata"), {"qwoty_workspace": "ws-1", "qwoty_quote_id": "q-1\0"}),
    "half a character in metadata": ((*THING, "metadata"), {"qwoty_workspace": "ws-1", "qwoty_quote_id": "\udfff"}),
    "a very long text in metadata": ((*THING, "metadata"), {"qwoty_workspace": "ws-1", "qwoty_quote_id": "x" * 501}),
    "deep below the object": ((*THING, "more"), nested(100)),
    "no number where nobody looks": ((*THING, "more"), float("nan")),
    "a number without an end where nobody looks": ((*THING, "more"), float("inf")),
}
OF_SOME: dict[str, tuple[str, tuple[str, ...], Any]] = {
    "a number as payment": ("checkout.session.completed", (*THING, "payment_intent"), 7),
    "a number as invoice": ("checkout.session.completed", (*THING, "client_reference_id"), 7),
    "a list as status": ("checkout.session.completed", (*THING, "payment_status"), ["paid"]),
    "no status of the payment": ("checkout.session.completed", (*THING, "payment_status"), ...),
    "a currency that is none": ("checkout.session.completed", (*THING, "currency"), "e"),
    "an invoice that is an object": ("invoice_payment.paid", (*THING, "invoice"), {"id": "in_1"}),
    "a payment that is a text": ("invoice_payment.paid", (*THING, "payment"), "pi_1"),
    "a payment that names a number": ("invoice_payment.paid", (*THING, "payment"), {"payment_intent": 7}),
    "an amount that is a text": ("charge.refunded", (*THING, "amount_refunded"), "50"),
    "an amount that is a float": ("charge.refunded", (*THING, "amount_refunded"), 50.0),
    "an amount that is no number": ("charge.refunded", (*THING, "amount_refunded"), float("nan")),
    "an amount that is a bool": ("charge.refunded", (*THING, "amount_refunded"), True),
    "a negative amount": ("charge.refunded", (*THING, "amount_refunded"), -1),
    "an amount without an end": ("charge.refunded", (*THING, "amount"), 10**4000),
    "no amount": ("charge.refunded", (*THING, "amount"), ...),
    "no currency": ("charge.refunded", (*THING, "currency"), ...),
}


def test_a_malformed_signed_event_is_refused_and_starts_no_run_or_alert(linked_example: Any) -> None:
    before, examples = blamed(linked_example), things(linked_example)
    events = {
        f"{name}, {kind}": changed(an_event(thing, kind, id=f"evt_{next(ids)}"), *row)
        for kind, thing in examples.items()
        for name, row in ROWS.items()
    }
    events |= {
        name: changed(an_event(examples[kind], kind, id=f"evt_{next(ids)}"), way, value)
        for name, (kind, way, value) in OF_SOME.items()
    }

    answers = {name: deliver(linked_example, event) for name, event in events.items()}

    assert {name: (a.status_code, a.json()["code"]) for name, a in answers.items() if a.status_code != 400} == {}
    assert {answer.json()["code"] for answer in answers.values()} == {"no_event"}
    linked_example.work()
    assert blamed(linked_example) == before


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"7",
        b"{}",
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{}",
        '{"id":"evt_1"}'.encode("utf-16"),
        b'{"id": "evt_1", "type": "x"}',
        b"[" * 100_000,
        DEEP + b"[" * 400 + b"]" * 400 + b"}}}",
        DEEP + b"[" * 100_000 + b"]" * 100_000 + b"}}}",
        DEEP + b"9" * 5000 + b"}}}",
    ],
    ids=lambda body: repr(body[:12]) + str(len(body)),
)
def test_a_signed_body_that_is_no_event_is_refused_and_starts_no_run_or_alert(linked_example: Any, body: bytes) -> None:
    before = blamed(linked_example)

    answer = deliver(linked_example, None, raw=body)

    assert (answer.status_code, answer.json()["code"]) == (400, "no_event")
    linked_example.work()
    assert blamed(linked_example) == before


def test_a_body_in_another_encoding_does_not_count_as_a_wrong_secret(linked_example: Any) -> None:
    """Stripe cannot have signed such a body, so it does not show that our secret is wrong."""
    assert post(linked_example, b"\xff\xfe", "t=1,v1=x").json()["code"] == "no_event"
    assert blamed(linked_example)["secret"] == []


@pytest.mark.parametrize("kind", ["customer.created", "charge.dispute.created"])
def test_an_event_that_is_not_acted_on_is_checked_only_in_its_envelope(linked_example: Any, kind: str) -> None:
    """Stripe may add fields to its objects. Stripe would switch off an endpoint that refused them."""
    thing = {"object": 7, "metadata": ["x"], "amount": "much", "payment": "pi_1"}

    assert deliver(linked_example, an_event(thing, kind)).json() == {"received": "ignored"}


def test_a_strangers_subscription_in_the_same_account_is_ignored(linked_example: Any) -> None:
    thing = {"id": "cs_test_s", "object": "checkout.session", "mode": "subscription", "payment_status": "paid",
             "payment_intent": None, "amount_total": None, "metadata": None, "status": None}  # fmt: skip

    assert deliver(linked_example, an_event(thing, "checkout.session.completed")).json() == {"received": "ignored"}


def test_a_charge_without_a_payment_is_ignored(linked_example: Any) -> None:
    thing = things(linked_example)["charge.refunded"] | {"payment_intent": None}

    assert deliver(linked_example, an_event(thing, "charge.refunded")).json() == {"received": "ignored"}


@pytest.mark.parametrize("number", ["²", "-1", "", "1e3", "9" * 400, "x"])
def test_an_installment_that_is_no_number_is_ignored(linked_example: Any, number: str) -> None:
    thing = things(linked_example)["charge.refunded"]
    thing = thing | {"metadata": {**thing["metadata"], "qwoty_installment": number}}

    assert deliver(linked_example, an_event(thing, "charge.refunded")).json() == {"received": "stored"}
    linked_example.work()

    assert [run["status"] for run in webhook_runs(linked_example, "q-1")] == ["succeeded"]
    assert [part["amount_refunded"] for part in linked_example.quote("q-1")["installments"]] == [None] * 4


# -- any shape --------------------------------------------------------------------------------------

texts = st.text(max_size=8) | st.sampled_from(["\0", "\ud800", "x" * 300, "ws-1", "q-1", "paid", "²", "../x", "eur"])
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
) | st.integers(60, 200).map(nested)


def ways_in(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of each place in a document."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield (*way, name)
            yield from ways_in(inner, (*way, name))


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.generate],
)
@given(data=st.data())
def test_any_signed_event_is_accepted_or_refused_and_breaks_no_run(linked_example: Any, data: st.DataObject) -> None:
    kind, thing = data.draw(st.sampled_from(sorted(things(linked_example).items(), key=lambda pair: pair[0])))
    event = an_event(thing, kind, id=f"evt_{next(ids)}")
    for _ in range(data.draw(st.integers(1, 3))):
        way = data.draw(st.sampled_from(list(ways_in(event))))
        with suppress(KeyError):  # an earlier change removed this place
            event = changed(event, way, data.draw(anything))

    answer = deliver(linked_example, event)

    assert answer.status_code in {200, 400}, event
    linked_example.work()
    assert {run["error"]["code"] for run in webhook_runs(linked_example, "q-1") if run["error"]} <= EXPECTED, event


#: A signed event may name objects that Stripe does not know. Then a run ends with one of these codes.
EXPECTED = {"stripe_refused", "payment_not_attached", "overpaid", "business_unit_missing"}


# -- Stripe is asked first --------------------------------------------------------------------------


def open_sessions(bench: Any) -> list[str]:
    return [session["id"] for session in bench.stripe.objects("sessions") if session["status"] == "open"]


@pytest.mark.parametrize("kind", ["invoice.paid", "invoice.voided", "invoice.marked_uncollectible", "invoice.overpaid"])
@pytest.mark.parametrize("said", ["paid", "void"])
def test_an_event_that_says_paid_closes_no_link_of_an_open_invoice(linked_example: Any, kind: str, said: str) -> None:
    link, before = open_sessions(linked_example), figures(linked_example, "q-1")
    (invoice,) = linked_example.stripe.objects("invoices")

    thing = invoice | {"status": said, "amount_paid": invoice["amount_due"], "amount_remaining": 0}
    assert deliver(linked_example, an_event(thing, kind)).json() == {"received": "stored"}
    linked_example.work()

    (run,) = webhook_runs(linked_example, "q-1")
    assert (run["status"], run["outcome"]["notes"]) == ("succeeded", [f"{kind}: the invoice is unpaid."])
    assert open_sessions(linked_example) == link
    assert (figures(linked_example, "q-1"), parts(linked_example, "status", "q-1")[0]) == (before, "sent")
    linked_example.pay(first_link(linked_example))
    assert parts(linked_example, "status", "q-1")[0] == "paid", "the customer could still pay"


@pytest.mark.parametrize("kind", ["invoice.marked_uncollectible", "invoice_payment.paid", "invoice.paid"])
def test_the_links_of_a_paid_invoice_are_closed_whatever_the_event_is_called(linked_example: Any, kind: str) -> None:
    linked_example.stripe.config.update(webhooks_held=True)
    linked_example.stripe.pay_hosted(linked_example.stripe.objects("invoices")[0]["id"])

    deliver(
        linked_example, an_event(things(linked_example)["invoice.paid" if kind.startswith("invoice.") else kind], kind)
    )
    linked_example.work()

    assert open_sessions(linked_example) == []
    assert figures(linked_example, "q-1") == ("paid", "9102.00", "0.00")


def test_no_link_is_closed_when_stripe_cannot_be_asked(linked_example: Any) -> None:
    linked_example.stripe.faults.add("403", method="GET", path="/v1/invoices", times=50)
    link = open_sessions(linked_example)

    deliver(linked_example, an_event(things(linked_example)["invoice.paid"], "invoice.paid"))
    linked_example.work()

    (run,) = webhook_runs(linked_example, "q-1")
    assert (run["status"], run["error"]["code"]) == ("needs_attention", "permission_missing")
    assert open_sessions(linked_example) == link


def test_an_event_that_says_failed_does_not_change_an_open_link(linked_example: Any) -> None:
    kind = "checkout.session.async_payment_failed"

    deliver(linked_example, an_event(things(linked_example)[kind], kind))
    linked_example.work()

    assert (parts(linked_example, "status", "q-1")[0], webhook_runs(linked_example, "q-1")[0]["status"]) == (
        "sent",
        "succeeded",
    )


def test_an_event_that_says_paid_credits_only_what_stripe_shows_as_paid(linked_example: Any) -> None:
    thing = things(linked_example)["checkout.session.completed"] | {
        "payment_status": "paid",
        "payment_intent": "pi_forged",
    }

    deliver(linked_example, an_event(thing, "checkout.session.completed"))
    linked_example.work()

    assert (figures(linked_example, "q-1")[0], parts(linked_example, "status", "q-1")[0]) == ("unpaid", "sent")
    assert linked_example.posts("/attach_payment") == []


def test_an_old_signature_is_refused_before_the_body_is_read(linked_example: Any) -> None:
    body = json.dumps(an_event(things(linked_example)["invoice.paid"], "invoice.paid")).encode()
    at = int(linked_example.clock.now().timestamp()) - 301
    secret = linked_example.stripe.world.states()[0].endpoint_secrets[
        linked_example.stripe.objects("endpoints")[0]["id"]
    ][0]

    assert post(linked_example, body, f"t={at},v1={v1_of(body, secret, at)}").json()["code"] == "wrong_time"
    assert endpoint_url(linked_example).startswith("http")
