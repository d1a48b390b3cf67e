"""Everyday data on which comparable products failed, by public reports: each quote becomes its exact invoice or is refused.

The figures were calculated by hand. All quotes are accepted one after another in one workspace, so that later ones meet
the objects of earlier ones; once through the command line, once through the HTTP API.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from builders import EMAIL, KEY, LINK, a_line, a_quote, vat
from qwoty_integrations_host.cli import main
from qwoty_integrations_host.clock import ManualClock
from qwoty_integrations_host.testing import Workbench
from qwoty_integrations_host.testing.workbench import build_host
from qwoty_integrations_host.web.app import create_app
from stripe_simulator import StripeSimulator

DRAFT: dict[str, Any] = {}
OPEN = {"invoice_status": "open"}
PUBLIC_URL = "https://integrations.example.com"
#: The advice when the e-mail address is the reason. It must not mention an invoice, because there is none.
BY_ADDRESS = {"final": 0, "says": "e-mail", "never_says": "compare the invoice"}


@dataclass(frozen=True)
class Case:
    """A quote and its expected result.

    ``final``: how many of its invoices are final, one unless said. ``total`` and ``tax`` in minor units; ``rates`` are
    the names on the invoice, ``country`` is its customer's; ``to``, ``sender``, ``reply_to`` are those of its mails.
    """

    why: str
    quote: dict[str, Any]
    settings: dict[str, Any] = field(default_factory=lambda: OPEN)
    expected: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return str(self.quote["id"])


def quote(name: str, *lines: dict[str, Any], figures: str | None = None, **changes: Any) -> dict[str, Any]:
    """A quote of 100.00 with 20 % VAT for its own contact, unless given otherwise. ``figures`` are net, tax and total."""
    contact = {"id": f"contact-{name}", "email": f"{name}@buyer.example", **changes.pop("contact", {})}
    made = a_quote(*lines, id=changes.pop("id", name), contact=contact, **changes)
    if figures:
        words = ("net_amount", "tax_amount", "total_amount")
        made["summary"] = {"one_off": dict(zip(words, figures.split(), strict=True))}
    return made


def whole(name: str, currency: str, net: str, rate: str, tax: str) -> dict[str, Any]:
    taxes = [vat(rate, "HU")]
    return quote(name, a_line(net=net, taxes=taxes), figures=f"{net} {tax} {int(net) + int(tax)}", currency=currency)


def untyped(kind: str | None) -> dict[str, Any]:
    """A discount of 10 on a line without amounts from the platform."""
    given = {"type": kind, "value": "10", "amount": None}
    line = a_line(pricing={"model": "per_unit", "list_price": "1000.00"}, amounts=None, discount="0.00") | {
        "discount": given
    }
    return quote(f"discount-{kind}", line, summary=None)


def tax(name: str, rate: str, country: str, **changes: Any) -> dict[str, Any]:
    return {"id": name, "api_name": None, "name": name, "rate": rate, "country": country, **changes}


def company(name: str, country: str) -> dict[str, Any]:
    """A client of an agency that uses one address for all its clients."""
    made = quote(f"client-{name}", contact={"email": "billing@agency.example"})
    address = {"line1": "1 rue A", "city": "Lyon", "country": "France", "country_code": country}
    made["customer"] |= {"id": name, "name": name, "billing_address": address}
    return made


EXEMPT = tax("TVA exonérée art. 261", "0.0", "FR", api_name="exempt_fr_0")
REVERSED = tax("Autoliquidation art. 283", "0.0", "FR", api_name="reverse_fr_0")
LONG_NAME = "Northern Engineering, Installation and Maintenance Services (Dublin) Limited"
CASES = [
    Case(
        "tax names outside Latin-1 are no trouble: 100.00 + 9.00 + 9.00",
        quote("en-dash", a_line(taxes=[tax("CGST – 9 %", "9", "IN"), tax("SGST – 9 %", "9", "IN")])),
        expected={"total": 11800, "rates": ["CGST", "SGST"]},
    ),
    Case("a quote id may be outside Latin-1", quote("dash", id="devis–2026"), expected={"total": 12000}),
    Case("a contact id may be outside Latin-1", quote("polish", contact={"id": "Łukasz"}), expected={"total": 12000}),
    Case("a line id may be outside Latin-1", quote("line-id", a_line("ligne–1")), expected={"total": 12000}),
    Case(
        "an owner whose address is none is left out of the mail, and the customer is served",
        quote("owner", installments=1, owner={"id": "o1", "email": "max.sales"}),
        LINK,
        {"mails": 1, "reply_to": [], "says": "reply-to"},
    ),
    Case(
        "a domain with an umlaut goes out as its A-label",
        quote("umlaut", installments=1, contact={"email": "info@münchen.example"}),
        LINK,
        {"mails": 1, "to": ["info@xn--mnchen-3ya.example"]},
    ),
    Case(
        "a local part that not every server takes is said before anything is final",
        quote("local-part", installments=1, contact={"email": "jürgen@firma.example"}),
        LINK,
        {"mails": 0, "run": "needs_attention", **BY_ADDRESS},
    ),
    Case(
        "a sender whose name is long and has a comma stays one sender",
        quote("sender", installments=1, business_unit={"id": "bu_1", "name": LONG_NAME}),
        LINK,
        {"mails": 1, "sender": ["no-reply@qwoty.invalid"]},
    ),
    *(
        Case(f"a discount of the type {kind!r} is never taken for money", untyped(kind), expected={"final": 0})
        for kind in ("percent", "PERCENTAGE", "rate", None)
    ),
    Case(
        "two legal meanings of 0 % are two Tax Rates",
        quote("two-zeros", a_line("l1", "500.00", taxes=[EXEMPT]), a_line("l2", "1000.00", taxes=[REVERSED])),
        expected={"total": 150000, "rates": ["Autoliquidation art. 283", "TVA exonérée art. 261"]},
    ),
    Case(
        "a reverse-charge invoice says so, whatever other 0 % there is",
        quote("reversed", a_line(net="1000.00", taxes=[REVERSED])),
        expected={"total": 100000, "rates": ["Autoliquidation art. 283"]},
    ),
    Case(
        "equal percentages of two places are two Tax Rates",
        quote(
            "two-states",
            a_line("l1", taxes=[tax("Texas Sales Tax", "6.25", "US")]),
            a_line("l2", taxes=[tax("Massachusetts Sales Tax", "6.25", "US")]),
            currency="USD",
        ),
        expected={"total": 21250, "rates": ["Massachusetts Sales Tax", "Texas Sales Tax"]},
    ),
    Case(
        "TWD rounds tax to a whole dollar: 1990 + 100",
        whole("twd", "TWD", "1990", "5", "100"),
        expected={"total": 209000, "tax": 10000},
    ),
    Case(
        "HUF rounds tax to a whole forint: 9990 + 2697",
        whole("huf", "HUF", "9990", "27", "2697"),
        expected={"total": 1268700, "tax": 269700},
    ),
    Case(
        "IDR rounds tax to a whole rupiah: 10005 + 1101",
        whole("idr", "IDR", "10005", "11", "1101"),
        expected={"total": 1110600, "tax": 110100},
    ),
    Case(
        "a country may be told by its name in an address",
        {**(named := quote("by-name")), "customer": named["customer"] | {"billing_address": {"country": "France"}}},
        expected={"total": 12000, "country": "FR"},
    ),
    Case(
        "a country by its name in a tax does not contradict vat_fr_200",
        quote("tax-by-name", a_line(taxes=[vat(country="FR") | {"id": "t3", "country": "France"}])),
        expected={"total": 12000},
    ),
    *(
        Case("an address that is none is the contact's to correct, not the invoice's", made, DRAFT, BY_ADDRESS)
        for made in (
            quote("no-dot", contact={"email": "otameshi@com"}),
            quote("wide-at", contact={"email": "yuya＠icloud.example"}),
            quote("two-people", contact={"email": "ana@buyer.example, bob@buyer.example"}),
            quote("with-name", contact={"email": "Ana <ana@buyer.example>"}),
        )
    ),
    Case(
        "nobody is mailed at an address that is none",
        quote("no-at", installments=1, contact={"email": "odatakeryu2"}),
        LINK,
        {"mails": 0, **BY_ADDRESS},
    ),
    Case(
        "33.33 % three times is taken: the last part takes the rest",
        quote("thirds", a_line(net="5.47", taxes=[]), installments=["33.33", "33.33", "33.33"]),
        LINK,
        {"total": 547, "mails": 1},
    ),
    Case("an agency's first client is billed", company("Alpha SARL", "FR"), EMAIL, {"total": 12000, "country": "FR"}),
    Case(
        "another company with the same e-mail is another customer, billed to its own address",
        company("Beta GmbH", "DE"),
        EMAIL,
        {"total": 12000, "country": "DE"},
    ),
]


class CommandLine:
    """The host, used through the command line."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._call("workspace", "add", "ws-1")

    def accept(self, case: Case) -> str | None:
        settings = {"workspace_api_token": KEY, **case.settings}
        self._call("settings", "set", "ws-1", "stripe_invoice", "--file", "-", given=settings)
        self._call("enable", "ws-1", "stripe_invoice")
        found = self._call("accept", "ws-1", "-", "--wait", "--json", given=case.quote)
        return None if found.stdout.startswith("{") else found.output

    def report(self, quote_id: str) -> dict[str, Any]:
        found = json.loads(self._call("quote", "show", "ws-1", quote_id, "--json").stdout)
        run: dict[str, Any] = json.loads(self._call("run", "show", found["runs"][0]["id"], "--json").stdout)
        return run

    def close(self) -> None:
        """Nothing has to be closed."""

    def _call(self, *words: str, given: Any = None) -> Any:
        text = None if given is None else json.dumps(given)
        return CliRunner().invoke(main, ["--data-dir", str(self._folder), *words], input=text)


