"""Each company has its own Stripe customers: another company's is not used, and a stranger's is not changed."""

from __future__ import annotations

from typing import Any

import pytest

from builders import EMAIL, a_quote
from stripe_invoice.conftest import a_customer, billed, notes_of_success


def made_for(v1: Any, contact: str, company: str, workspace: str = "ws-1", **params: Any) -> str:
    metadata = {"qwoty_workspace": workspace, "qwoty_contact": contact, "qwoty_customer": company}
    return a_customer(v1, metadata=metadata, **params)


def of_company(company: str, contact: str, id: str, **fields: Any) -> dict[str, Any]:
    quote = a_quote(id=id, contact={"id": contact, **fields})
    quote["customer"] |= {"id": company, "name": company}
    return quote


@pytest.fixture
def held_locks(bench: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the locks that runs hold, in order."""
    held: list[str] = []
    hold = bench.host.integrations.contexts.locks.hold

    def noted(name: str) -> Any:
        held.append(name)
        return hold(name)

    monkeypatch.setattr(type(bench.host.integrations.contexts.locks), "hold", lambda _, name: noted(name))
    return held


@pytest.mark.parametrize(
    ("workspace", "company", "whose"),
    [("ws-1", "cust-2", "another company's"), ("ws-2", "cust-1", "another workspace's")],
)
@pytest.mark.parametrize("email", ["ana@buyer.example", "ANA@buyer.example"])
@pytest.mark.parametrize("is_saved", [False, True], ids=["found by e-mail", "saved"])
def test_a_customer_of_another_company_or_workspace_is_not_used_and_noted_once(
    bench: Any, v1: Any, workspace: str, company: str, whose: str, email: str, is_saved: bool
) -> None:
    theirs = made_for(v1, "c-9", company, workspace, email=email)
    before = bench.stripe.objects("customers")
    bench.enable()
    contact = {"external_ids": {"accounting": theirs}} if is_saved else {}

    first = bench.accept(a_quote(id="q-1", contact=contact))
    second = bench.accept(a_quote(id="q-2"))

    said = f"The Stripe customer {theirs} is {whose}: this quote has one of its own."
    assert (notes_of_success(first).count(said), notes_of_success(second).count(said)) == (1, 0)
    assert first["outcome"]["customer_id"] == second["outcome"]["customer_id"] != theirs
    assert [c for c in bench.stripe.objects("customers") if c["id"] == theirs] == before
    assert bench.quote("q-2")["saved_ids"]["contacts"] == {"c-1": first["outcome"]["customer_id"]}


def test_contacts_of_two_companies_with_one_email_are_two_customers(bench: Any) -> None:
    bench.enable(**EMAIL)
    alpha = of_company("cust_A", "cA", "q-1", email="billing@agency.example")
    beta = of_company("cust_B", "cB", "q-2", email="billing@agency.example")
    beta["customer"]["billing_address"] = {"city": "Berlin", "country": "France", "country_code": "DE"}

    found = [billed(bench, quote) for quote in (alpha, beta)]

    made = {c["id"]: (c["business_name"], c["address"]["country"]) for c in bench.stripe.objects("customers")}
    assert [made[customer] for customer in found] == [("cust_A", "FR"), ("cust_B", "DE")]
    assert [billed(bench, quote | {"id": quote["id"] + "-again"}) for quote in (alpha, beta)] == found


def test_a_contact_that_changes_its_company_becomes_another_customer(bench: Any) -> None:
    bench.enable()

    first = billed(bench, of_company("cust_A", "c-1", "q-1"))
    second = bench.accept(of_company("cust_B", "c-1", "q-2"))

    assert second["outcome"]["customer_id"] != first
    assert f"The Stripe customer {first} is another company's: this quote has one of its own." in notes_of_success(
        second
    )
    assert billed(bench, of_company("cust_A", "c-1", "q-3")) == first, "found again by its metadata"


def test_a_customer_without_a_company_is_preferred_to_another_companys(bench: Any, v1: Any) -> None:
    made_for(v1, "c-9", "cust-2")
    free = a_customer(v1)
    made_for(v1, "c-8", "cust-3")
    bench.enable()

    run = bench.accept(a_quote())

    assert run["outcome"]["customer_id"] == free
    assert not [note for note in notes_of_success(run) if "Stripe customer" in note and "has no address" not in note]


def test_two_contacts_of_one_company_with_one_email_are_one_customer(bench: Any, v1: Any) -> None:
    bench.enable()
    stranger = a_customer(v1, name="Stranger")
    v1.customers.delete(stranger)
    for number, email in enumerate(("ana@buyer.example", "Ana@Buyer.example")):
        bench.host.runs.acceptance.accept(
            "ws-1", a_quote(id=f"q-{number}", contact={"id": f"c-{number}", "email": email})
        )

    bench.work()

    assert len([c for c in bench.stripe.objects("customers") if not c.get("deleted")]) == 1


def test_contacts_whose_ids_look_like_email_locks_do_not_share_a_lock(bench: Any, held_locks: list[str]) -> None:
    bench.enable()

    for mine, other in (("a@x.example", "b@x.example"), ("b@x.example", "a@x.example")):
        contact = {"id": f"e-mail:{other}", "email": mine}
        billed(bench, a_quote(id=mine, contact=contact))

    names = [name for name in held_locks if "/customer" in name]
    assert len(names) == len(set(names)) == 4


def test_the_contact_is_locked_before_its_email_address(bench: Any, held_locks: list[str]) -> None:
    bench.enable()

    for number, email in enumerate(("ana@buyer.example", "ANA@Buyer.example")):
        billed(bench, a_quote(id=f"q-{number}", contact={"id": f"c-{number}", "email": email}))

    names = [name.split("/")[-1].split(":") for name in held_locks if "/customer" in name]
    assert [(kind, who) for kind, _, who in names] == [
        ("customer", "c-0"),
        ("customer_email", "ana@buyer.example"),
        ("customer", "c-1"),
        ("customer_email", "ana@buyer.example"),
    ]


@pytest.mark.parametrize("whose", ["a stranger's", "a colleague's"])
def test_a_customer_that_we_did_not_make_is_never_changed_and_a_different_address_is_noted(
    bench: Any, v1: Any, whose: str
) -> None:
    address = {"line1": "1 rue A", "city": "Lyon", "country": "FR"}
    made = a_customer if whose == "a stranger's" else lambda v1, **params: made_for(v1, "c-9", "cust-1", **params)
    customer = made(v1, name="As the accountant wrote it", address=address)
    bench.enable()

    run = bench.accept(a_quote())

    assert run["outcome"]["customer_id"] == customer
    assert bench.posts(f"/v1/customers/{customer}") == []
    said = f"The Stripe customer {customer} has another address than the quote; the invoice shows Stripe's."
    assert [note for note in notes_of_success(run) if "Stripe customer" in note] == [said]
