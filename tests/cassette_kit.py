"""Records and replays cassettes: the real host and plugin, with Stripe's side from a file.

The same test runs in three ways, chosen by ``--stripe``:

- ``cassette`` (the default): Stripe's side is replayed from a file, no socket opens, and the clock stays at the
  moment of the recording. A request that was not recorded, or a recorded one that is not sent, fails the test.
- ``simulated``: against the simulator over HTTP. ``--record-mode=rewrite`` also writes the cassettes again.
- ``live``: the same against Stripe's test mode. Nobody has done it so far (tests/cassettes/README.md).
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import stripe
import vcr
import vcr.stubs
import yaml
from vcr.cassette import Cassette
from vcr.persisters.filesystem import CassetteNotFoundError, FilesystemPersister
from vcr.serialize import serialize
from vcr.serializers import yamlserializer

import cassette_rules as rules
import qwoty_stripe_invoice.gateway as gateway_module
from builders import KEY, the_example, vat
from qwoty_integrations_host.clock import ManualClock
from qwoty_integrations_host.config import HostConfig
from qwoty_integrations_host.engine.inline import InlineEngine
from qwoty_integrations_host.host import Host, create_host
from qwoty_integrations_host.observability.leaks import KnownSecrets
from qwoty_integrations_host.reports.quotes import quote_report
from qwoty_integrations_host.reports.runs import find_run
from qwoty_integrations_host.store.plugin_storage import PluginRecords, PluginSecrets, PluginState
from qwoty_integrations_host.store.workspaces import add_workspace
from qwoty_integrations_host.testing import no_network
from qwoty_integrations_host.testing.cassettes import MATCH_ON, misses_noted, same_form
from qwoty_integrations_host.web.app import create_app
from qwoty_stripe_invoice.tax_rates import TaxRates
from stripe_simulator import StripeSimulator
from stripe_test_mode import RecordingRefused, Wire, require_test_key, require_test_mode, tidy, wait_for_payer

WORKSPACE, PLUGIN = "ws-1", "stripe_invoice"
PUBLIC_URL = "https://integrations.example.com"
#: A made-up key that only has to look like a restricted key.
LIMITED_KEY = "rk_test_51SimulatedLimited01"
RECORD = "`make record` (from Stripe) or `python tools/record_cassettes.py --simulated` writes the cassettes."


# -- the tape -----------------------------------------------------------------------------------------


class Misses(AssertionError):
    """The replay differs from the recording."""


@dataclass
class Tape:
    """Stripe's side of one behavior: replayed, recorded, or neither (requests go to the simulator)."""

    cassette: Cassette | None
    recording: bool
    #: True while a test prepares objects; those requests are not recorded.
    aside: bool = False
    #: False if the test was skipped; then no cassette is written.
    worth_keeping: bool = True
    misses: list[str] = field(default_factory=list)

    def given(self, name: str, make: Callable[[], Any]) -> Any:
        """A value from before the recording, such as the id of a customer. A replay reads it from the cassette."""
        if self.cassette is not None and not self.recording:
            return self.cassette.get_metadata(name, None)
        self.aside = True
        try:
            made = make()
        finally:
            self.aside = False
        return made if self.cassette is None else self.cassette.get_metadata(name, made)

    def verify(self) -> None:
        """Raises: Misses if a replay sent a request that is not recorded, or left a recorded one out."""
        if self.misses:
            raise Misses("Asked for, but not in the cassette: " + "; ".join(self.misses) + ". " + RECORD)
        if self.cassette is not None and not self.recording and not self.cassette.all_played:
            left = len(self.cassette) - len(self.cassette.play_counts)
            raise Misses(f"In the cassette, but never asked for: {left} of {len(self.cassette)} requests. {RECORD}")


class _Persister:
    """Reads cassettes. Writes one only after a passed test, with its provenance and without secrets."""

    def __init__(self, kind: str, *, recording: bool, keep: Callable[[], bool] = lambda: True) -> None:
        self._kind, self._recording, self._keep = kind, recording, keep
        self._recorded: tuple[Path, dict[str, Any]] | None = None

    def load_cassette(self, path: str, serializer: Any) -> Any:
        if self._recording:
            # Nothing of an earlier recording may stay in the new one.
            raise CassetteNotFoundError
        return FilesystemPersister.load_cassette(path, serializer)

    def save_cassette(self, path: str, cassette_dict: dict[str, Any], serializer: Any) -> None:
        # An error here would leave the patches of VCR in place until the garbage collector finds them.
        self._recorded = Path(path), cassette_dict

    def write(self) -> None:
        """Write the recording, after VCR has closed it. Raises: RecordingRefused."""
        if self._recorded and self._keep():
            write_cassette(*self._recorded, self._kind)


