"""Who is billed, and which Stripe customer that is: saved id, own map, search, e-mail, or a new one."""

from __future__ import annotations

from typing import Any

import pytest

from builders import EMAIL, LINK, a_quote, loaded
from qwoty_integrations_host import NeedsAttention
from qwoty_stripe_invoice.customers import billing_contact

CONTACT = {"id": "c-1"}


def a_customer(v1: Any, **params: Any) -> str:
    return str(v1.customers.create(params={"name": "Found", "email": "ana@buyer.example", **params}).id)


def ours(v1: Any, **params: Any) -> str:
    return a_customer(v1, metadata={"qwoty_contact": "c-1"}, **params)


def with_saved(customer: str, **contact: Any) -> dict[str, Any]:
    return a_quote(contact={"external_ids": {"accounting": customer}, **contact})


def billed(bench: Any, quote: dict[str, Any]) -> str:
    run = bench.accept(quote)
    assert run["status"] == "succeeded", run
    return str(run["outcome"]["customer_id"])


def asked(bench: Any) -> list[tuple[str, str]]:
    return [(r.method, r.path) for r in bench.stripe.requests if r.path.startswith("/v1/customers")]


# -- who ---------------------------------------------------------------------------------------------


def person(id: str, *role: str, email: str | None = "x@buyer.example") -> dict[str, Any]:
    return {"id": id, "first_name": id, "email": email, "role": list(role)}


@pytest.mark.parametrize(
    ("people", "chosen"),
    [
        ([person("a", "buyer"), person("b", "billing")], "b"),
        ([person("a", "buyer"), person("b", "signer")], "b"),
        ([person("a", "decision_maker"), person("b", "buyer")], "b"),
        ([person("a", "legal"), person("b", "legal")], "a"),
        ([person("a", "billing", email=None), person("b", "legal")], "b"),
        ([person("a", "billing"), person("b", "billing")], "a"),
        ([person("a", email=None), person("b", email=None)], "a"),
    ],
    ids=["billing", "signer", "buyer", "first", "who can be reached", "first of two", "nobody can be reached"],
)
def test_the_billing_contact_is_chosen_by_role_among_those_with_an_email(
    people: list[dict[str, Any]], chosen: str
) -> None:
    quote = a_quote()
    quote["customer"]["contacts"] = people

    assert billing_contact(loaded(quote)).id == chosen


def test_a_quote_without_contacts_needs_attention() -> None:
    quote = a_quote()
    quote["customer"]["contacts"] = []

    with pytest.raises(NeedsAttention) as refused:
        billing_contact(loaded(quote))

    assert refused.value.code == "contact_missing"


# -- the saved id ------------------------------------------------------------------------------------


def test_the_saved_customer_is_used_after_one_look(bench: Any, v1: Any) -> None:
    customer = a_customer(v1, email="other@buyer.example")
    bench.enable()
    bench.stripe.requests.reset()

    assert billed(bench, with_saved(customer)) == customer

    assert asked(bench) == [("GET", f"/v1/customers/{customer}")]


def test_an_existing_customers_data_is_never_overwritten(bench: Any, v1: Any) -> None:
    customer = a_customer(v1, name="As the accountant wrote it")
    bench.enable()

    billed(bench, with_saved(customer))

    (found,) = bench.stripe.objects("customers")
    assert (found["id"], found["name"], found["metadata"]) == (customer, "As the accountant wrote it", {})


def test_a_deleted_saved_customer_counts_as_no_match(bench: Any, v1: Any) -> None:
    gone = a_customer(v1)
    v1.customers.delete(gone)
    bench.enable()

    new = billed(bench, with_saved(gone))

    assert new != gone
    assert bench.quote("q-7")["saved_ids"]["contacts"] == {"c-1": new}


def test_a_saved_customer_of_another_account_counts_as_no_match(bench: Any) -> None:
    bench.enable()

    new = billed(bench, with_saved("cus_ofAnotherAccount"))

    assert [c["id"] for c in bench.stripe.objects("customers")] == [new]


@pytest.mark.parametrize("foreign", ["411000", "CUST-1", "in_123", "cus-1"])
def test_what_is_no_customer_id_is_never_asked_for(bench: Any, foreign: str) -> None:
    bench.enable()

    assert billed(bench, with_saved(foreign)).startswith("cus_")

    assert not any(foreign in path for _, path in asked(bench))