class Api:
    """The host, used through the HTTP API."""

    def __init__(self, folder: Path) -> None:
        clock = ManualClock(datetime(2026, 3, 10, 9, 15, tzinfo=UTC))
        self._bench = Workbench(build_host(folder, clock, public_url=PUBLIC_URL), clock)
        assert self._bench.host.start_worker()
        self._web = create_app(self._bench.host).test_client()
        added = CliRunner().invoke(main, ["--data-dir", str(folder), "apikey", "create", "ws-1", "--json"])
        self._key = json.loads(added.stdout)["key"]

    def accept(self, case: Case) -> str | None:
        settings = {"workspace_api_token": KEY, **case.settings}
        self._asked("put", "plugins/stripe_invoice/settings", settings)
        self._asked("post", "plugins/stripe_invoice/enable")
        answer = self._asked("post", "quotes/accepted", case.quote)
        if answer.status_code >= 400:
            assert answer.status_code == 422 and answer.json["errors"][0]["pointer"].startswith("/")
            return str(answer.text)
        self._bench.work()
        return None

    def report(self, quote_id: str) -> dict[str, Any]:
        run = self._asked("get", f"quotes/{quote_id}").json["runs"][0]["id"]
        found: dict[str, Any] = self._asked("get", f"runs/{run}").json
        return found

    def close(self) -> None:
        self._bench.host.close()

    def _asked(self, method: str, path: str, document: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self._key}"}
        answer = getattr(self._web, method)(f"/v1/workspaces/ws-1/{path}", json=document, headers=headers)
        assert answer.status_code in {200, 202, 204, 422}, answer.text
        return answer