def write_cassette(path: Path, cassette_dict: dict[str, Any], kind: str) -> None:
    """Write a cassette. Raises: RecordingRefused if it holds a secret or belongs into another folder."""
    given = cassette_dict.get("metadata") or {}
    metadata = {"provenance": _provenance(kind), **given}
    text = f"# {rules.STATEMENTS[kind]}\n" + serialize({**cassette_dict, "metadata": metadata}, _Readable)
    own = [os.environ.get(name, "") for name in ("STRIPE_TEST_KEY", "STRIPE_TEST_LIMITED_KEY")]
    found = rules.problems(text, kind, also_secret=own)
    if found:
        raise RecordingRefused(f"{path.name} was not written: " + "; ".join(dict.fromkeys(found)) + ".")
    path.write_text(text, "utf-8")


def _provenance(kind: str) -> dict[str, str]:
    facts = {
        "kind": kind,
        "statement": rules.STATEMENTS[kind],
        "api_version": gateway_module.API_VERSION,
        "recorded_on": datetime.now(UTC).date().isoformat(),
        "recorded_with": f"vcrpy {version('vcrpy')}, stripe-python {version('stripe')}",
    }
    return {**facts, "simulator_version": version("stripe-simulator")} if kind == rules.SIMULATED else facts


class _Dumper(yaml.SafeDumper):
    """Writes bodies line by line, so that people can read them."""

    def represent_text(self, text: str) -> yaml.ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _Dumper.represent_text)


class _Readable:
    """The serializer that writes cassettes. vcrpy's own serializer reads them."""

    @staticmethod
    def serialize(data: dict[str, Any]) -> str:
        ordered = {name: data[name] for name in ("version", "metadata", "interactions")}
        return str(yaml.dump(ordered, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000))

    deserialize = staticmethod(yamlserializer.deserialize)


def recorder(tape: Tape, persister: Any) -> vcr.VCR:
    """A configured vcrpy, which compares the bodies of requests, too; the default does not."""

    def before_record_request(request: Any) -> Any:
        return None if tape.aside else rules.scrub_request(request)

    made = vcr.VCR(
        match_on=list(MATCH_ON),
        decode_compressed_response=True,
        before_record_request=before_record_request,
        before_record_response=rules.scrub_response,
    )
    made.register_matcher("body", same_form)
    made.register_persister(persister)
    return made


@contextlib.contextmanager
def offline(tape: Tape, kind: str) -> Iterator[None]:
    """Refuse the network and record each attempt. To the plugin it looks like a network error."""

    def resolve(host: str, *_: Any, **__: Any) -> Any:
        # Before it fetches a PDF from Stripe, the plugin checks that the host name has a public address.
        if kind == rules.TEST_MODE and host.endswith(".stripe.com"):
            return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("1.1.1.1", 443))]
        tape.misses.append("a name")
        raise OSError("The network is blocked while a cassette is replayed.")

    with no_network(resolve, noted=tape.misses), misses_noted(tape.misses.append):
        yield


# -- the stage ----------------------------------------------------------------------------------------