def test_another_systems_id_is_left_as_it_is_and_said_once(bench: Any) -> None:
    bench.enable()

    runs = [bench.accept(with_saved("411000") | {"id": f"q-{number}"}) for number in (1, 2)]

    assert bench.quote("q-2")["saved_ids"]["contacts"] == {}
    said = "The accounting id of contact 'c-1' is another system's; it is left as it is."
    assert [run["outcome"]["notes"].count(said) for run in runs] == [1, 0]
    assert runs[0]["outcome"]["customer_id"] == runs[1]["outcome"]["customer_id"]


# -- own map, search, e-mail -------------------------------------------------------------------------


def test_the_own_map_is_asked_before_any_search_when_the_platform_hands_back_another_systems_id(bench: Any) -> None:
    bench.enable()
    first = billed(bench, a_quote(id="q-1"))
    with bench.host.store.write() as db:
        db.exec_driver_sql("UPDATE external_ids SET value = '411000'")
    bench.stripe.requests.reset()

    assert billed(bench, a_quote(id="q-2")) == first

    assert asked(bench) == [("GET", f"/v1/customers/{first}")]


def test_a_customer_is_found_by_the_contacts_id(bench: Any, v1: Any) -> None:
    customer = ours(v1, email="old@buyer.example")
    a_customer(v1)
    bench.enable()

    assert billed(bench, a_quote()) == customer


def test_a_search_hit_that_differs_in_case_is_not_the_contact(bench: Any, v1: Any) -> None:
    ours(v1, email="somebody@else.example")
    bench.enable()

    new = billed(bench, a_quote(contact={"id": "C-1"}))

    assert bench.stripe.objects("customers")[1]["id"] == new


def test_a_contact_id_with_quotes_is_searched_for_safely(bench: Any, v1: Any) -> None:
    customer = a_customer(v1, email="old@buyer.example", metadata={"qwoty_contact": "o'ne\\two"})
    bench.enable()

    assert billed(bench, a_quote(contact={"id": "o'ne\\two"})) == customer


def test_while_search_lags_behind_the_email_finds_the_customer(bench: Any, v1: Any) -> None:
    bench.stripe.config.update(search_lag_seconds=3600.0)
    customer = ours(v1)
    bench.enable()

    assert billed(bench, a_quote()) == customer


def test_a_key_that_may_not_search_lists_by_email(bench: Any, v1: Any) -> None:
    bench.stripe.config.update(search_refused_to_restricted_keys=True)
    bench.stripe.add_key("rk_test_Restricted001", permissions=["customer_write", "invoice_write", "tax_rate_write"])
    customer = a_customer(v1)
    bench.enable(workspace_api_token="rk_test_Restricted001")

    assert billed(bench, a_quote()) == customer


@pytest.mark.parametrize("fault", [("404", None), ("unknown_parameter", None)], ids=["404", "400"])
def test_where_search_does_not_exist_the_list_does(bench: Any, v1: Any, fault: tuple[str, None]) -> None:
    customer = a_customer(v1)
    bench.stripe.faults.add(fault[0], method="GET", path="/v1/customers/search")
    bench.enable()

    assert billed(bench, a_quote()) == customer


@pytest.mark.parametrize("written", ["ana@buyer.example", "ANA@Buyer.Example"])
def test_the_email_is_asked_for_as_written_and_in_lower_case(bench: Any, v1: Any, written: str) -> None:
    customer = a_customer(v1, email="ana@buyer.example")
    bench.enable()

    assert billed(bench, a_quote(contact={"email": written})) == customer


def test_an_email_written_in_capitals_at_stripe_is_found_as_written(bench: Any, v1: Any) -> None:
    customer = a_customer(v1, email="Ana@Buyer.example")
    bench.enable()

    assert billed(bench, a_quote(contact={"email": "Ana@Buyer.example"})) == customer


