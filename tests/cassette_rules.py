"""What a cassette may contain: the scrubbing before it is written, and the checks of every file.

There are two kinds, each in its own folder. ``simulated`` comes from this project's simulator and says so.
``stripe_test_mode`` comes from Stripe's test mode only. Sources: Stripe page, section 19.
"""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import yaml
from vcr.request import Request

from stripe_simulator import contract, form, routes
from stripe_simulator.errors import StripeError

FOLDER = Path(__file__).parent / "cassettes"
SIMULATED, TEST_MODE = "simulated", "stripe_test_mode"
SIMULATED_HOST, STRIPE_HOST = "stripe-simulator.invalid", "api.stripe.com"
PLACEHOLDER_PDF = b"%PDF-1.4\n% The PDF was taken out of the recording.\n%%EOF\n"

STATEMENTS = {
    SIMULATED: "Simulated by stripe-simulator, a part of this project. Not Stripe, and no proof of what Stripe answers.",
    TEST_MODE: "Recorded from Stripe's test mode; secrets and private links were taken out.",
}

_KEPT_REQUEST_HEADERS = {"content-type", "stripe-version", "idempotency-key"}
KEPT_RESPONSE_HEADERS = {
    "content-length",
    "content-type",
    "date",
    "idempotency-key",
    "idempotent-replayed",
    "location",
    "original-request",
    "request-id",
    "retry-after",
    "stripe-should-retry",
    "stripe-version",
    "x-simulated",
}

_LOOPBACK = re.compile(r"http://(?:127\.0\.0\.1|localhost):\d+")
_KEY = re.compile(r"\b[srp]k_(?:test|live)_(?!REDACTED\b)[A-Za-z0-9*]+")
_WEBHOOK_SECRET = re.compile(r"\bwhsec_(?!REDACTED\b)\w+")
_CLIENT_SECRET = re.compile(r"_secret_(?!REDACTED\b)\w+")
#: Fields with an address that opens an invoice, a receipt or a payment page without a key.
_LINK_FIELDS = {"hosted_invoice_url", "invoice_pdf", "receipt_url"}
_LINK = re.compile(
    r"""["'](hosted_invoice_url|invoice_pdf|receipt_url)["']: ["'](?!https?://[\w.-]+/\w+/REDACTED["'])"""
)
_PAGE = re.compile(r"https?://(?:[\w.-]+/(?:c/)?pay/|(?:pay|invoice|checkout|files)\.stripe\.com/\w+/)(?!REDACTED\b)\w")
_MACHINE = re.compile(r"/(?:home|Users|root|work|tmp|private)/|127\.0\.0\.1|localhost|\"uname\"|\\\\Users\\\\")


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


# -- scrubbing ----------------------------------------------------------------------------------------


def scrub_request(request: Request) -> Request:
    """The request as it is recorded, and as a replay compares it."""
    request.uri = _neutral_address(request.uri)
    kept = {name: value for name, value in request.headers.items() if name.lower() in _KEPT_REQUEST_HEADERS}
    if any(name.lower() == "authorization" for name in request.headers):
        kept["Authorization"] = "Bearer sk_test_REDACTED"
    request.headers = kept
    if request.body:
        request.body = _scrub_text(bytes(request.body).decode()).encode()
    return request


def scrub_response(response: dict[str, Any]) -> dict[str, Any]:
    """The answer as it is recorded: with listed headers only, and without secrets and working links."""
    given = {name.title(): values for name, values in response["headers"].items()}
    headers = {name: given[name] for name in sorted(given) if name.lower() in KEPT_RESPONSE_HEADERS}
    if "Location" in headers:
        headers["Location"] = [_neutral_address(address) for address in headers["Location"]]
    body = _scrub_body(response["body"]["string"], headers)
    if "Content-Length" in headers:
        headers["Content-Length"] = [str(len(body))]
    return {**response, "headers": headers, "body": {"string": body}}


def _neutral_address(url: str) -> str:
    """An address with one name for the simulator on any port, and with a redacted path outside the API."""
    neutral = _LOOPBACK.sub(f"http://{SIMULATED_HOST}", url)
    parts = urlsplit(neutral)
    return neutral if parts.path.startswith("/v1/") else scrub_link(neutral)


def scrub_link(url: str) -> str:
    parts = urlsplit(_LOOPBACK.sub(f"http://{SIMULATED_HOST}", url))
    first = parts.path.strip("/").split("/")[0] or "link"
    return f"{parts.scheme}://{parts.netloc}/{first}/REDACTED"


def _scrub_body(body: bytes | str, headers: Mapping[str, Any]) -> bytes:
    raw = body.encode() if isinstance(body, str) else body
    if "pdf" in "".join(headers.get("Content-Type", [])).lower() or raw.startswith(b"%PDF"):
        return PLACEHOLDER_PDF
    text = _scrub_text(raw.decode())
    try:
        answer = json.loads(text)
    except ValueError:
        # Nobody reads the bodies of pages and redirects, and they repeat the links.
        return b""
    return json.dumps(_scrub_json(answer), indent=1, ensure_ascii=False).encode()


def _scrub_text(text: str) -> str:
    text = _LOOPBACK.sub(f"http://{SIMULATED_HOST}", text)
    text = _WEBHOOK_SECRET.sub("whsec_REDACTED", _KEY.sub("sk_test_REDACTED", text))
    return _CLIENT_SECRET.sub("_secret_REDACTED", text)


def _scrub_json(value: Any) -> Any:
    if isinstance(value, list):
        return [_scrub_json(one) for one in value]
    if not isinstance(value, dict):
        return value
    is_session = value.get("object") == "checkout.session"
    return {
        name: scrub_link(one)
        if isinstance(one, str) and (name in _LINK_FIELDS or (is_session and name == "url"))
        else _scrub_json(one)
        for name, one in value.items()
    }