@dataclass
class Stage:
    """A host with the workspace ``ws-1`` and the Stripe Invoice plugin; Stripe's side is the tape's."""

    host: Host
    clock: ManualClock
    tape: Tape
    key: str
    #: A part of every id in the quotes, so that a second recording in one Stripe account does not find the first's objects.
    tag: str
    simulator: StripeSimulator | None
    live: bool
    show: Callable[[str], None]
    pay_by_hand: bool = False

    # -- requests to the host --

    def enable(self, **settings: Any) -> None:
        self.host.settings.save(WORKSPACE, PLUGIN, {"workspace_api_token": self.key, **settings})
        self.host.settings.enable(WORKSPACE, PLUGIN)

    def accept(self, quote: dict[str, Any]) -> dict[str, Any]:
        """Accept a quote, work the queue, and return its only run."""
        (run_id,) = self.host.runs.acceptance.accept(WORKSPACE, quote).run_ids
        return self._worked(run_id)

    def send_installment(self, quote_id: str, number: int | None = None) -> dict[str, Any]:
        return self._worked(self.host.runs.installments.request(WORKSPACE, quote_id, number))

    def _worked(self, run_id: str) -> dict[str, Any]:
        self._work()
        return find_run(self.host.store, run_id)

    def _work(self) -> None:
        assert isinstance(self.host.engine, InlineEngine)
        self.host.engine.work_queued()

    def quote(self, quote_id: str) -> dict[str, Any]:
        return quote_report(self.host.store, WORKSPACE, quote_id, self.clock.now())

    def mails(self) -> list[str]:
        return [mail.read_text("utf-8") for mail in sorted((self.host.config.data_dir / "outbox").glob("*.eml"))]

    # -- quotes --

    @property
    def email(self) -> str:
        return f"ana+{self.tag}@example.com"

    def a_quote(self, *, tax: dict[str, Any] | None = None, customer: str | None = None) -> dict[str, Any]:
        """The documented example with its own ids, optionally with another tax or a saved customer."""
        quote = the_example(id=f"q-{self.tag}")
        (contact,) = quote["customer"]["contacts"]
        contact |= {"id": f"contact-{self.tag}", "email": self.email, "external_ids": {"accounting": customer}}
        lines = [
            line
            for section in quote["pricing_table"]["sections"]
            for phase in section["phases"]
            for line in phase["line_items"]
        ]
        wanted = tax or vat("20", "FR")
        for line in lines:
            line["taxes"] = [{**wanted, "id": f"tax-{self.tag}"}]
        return quote

    # -- before the recording --

    def given(self, name: str, make: Callable[[Any], Any]) -> Any:
        """An object at Stripe from before the recording. ``make`` creates it with the SDK's v1."""

        def made() -> Any:
            with self.stripe() as v1:
                return make(v1)

        return self.tape.given(name, made)

    @contextlib.contextmanager
    def stripe(self) -> Iterator[Any]:
        with _stripe(self.key, self.simulator.url if self.simulator else None) as v1:
            yield v1

    def only_simulated(self, why: str) -> None:
        """Skip the test at Stripe itself, which cannot be made to do this."""
        if self.live:
            self.tape.worth_keeping = False
            pytest.skip(why)

    # -- the customer and Stripe --

    def session_id(self, quote_id: str, number: int) -> str:
        record = PluginRecords(self.host.store, WORKSPACE, PLUGIN, KnownSecrets()).get(quote_id)
        part = record.installment(number) if record else None
        assert part is not None and part.session_id is not None, "no link was made"
        return part.session_id

    def customer_pays(self, quote_id: str, number: int) -> None:
        """The customer pays a link, and Stripe tells the host."""
        session = self.session_id(quote_id, number)
        self.tape.given(f"paid:{number}", lambda: self._pay(session))
        self._webhook("checkout.session.completed", quote_id, number, session)

    def _pay(self, session: str) -> str:
        if self.simulator is not None:
            self.simulator.pay(session)
        elif not self.pay_by_hand:
            self.only_simulated("Nobody pays Stripe's hosted page; --pay-by-hand asks you to.")
        else:
            with self.stripe() as v1:
                wait_for_payer(v1, session, self.show)
        return session

    def _webhook(self, event_type: str, quote_id: str, number: int, session: str) -> None:
        """Deliver an event to the host's web application, signed with the secret of the recorded endpoint."""
        thing = {
            "id": session,
            "object": "checkout.session",
            "payment_status": "paid",
            "metadata": {"qwoty_workspace": WORKSPACE, "qwoty_quote_id": quote_id, "qwoty_installment": str(number)},
        }
        event = {
            "id": f"evt_{self.tag}_{number}",
            "object": "event",
            "type": event_type,
            "livemode": False,
            "data": {"object": thing},
        }
        sent, token = json.dumps(event), webhook_token(self.tag)
        secret = PluginSecrets(self.host.store, self.host.vault, WORKSPACE, PLUGIN, KnownSecrets()).get(
            f"webhook:{token}"
        )
        assert secret is not None, "the endpoint was made with a link"
        at = int(self.clock.now().timestamp())
        signature = hmac.new(secret.encode(), f"{at}.{sent}".encode(), hashlib.sha256).hexdigest()
        answer = (
            create_app(self.host)
            .test_client()
            .post(
                f"/webhooks/{PLUGIN}/{WORKSPACE}/{token}",
                data=sent,
                headers={"Stripe-Signature": f"t={at},v1={signature}"},
            )
        )
        assert answer.status_code == 200, answer.text
        self._work()


def webhook_token(tag: str) -> str:
    """The secret part of the webhook address; random in production."""
    return f"cassette-{tag}"


@contextlib.contextmanager
def _stripe(key: str, base: str | None) -> Iterator[Any]:
    http = stripe.RequestsClient()
    addresses: Any = {"api": base} if base else {}
    client = stripe.StripeClient(
        key, stripe_version=gateway_module.API_VERSION, base_addresses=addresses, http_client=http
    )
    try:
        yield client.v1
    finally:
        http.close()