@pytest.mark.parametrize(
    ("at_stripe", "written"),
    [
        pytest.param("Ana@Buyer.Example", "ana@buyer.example", id="capitals at Stripe only"),
        pytest.param("Ana@Buyer.example", "ANA@buyer.example", id="other capitals at Stripe"),
    ],
)
def test_an_email_written_otherwise_at_stripe_is_found_as_well(
    bench: Any, v1: Any, at_stripe: str, written: str
) -> None:
    customer = a_customer(v1, email=at_stripe)
    bench.enable()

    assert billed(bench, a_quote(contact={"email": written})) == customer


def test_of_several_customers_with_one_email_the_contacts_own_is_preferred(bench: Any, v1: Any) -> None:
    bench.stripe.config.update(search_lag_seconds=3600.0)
    a_customer(v1)
    customer = ours(v1)
    a_customer(v1)
    bench.enable()

    run = bench.accept(a_quote())

    assert run["outcome"]["customer_id"] == customer
    assert not any("have this e-mail" in note for note in run["outcome"]["notes"])


def test_of_several_strangers_with_one_email_the_oldest_is_used_and_said_so(bench: Any, v1: Any) -> None:
    oldest = a_customer(v1)
    bench.stripe.clock.advance(60)
    a_customer(v1)
    bench.enable()

    run = bench.accept(a_quote())

    assert run["outcome"]["customer_id"] == oldest
    assert any("2 Stripe customers" in note and oldest in note for note in run["outcome"]["notes"])


def test_of_two_strangers_made_in_one_second_the_first_is_the_oldest(bench: Any, v1: Any) -> None:
    oldest, second = a_customer(v1), a_customer(v1)
    bench.enable()

    assert billed(bench, a_quote()) == oldest != second


def test_a_deleted_customer_is_not_found_by_email(bench: Any, v1: Any) -> None:
    gone = a_customer(v1)
    v1.customers.delete(gone)
    bench.enable()

    assert billed(bench, a_quote()) != gone


# -- a new one ---------------------------------------------------------------------------------------


def test_a_new_customer_carries_name_email_address_company_and_metadata(bench: Any) -> None:
    bench.enable()
    quote = a_quote(language="fr")
    quote["customer"]["billing_address"] |= {"line2": None, "country": "France", "state": "Rhône"}

    new = billed(bench, quote)

    (found,) = bench.stripe.objects("customers")
    assert found["id"] == new
    assert (found["name"], found["email"], found["business_name"]) == ("Ana Diaz", "ana@buyer.example", "Buyer SARL")
    assert found["address"] == {
        "line1": "2 rue B",
        "line2": None,
        "city": "Lyon",
        "state": "Rhône",
        "postal_code": "69001",
        "country": "FR",
    }
    assert found["preferred_locales"] == ["fr"]
    assert found["metadata"] == {"qwoty_workspace": "ws-1", "qwoty_contact": "c-1", "qwoty_customer": "cust-1"}


@pytest.mark.parametrize(
    ("country", "sent", "notes"),
    [
        ({"country": "France", "country_code": None}, "FR", []),
        ({"country": "France", "country_code": "DE"}, "DE", []),
        ({"country": "UK"}, "GB", []),
        (
            {"country": "Atlantis"},
            None,
            ["The country 'Atlantis' of the customer's address is not understood: Stripe's customer has none."],
        ),
        (
            {"country_code": "EU"},
            None,
            ["The country 'EU' of the customer's address is not understood: Stripe's customer has none."],
        ),
        ({}, None, []),
    ],
)
def test_the_country_is_sent_as_a_code_or_not_at_all(
    bench: Any, country: dict[str, Any], sent: str | None, notes: list[str]
) -> None:
    bench.enable()
    quote = a_quote()
    quote["customer"]["billing_address"] = {"city": "Lyon", **country}

    run = bench.accept(quote)

    assert run["status"] == "succeeded", run
    assert bench.stripe.objects("customers")[0]["address"]["country"] == sent
    assert [note for note in run["outcome"]["notes"] if "country" in note] == notes


def test_a_person_has_no_company_name(bench: Any) -> None:
    bench.enable()
    quote = a_quote()
    quote["customer"] |= {"type": "individual", "name": "Ana Diaz"}

    billed(bench, quote)

    assert bench.stripe.objects("customers")[0]["business_name"] is None
    assert [f["name"] for f in bench.stripe.objects("invoices")[0]["custom_fields"]] == ["Quote"]