@dataclass(frozen=True)
class Seen:
    """The result of one case."""

    refused: str | None
    run: dict[str, Any]
    final: list[dict[str, Any]]
    rates: list[str]
    country: str | None
    mails: list[EmailMessage]

    @property
    def said(self) -> str:
        if self.refused:
            return self.refused.lower()
        error = self.run["error"] or {"title": "", "hint": ""}
        return "\n".join([*self.run["outcome"]["notes"], error["title"], error["hint"]]).lower()

    def addresses(self, header: str) -> list[str]:
        return [address.addr_spec for mail in self.mails if mail[header] for address in mail[header].addresses]


@pytest.fixture(scope="module", params=[CommandLine, Api], ids=["cli", "http"])
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Seen]]:
    """The results of all cases, accepted one after another."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch, StripeSimulator() as stripe:
        patch.setenv("QWOTY_STRIPE_API_BASE", stripe.url)
        patch.setenv("QWOTY_HOST_PUBLIC_URL", PUBLIC_URL)
        door = request.param(folder)
        found: dict[str, Seen] = {}
        before: set[Path] = set()
        for case in CASES:
            refused = door.accept(case)
            there = set((folder / "outbox").glob("*.eml"))
            found[case.id] = _seen(stripe, case, refused, {} if refused else door.report(case.id), there - before)
            before = there
        yield found
        door.close()


def _seen(stripe: StripeSimulator, case: Case, refused: str | None, run: dict[str, Any], new: set[Path]) -> Seen:
    invoices = [each for each in stripe.objects("invoices") if each["metadata"]["qwoty_quote_id"] == case.id]
    final = [invoice for invoice in invoices if invoice["status"] in {"open", "paid"}]
    rates = {rate["id"]: rate["display_name"] for rate in stripe.objects("tax_rates")}
    on_it = {rates[tax["tax_rate_details"]["tax_rate"]] for invoice in final for tax in invoice["total_taxes"]}
    billed = {invoice["customer"] for invoice in final}
    address = next((each["address"] for each in stripe.objects("customers") if each["id"] in billed), None)
    mails = [message_from_bytes(path.read_bytes(), policy=policy.default) for path in new]
    return Seen(refused, run, final, sorted(on_it), (address or {}).get("country"), mails)


FOUND: Mapping[str, Callable[[Seen], Any]] = {
    "total": lambda seen: seen.final[0]["total"],
    "tax": lambda seen: seen.final[0]["total"] - seen.final[0]["subtotal"],
    "rates": lambda seen: seen.rates,
    "country": lambda seen: seen.country,
    "mails": lambda seen: len(seen.mails),
    "to": lambda seen: seen.addresses("To"),
    "sender": lambda seen: seen.addresses("From"),
    "reply_to": lambda seen: seen.addresses("Reply-To"),
    "run": lambda seen: seen.run["status"],
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.id}: {case.why}")
def test_a_quote_with_everyday_data_becomes_its_exact_invoice_or_is_refused_with_a_reason(
    seen: Mapping[str, Seen], case: Case
) -> None:
    found, expected = seen[case.id], {"final": 1, **case.expected}

    assert len(found.final) == expected["final"], found.said
    assert {word: FOUND[word](found) for word in expected if word in FOUND} == {
        word: value for word, value in expected.items() if word in FOUND
    }
    assert expected.get("says", "") in found.said
    assert "never_says" not in expected or expected["never_says"] not in found.said