# -- checking -----------------------------------------------------------------------------------------


def kind_of(path: Path) -> str:
    return path.parent.name


def cassettes(kind: str) -> list[Path]:
    """The files in the folder of a kind."""
    return sorted((FOLDER / kind).glob("*.yaml"))


def problems(text: str, kind: str, *, also_secret: Iterable[str] = ()) -> list[str]:
    """Everything that is wrong with a text as a cassette of this kind; an empty list is good."""
    document = yaml.load(text, Loader=_LOADER)
    found = [*secrets_in(text, also_secret), *_provenance(text, document, kind)]
    for number, interaction in enumerate(document["interactions"], start=1):
        found += [f"interaction {number}: {what}" for what in _interaction(interaction, kind)]
    return found


def secrets_in(text: str, also_secret: Iterable[str] = ()) -> list[str]:
    """The kinds of secrets in a text, without the secrets."""
    patterns = {
        "an API key": _KEY,
        "a webhook secret": _WEBHOOK_SECRET,
        "a client secret": _CLIENT_SECRET,
        "a link to an invoice": _LINK,
        "a link to a payment page or a file": _PAGE,
        "a path or an address of a machine": _MACHINE,
    }
    found = [what for what, pattern in patterns.items() if pattern.search(text)]
    if any(secret and secret in text for secret in also_secret):
        found.append("a secret of this environment")
    host, home = socket.gethostname(), os.environ.get("HOME", "")
    # Ordinary words contain short names.
    if (len(host) >= 6 and re.search(rf"\b{re.escape(host)}\b", text)) or (len(home) >= 6 and home in text):
        found.append("the name of this machine or its user")
    return found


def _provenance(text: str, document: Mapping[str, Any], kind: str) -> Iterator[str]:
    said = (document.get("metadata") or {}).get("provenance") or {}
    if said.get("kind") != kind:
        yield f"it does not say that it is of kind {kind}"
    if said.get("statement") != STATEMENTS[kind] or STATEMENTS[kind] not in text.splitlines()[0]:
        yield "it does not state what it is, in its first line and in its metadata"
    wanted = {"recorded_on", "api_version"} | ({"simulator_version"} if kind == SIMULATED else set())
    if not all(said.get(name) for name in wanted):
        yield f"its provenance lacks one of {', '.join(sorted(wanted))}"
    if not document["interactions"]:
        yield "it holds nothing"


def _interaction(interaction: Mapping[str, Any], kind: str) -> list[str]:
    request, response = interaction["request"], interaction["response"]
    headers = {name.lower(): values[0] for name, values in response["headers"].items()}
    strange = sorted(set(headers) - KEPT_RESPONSE_HEADERS)
    found = [f"the header {name} was not scrubbed" for name in strange]
    parts = urlsplit(request["uri"])
    is_api = parts.path.startswith("/v1/")
    origin = _simulated_origin if kind == SIMULATED else _genuine_origin
    found += origin(parts.scheme, parts.netloc, headers, is_api)
    if is_api:
        found += contract_problems(request, response)
    elif "pdf" in headers.get("content-type", "") and response["body"]["string"].encode() != PLACEHOLDER_PDF:
        found.append("it holds a PDF")
    if kind == TEST_MODE and re.search(r'"livemode": true', response["body"]["string"]):
        found.append("it comes from live mode")
    return found


def _simulated_origin(scheme: str, host: str, headers: Mapping[str, str], is_api: bool) -> Iterator[str]:
    if (scheme, host) != ("http", SIMULATED_HOST):
        yield f"a simulated answer comes from {SIMULATED_HOST} only"
    if headers.get("x-simulated") != "stripe-simulator":
        yield "a simulated answer carries X-Simulated"
    if is_api and not re.fullmatch(r"req_sim_\w+", headers.get("request-id", "")):
        yield "a simulated answer carries Request-Id: req_sim_…"


def _genuine_origin(scheme: str, host: str, headers: Mapping[str, str], is_api: bool) -> Iterator[str]:
    right_host = host == STRIPE_HOST if is_api else host.endswith(".stripe.com")
    if scheme != "https" or not right_host:
        yield "Stripe's answers come from stripe.com only"
    if "x-simulated" in headers:
        yield "it is a simulated answer"
    if is_api and not re.fullmatch(r"req_[A-Za-z0-9]{14}", headers.get("request-id", "")):
        yield "Stripe's answers carry a Request-Id of req_ and 14 characters"
    if is_api and not (headers.get("stripe-version") and headers.get("date")):
        yield "Stripe's answers carry Stripe-Version and Date"


def contract_problems(request: Mapping[str, Any], response: Mapping[str, Any]) -> list[str]:
    """Compare a request and its answer with the types in Stripe's SDK. They prove the form, not the behavior."""
    parts = urlsplit(request["uri"])
    route = routes.find(request["method"], parts.path)
    if route is None:
        return [f"{request['method']} {parts.path} is no route that we know"]
    pairs = [pair for text in (parts.query, request["body"] or "") for pair in parse_qsl(text, keep_blank_values=True)]
    try:
        contract.parse(form.decode(pairs), route[0].params)
    except StripeError as error:
        return [f"the request does not fit the SDK's types: {error.message}"]
    if response["status"]["code"] != 200:
        return []
    unknown = contract.check_response(json.loads(response["body"]["string"]))
    return [f"the answer has fields that the SDK does not know: {', '.join(unknown[:5])}"] if unknown else []