def test_the_company_is_also_on_the_invoice(bench: Any) -> None:
    bench.enable()

    billed(bench, a_quote())

    (invoice,) = bench.stripe.objects("invoices")
    assert invoice["custom_fields"] == [
        {"name": "Quote", "value": "N-q-7"},
        {"name": "Company", "value": "Buyer SARL"},
    ]


@pytest.mark.parametrize(
    ("contact", "name"),
    [
        ({"first_name": None, "last_name": None}, "Buyer SARL"),
        ({"first_name": "Ana", "last_name": None}, "Ana"),
        ({"first_name": "x" * 300, "last_name": None}, "x" * 256),
    ],
    ids=["no name", "one name", "too long"],
)
def test_the_name_is_what_there_is_and_what_stripe_takes(bench: Any, contact: dict[str, Any], name: str) -> None:
    bench.enable()

    billed(bench, a_quote(contact=contact))

    assert bench.stripe.objects("customers")[0]["name"] == name


def test_a_contact_without_email_gets_a_customer_without_email(bench: Any) -> None:
    bench.enable()

    billed(bench, a_quote(contact={"email": None}))

    assert bench.stripe.objects("customers")[0]["email"] is None


@pytest.mark.parametrize("fault", ["cut_after", "500_after", "500_before", "cut_before"])
def test_a_lost_answer_makes_no_second_customer_even_without_an_email_to_look_for(bench: Any, fault: str) -> None:
    bench.stripe.config.update(search_lag_seconds=3600.0)
    bench.stripe.faults.add(fault, method="POST", path="/v1/customers")
    bench.enable()

    billed(bench, a_quote(contact={"email": None}))

    assert len(bench.stripe.objects("customers")) == 1


# -- remembered --------------------------------------------------------------------------------------


def test_the_id_is_saved_on_the_contact_and_handed_back_to_the_next_quote(bench: Any) -> None:
    bench.enable()
    first = billed(bench, a_quote(id="q-1"))
    assert bench.quote("q-1")["saved_ids"]["contacts"] == {"c-1": first}
    bench.stripe.requests.reset()

    assert billed(bench, a_quote(id="q-2")) == first

    assert asked(bench) == [("GET", f"/v1/customers/{first}")]


def test_two_quotes_of_one_new_contact_queued_at_once_make_one_customer(bench: Any) -> None:
    bench.enable()
    bench.host.runs.acceptance.accept("ws-1", a_quote(id="q-1"))
    bench.host.runs.acceptance.accept("ws-1", a_quote(id="q-2"))

    bench.work()

    assert len(bench.stripe.objects("customers")) == 1
    assert len(bench.stripe.objects("invoices")) == 2


def test_a_customer_deleted_after_we_made_it_is_made_anew_although_stripe_replays(bench: Any, v1: Any) -> None:
    bench.enable()
    first = billed(bench, a_quote(id="q-1"))
    v1.customers.delete(first)

    second = billed(bench, a_quote(id="q-2"))

    v1.customers.delete(second)
    third = billed(bench, a_quote(id="q-3"))
    assert len({first, second, third}) == 3
    assert bench.quote("q-3")["saved_ids"]["contacts"] == {"c-1": third}


def test_each_workspace_keeps_its_own_map(bench: Any) -> None:
    bench.enable()
    bench.stripe.add_key("sk_test_OtherAccount01", account="acct_other")
    bench.enable("ws-2", workspace_api_token="sk_test_OtherAccount01")

    billed(bench, a_quote())
    run = bench.accept(a_quote(), workspace="ws-2")

    assert run["status"] == "succeeded", run
    assert len(bench.stripe.objects("customers", account="acct_other")) == 1


def test_a_contact_of_another_workspace_with_the_same_id_is_another_customer(bench: Any) -> None:
    for workspace in ("ws-1", "ws-2"):
        bench.enable(workspace, **EMAIL)
    bench.accept(a_quote(contact={"id": "1", "email": "ana@buyer.example"}))

    run = bench.accept(a_quote(contact={"id": "1", "email": "bob@other.example"}), "ws-2")

    assert run["status"] == "succeeded", run
    assert [sent["to"] for sent in bench.stripe.objects("sent")] == ["ana@buyer.example", "bob@other.example"]


# -- whose it is -------------------------------------------------------------------------------------