@dataclass(frozen=True)
class How:
    """How a test reaches Stripe: the options of the command line in one object."""

    stripe: str = "cassette"
    record: bool = False
    pay_by_hand: bool = False
    show: Callable[[str], None] = print

    def kinds(self, name: str) -> list[str]:
        """The kinds of cassettes for a test: the simulated one, and the genuine one if it exists."""
        if self.stripe == "live":
            return [rules.TEST_MODE]
        genuine = self.stripe == "cassette" and cassette_path(rules.TEST_MODE, name).exists()
        return [rules.SIMULATED, *([rules.TEST_MODE] if genuine else [])]


def cassette_path(kind: str, name: str) -> Path:
    return rules.FOLDER / kind / f"{name}.yaml"


@contextlib.contextmanager
def staged(
    name: str,
    kind: str,
    how: How,
    data_dir: Path,
    *,
    simulator: StripeSimulator | None = None,
    passed: Callable[[], bool] = lambda: True,
) -> Iterator[Stage]:
    """Run one behavior, and compare it with the recording at its end. A cassette is written only if ``passed()``."""
    if how.stripe == "cassette" and not cassette_path(kind, name).exists():
        raise FileNotFoundError(f"There is no cassette {kind}/{name}.yaml. {RECORD}")
    replaying = how.stripe == "cassette"
    tape = Tape(None, recording=how.record)
    with contextlib.ExitStack() as stack:
        key = _surroundings(stack, how, kind, simulator)
        if replaying or how.record:
            persister = _Persister(kind, recording=how.record, keep=lambda: tape.worth_keeping and passed())
            mode = "all" if how.record else "none"
            path = str(cassette_path(kind, name))
            stack.callback(persister.write)
            tape.cassette = stack.enter_context(recorder(tape, persister).use_cassette(path, record_mode=mode))
        if replaying:
            stack.enter_context(offline(tape, kind))
        stage = stack.enter_context(_built(tape, how, key, data_dir, simulator))
        yield stage
        tape.verify()
        if how.record:
            _tidy(stage, key)


def _surroundings(stack: contextlib.ExitStack, how: How, kind: str, simulator: StripeSimulator | None) -> str:
    """Point the plugin to its Stripe, and return the key to use."""
    patch = stack.enter_context(pytest.MonkeyPatch.context())
    clients: dict[Any, Any] = {}
    patch.setattr(gateway_module, "_clients", clients)
    # Requests must be sequential: while VCR makes a connection, it restores the real classes for all threads.
    patch.setattr(TaxRates, "read_ahead", lambda _: None)
    for thread in threading.enumerate():
        if thread.name == "tax rates":  # an earlier test's run may have ended before its reading ahead
            thread.join()
    stack.callback(lambda: [client._requestor._client.close() for client in clients.values()])
    patch.delenv("QWOTY_STRIPE_API_BASE", raising=False)
    if how.stripe == "live":
        key = require_test_key(os.environ)
        stack.enter_context(Wire().watched())
        _look_at_mode(key)
        return key
    if simulator is not None:
        patch.setenv("QWOTY_STRIPE_API_BASE", simulator.url)
    elif kind == rules.SIMULATED:
        patch.setenv("QWOTY_STRIPE_API_BASE", f"http://{rules.SIMULATED_HOST}")
    patch.setenv("NO_PROXY", "*")
    return KEY


@cache
def _look_at_mode(key: str) -> None:
    with _stripe(key, None) as v1:
        require_test_mode(v1)


@contextlib.contextmanager
def _built(tape: Tape, how: How, key: str, data_dir: Path, simulator: StripeSimulator | None) -> Iterator[Stage]:
    live = how.stripe == "live"
    tag = tape.given("tag", lambda: secrets.token_hex(4) if live else "sim")
    moment = tape.given("frozen_at", lambda: datetime.now(UTC).replace(microsecond=0).isoformat())
    clock = ManualClock(datetime.fromisoformat(moment))
    config = HostConfig(data_dir=data_dir, public_url=PUBLIC_URL)
    host = create_host(config, engine=lambda _: InlineEngine(clock), clock=clock)
    with host.store.write() as db:
        add_workspace(db, WORKSPACE, clock.now())
    token_place = f"webhook_token:{gateway_module.fingerprint(key)}"
    PluginState(host.store, WORKSPACE, PLUGIN, KnownSecrets()).set(token_place, webhook_token(tag))
    assert host.start_worker()
    try:
        yield Stage(host, clock, tape, key, tag, simulator, live, how.show, how.pay_by_hand)
    finally:
        host.close()


def _tidy(stage: Stage, key: str) -> None:
    stage.tape.aside = True
    with _stripe(key, stage.simulator.url if stage.simulator else None) as v1:
        tidy(v1, email=stage.email, token=webhook_token(stage.tag), taxes=f"tax-{stage.tag}")