def made_for(v1: Any, contact: str, company: str, workspace: str = "ws-1", **params: Any) -> str:
    metadata = {"qwoty_workspace": workspace, "qwoty_contact": contact, "qwoty_customer": company}
    return a_customer(v1, metadata=metadata, **params)


def of_company(company: str, contact: str, id: str, **person: Any) -> dict[str, Any]:
    quote = a_quote(id=id, contact={"id": contact, **person})
    quote["customer"] |= {"id": company, "name": company}
    return quote


def notes_of(run: dict[str, Any]) -> list[str]:
    assert run["status"] == "succeeded", run
    return list(run["outcome"]["notes"])


@pytest.mark.parametrize(
    ("workspace", "company", "whose"),
    [("ws-1", "cust-2", "another company's"), ("ws-2", "cust-1", "another workspace's")],
)
@pytest.mark.parametrize("email", ["ana@buyer.example", "ANA@buyer.example"])
@pytest.mark.parametrize("is_saved", [False, True], ids=["found by e-mail", "saved"])
def test_a_customer_of_somebody_else_is_not_used_and_the_first_run_says_so(
    bench: Any, v1: Any, workspace: str, company: str, whose: str, email: str, is_saved: bool
) -> None:
    theirs = made_for(v1, "c-9", company, workspace, email=email)
    before = bench.stripe.objects("customers")
    bench.enable()
    contact = {"external_ids": {"accounting": theirs}} if is_saved else {}

    first = bench.accept(a_quote(id="q-1", contact=contact))
    second = bench.accept(a_quote(id="q-2"))

    said = f"The Stripe customer {theirs} is {whose}: this quote has one of its own."
    assert (notes_of(first).count(said), notes_of(second).count(said)) == (1, 0)
    assert first["outcome"]["customer_id"] == second["outcome"]["customer_id"] != theirs
    assert [c for c in bench.stripe.objects("customers") if c["id"] == theirs] == before
    assert bench.quote("q-2")["saved_ids"]["contacts"] == {"c-1": first["outcome"]["customer_id"]}


def test_contacts_of_two_companies_with_one_email_are_two_customers_each_with_its_address(bench: Any) -> None:
    bench.enable(**EMAIL)
    alpha = of_company("cust_A", "cA", "q-1", email="billing@agency.example")
    beta = of_company("cust_B", "cB", "q-2", email="billing@agency.example")
    beta["customer"]["billing_address"] = {"city": "Berlin", "country": "France", "country_code": "DE"}

    found = [billed(bench, quote) for quote in (alpha, beta)]

    made = {c["id"]: (c["business_name"], c["address"]["country"]) for c in bench.stripe.objects("customers")}
    assert [made[customer] for customer in found] == [("cust_A", "FR"), ("cust_B", "DE")]
    assert [billed(bench, quote | {"id": quote["id"] + "-again"}) for quote in (alpha, beta)] == found


def test_a_contact_that_changed_to_another_company_is_another_customer(bench: Any) -> None:
    bench.enable()

    first = billed(bench, of_company("cust_A", "c-1", "q-1"))
    second = bench.accept(of_company("cust_B", "c-1", "q-2"))

    assert second["outcome"]["customer_id"] != first
    assert f"The Stripe customer {first} is another company's: this quote has one of its own." in notes_of(second)
    assert billed(bench, of_company("cust_A", "c-1", "q-3")) == first, "found again by its metadata"


def test_a_customer_of_another_company_is_passed_over_for_one_that_is_nobodys(bench: Any, v1: Any) -> None:
    made_for(v1, "c-9", "cust-2")
    free = a_customer(v1)
    made_for(v1, "c-8", "cust-3")
    bench.enable()

    run = bench.accept(a_quote())

    assert run["outcome"]["customer_id"] == free
    assert not [note for note in notes_of(run) if "Stripe customer" in note and "has no address" not in note]


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


def test_two_contacts_whose_ids_look_like_each_others_email_do_not_wait_for_each_other(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[str] = []
    hold = bench.host.integrations.contexts.locks.hold

    def noted(name: str) -> Any:
        held.append(name)
        return hold(name)

    monkeypatch.setattr(type(bench.host.integrations.contexts.locks), "hold", lambda _, name: noted(name))
    bench.enable()

    for mine, other in (("a@x.example", "b@x.example"), ("b@x.example", "a@x.example")):
        contact = {"id": f"e-mail:{other}", "email": mine}
        billed(bench, a_quote(id=mine, contact=contact))

    names = [name for name in held if "/customer" in name]
    assert len(names) == len(set(names)) == 4


def test_contact_and_email_are_locked_in_one_order(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[str] = []
    hold = bench.host.integrations.contexts.locks.hold

    def noted(name: str) -> Any:
        held.append(name)
        return hold(name)

    monkeypatch.setattr(type(bench.host.integrations.contexts.locks), "hold", lambda _, name: noted(name))
    bench.enable()

    for number, email in enumerate(("ana@buyer.example", "ANA@Buyer.example")):
        billed(bench, a_quote(id=f"q-{number}", contact={"id": f"c-{number}", "email": email}))

    names = [name.split("/")[-1].split(":") for name in held if "/customer" in name]
    assert [(kind, who) for kind, _, who in names] == [
        ("customer", "c-0"),
        ("customer_email", "ana@buyer.example"),
        ("customer", "c-1"),
        ("customer_email", "ana@buyer.example"),
    ]


# -- what it says ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("contact", "changed", "note"),
    [
        (
            {"email": "new@buyer.example"},
            {"email": "new@buyer.example"},
            "The Stripe customer's e-mail address is now the contact's, 'new@buyer.example'; it was 'ana@buyer.example'.",
        ),
        (
            {"last_name": "Dupont"},
            {"name": "Ana Dupont"},
            "The Stripe customer's name is now the contact's, 'Ana Dupont'; it was 'Ana Diaz'.",
        ),
        (
            {"phone": "+33 1 23"},
            {"phone": "+33 1 23"},
            "The Stripe customer's phone number is now the contact's, '+33 1 23'; it had none.",
        ),
        ({"email": "ANA@buyer.example"}, {}, None),
        ({"first_name": " Ana ", "phone": None}, {}, None),
        ({"email": None}, {}, None),
    ],
)
def test_a_customer_that_we_made_follows_its_contact(
    bench: Any, contact: dict[str, Any], changed: dict[str, Any], note: str | None
) -> None:
    bench.enable()
    billed(bench, a_quote(id="q-1"))
    (before,) = bench.stripe.objects("customers")
    bench.stripe.requests.reset()

    run = bench.accept(a_quote(id="q-2", contact=contact))

    assert bench.stripe.objects("customers") == [before | changed]
    assert [one for one in notes_of(run) if "Stripe customer" in one] == ([note] if note else [])
    customer = f"/v1/customers/{before['id']}"
    assert asked(bench) == [("GET", customer), *([("POST", customer)] if changed else [])]


def test_company_language_and_address_follow_the_quote_in_one_update(bench: Any) -> None:
    bench.enable()
    billed(bench, a_quote(id="q-1"))
    moved = a_quote(id="q-2", language="fr")
    moved["customer"] |= {"name": "Buyer SAS", "billing_address": {"city": "Genève", "country": "Suisse"}}

    run = bench.accept(moved)

    (found,) = bench.stripe.objects("customers")
    nothing = dict.fromkeys(("line1", "line2", "state", "postal_code"))
    assert found["address"] == {**nothing, "city": "Genève", "country": "CH"}
    assert (found["business_name"], found["preferred_locales"]) == ("Buyer SAS", ["fr"])
    assert [note for note in notes_of(run) if "Stripe customer" in note] == [
        "The Stripe customer's company name is now the contact's, 'Buyer SAS'; it was 'Buyer SARL'.",
        "The Stripe customer's address is now the quote's, 'Genève, CH'; it was '2 rue B, Lyon, 69001, FR'.",
        "The Stripe customer's language is now the quote's, 'fr'; it was 'en'.",
    ]
    assert len(bench.posts(f"/v1/customers/{found['id']}")) == 1
    assert not [note for note in notes_of(bench.accept(moved | {"id": "q-3"})) if "Stripe customer" in note]


def test_what_changes_there_and_back_is_changed_each_time(bench: Any) -> None:
    bench.enable()

    for number, name in enumerate(("Ana", "Bea", "Ana", "Bea")):
        billed(bench, a_quote(id=f"q-{number}", contact={"first_name": name}))
        bench.clock.advance(1)
        assert bench.stripe.objects("customers")[0]["name"] == f"{name} Diaz"


@pytest.mark.parametrize("fault", ["cut_after", "cut_before", "500_after", "500_before", "429"])
def test_a_lost_answer_to_the_update_loses_no_note(bench: Any, fault: str) -> None:
    bench.enable()
    billed(bench, a_quote(id="q-1"))
    bench.stripe.faults.add(fault, method="POST", path="/v1/customers/cus_")

    run = bench.accept(a_quote(id="q-2", contact={"first_name": "Bea"}))

    assert bench.stripe.objects("customers")[0]["name"] == "Bea Diaz"
    assert "The Stripe customer's name is now the contact's, 'Bea Diaz'; it was 'Ana Diaz'." in notes_of(run)


@pytest.mark.parametrize("whose", ["a stranger's", "a colleague's"])
def test_a_customer_that_others_made_is_never_changed_and_another_address_is_noted(
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
    assert [note for note in notes_of(run) if "Stripe customer" in note] == [said]


def test_an_address_that_says_nothing_else_is_not_noted(bench: Any, v1: Any) -> None:
    a_customer(v1, address={"line1": "2 RUE  B", "country": "FR"})
    bench.enable()

    assert not [note for note in notes_of(bench.accept(a_quote())) if "Stripe customer" in note]


def test_an_invoice_without_any_address_is_noted(bench: Any, v1: Any) -> None:
    customer = a_customer(v1)
    bench.enable()

    said = f"The Stripe customer {customer} has no address, so the invoice shows none."
    assert [note for note in notes_of(bench.accept(a_quote())) if "Stripe customer" in note] == [said]


@pytest.mark.parametrize("saved", [True, False])
def test_a_domain_in_other_letters_is_one_address_however_it_is_written(bench: Any, v1: Any, saved: bool) -> None:
    customer = a_customer(v1, email="info@münchen.example")
    quote = with_saved(customer) if saved else a_quote()
    quote["customer"]["contacts"][0]["email"] = "info@münchen.example"
    bench.enable(**EMAIL)

    run = bench.accept(quote)

    assert (run["status"], run["outcome"]["customer_id"]) == ("succeeded", customer), run
    assert len(bench.stripe.objects("customers")) == 1


def test_a_final_invoice_that_stripe_can_only_send_elsewhere_says_what_is_left_to_do(bench: Any) -> None:
    bench.stripe.faults.add("500_before", path="/send$", times=50)
    bench.enable(**EMAIL)
    run_id = bench.accept(a_quote())["id"]
    bench.stripe.faults.reset()
    bench.accept(a_quote(contact={"email": "new@buyer.example"}))

    run = bench.retry(run_id)

    (invoice,) = bench.stripe.objects("invoices")
    assert (invoice["status"], bench.stripe.objects("sent")) == ("open", [])
    assert run["error"]["hint"].startswith("A final invoice keeps its address: download its PDF")


def test_an_invoice_that_stripe_would_send_to_another_address_stays_a_draft(bench: Any, v1: Any) -> None:
    customer = a_customer(v1, email="old@buyer.example")
    bench.enable(**EMAIL)

    run = bench.accept(with_saved(customer))

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "email_differs")
    assert all(text in run["error"]["title"] for text in ("old@buyer.example", "ana@buyer.example", customer))
    assert [invoice["status"] for invoice in bench.stripe.objects("invoices")] == ["draft"]
    assert bench.stripe.objects("sent") == []

    v1.customers.update(customer, params={"email": "Ana@Buyer.example"})
    run = bench.retry(run["id"])

    assert run["status"] == "succeeded", run
    assert [sent["to"] for sent in bench.stripe.objects("sent")] == ["Ana@Buyer.example"]


def test_another_address_matters_only_where_stripe_sends_the_mail(bench: Any, v1: Any) -> None:
    customer = a_customer(v1, email="old@buyer.example")
    bench.enable(**LINK)

    run = bench.accept(with_saved(customer) | {"payment_terms": a_quote(installments=2)["payment_terms"]})

    assert run["status"] == "succeeded", run
    (mail,) = bench.mails()
    assert "To: ana@buyer.example" in mail.read_text("utf-8")
