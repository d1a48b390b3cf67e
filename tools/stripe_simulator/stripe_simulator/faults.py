"""Faults that a test orders: their kind, the request that they hit, and how often."""

from __future__ import annotations

import re
import threading
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from stripe_simulator.errors import (
    StripeError,
    account_invalid,
    address_refused,
    forbidden,
    invalid_key,
    key_in_use,
    key_reused,
    missing_in_path,
    rate_limited,
    server_error,
    unknown_parameter,
)
from stripe_simulator.keys import DEFAULT_ACCOUNT

ANSWERS = frozenset(
    "401 403 403_account 403_address 404 409_in_flight 429 500_before key_reused unknown_parameter".split()
)
CUTS = frozenset({"cut_before", "died_before", "hang"})
DURING = frozenset({"slow", "500_midway"})
AFTER = frozenset({"500_after", "cut_after", "died_after"})
#: A break over a connection that has answered before also meets the request's repetition, which clients send at once.
BREAKS = frozenset({"cut_before", "cut_after"})
#: Something other than Stripe answers, before or after the request was executed; ``code`` names the answer.
ODD = frozenset({"odd_before", "odd_after"})
KINDS = ANSWERS | CUTS | DURING | AFTER | ODD
_PAGE = "<!doctype html><title>Log in to the network</title>"
#: Status, content type and body of answers that are not Stripe's.
ODD_ANSWERS: dict[str, tuple[int, str, str]] = {
    "html": (200, "text/html", _PAGE),
    "empty": (200, "application/json", ""),
    "truncated": (200, "application/json", '{"id": "in_1", "object": "inv'),
    "non_object": (200, "application/json", '["ok"]'),
    "stranger": (200, "application/json", '{"status": "ok"}'),
    "error_text": (200, "application/json", '{"error": "text"}'),
    "refused_error_text": (400, "application/json", '{"error": "text"}'),
    "redirect": (302, "text/html", ""),
    "redirect_kept": (307, "text/html", ""),
    "401_page": (401, "text/html", _PAGE),
    "403_page": (403, "text/html", _PAGE),
    "404_page": (404, "text/html", _PAGE),
    "407": (407, "text/html", _PAGE),
    "502": (502, "text/html", "<html><h1>502 Bad Gateway</h1></html>"),
}
#: The target of redirects: a client that follows one shows in the log of requests.
ELSEWHERE = "/v1/elsewhere"


@dataclass
class Fault:
    """One ordered fault; ``skip`` requests pass first, then ``times`` requests are hit."""

    kind: str
    method: str | None = None
    path: str = ""
    times: int = 1
    skip: int = 0
    body: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    code: str | None = None
    seconds: float | None = None
    lines: int | None = None
    hits: int = 0

    def matches(self, method: str, path: str) -> bool:
        right_method = self.method is None or self.method.upper() == method
        return right_method and (path.startswith(self.path) or re.search(self.path, path) is not None)

    def odd_answer(self) -> tuple[int, str, dict[str, str]]:
        """Return status, body and headers of an answer that is not Stripe's."""
        status, content_type, body = ODD_ANSWERS[self.code or "html"]
        location = {"Location": ELSEWHERE} if 300 <= status < 400 else {}
        return status, body, {"Content-Type": content_type, **location, **self.headers}

    def error(self, path: str) -> StripeError:
        """Return the error with which this fault answers."""
        error = self._plain_error(path)
        error.headers |= self.headers
        return error

    def _plain_error(self, path: str) -> StripeError:
        match self.kind:
            case "401":
                return invalid_key("sk_test_" + "x" * 20)
            case "403":
                return forbidden(self.code, DEFAULT_ACCOUNT)
            case "403_account":
                return account_invalid(DEFAULT_ACCOUNT)
            case "403_address":
                return address_refused()
            case "404":
                return missing_in_path("object", path.rsplit("/", 1)[-1])
            case "409_in_flight":
                return key_in_use()
            case "429":
                return rate_limited(self.code or "rate_limit")
            case "key_reused":
                return key_reused("a key")
            case "unknown_parameter":
                return unknown_parameter(self.code or "colour")
            case _:
                return server_error()


class Faults:
    """The ordered faults that have not been used up."""

    def __init__(self) -> None:
        self._open: list[Fault] = []
        self._lock = threading.Lock()

    def add(
        self,
        fault: str,
        *,
        method: str | None = None,
        path: str = "",
        times: int = 1,
        skip: int = 0,
        body: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        code: str | None = None,
        seconds: float | None = None,
        lines: int | None = None,
    ) -> Fault:
        """Order a fault for requests of ``method`` whose path starts with ``path`` or matches it as a pattern."""
        if fault not in KINDS:
            raise ValueError(f"There is no fault {fault!r}; there are {', '.join(sorted(KINDS))}.")
        if fault in ODD and (code or "html") not in ODD_ANSWERS:
            raise ValueError(f"There is no odd answer {code!r}; there are {', '.join(sorted(ODD_ANSWERS))}.")
        re.compile(path)
        order = Fault(fault, method, path, times, skip, body, dict(headers or {}), code, seconds, lines)
        with self._lock:
            self._open.append(order)
        return order

    def take(self, kinds: Collection[str], method: str, path: str, *, answered_before: bool = False) -> Fault | None:
        """Return the first fault for this request and count it as used; None without one."""
        with self._lock:
            for fault in self._open:
                if fault.kind in kinds and fault.times > 0 and fault.matches(method, path):
                    if fault.skip > 0:
                        fault.skip -= 1
                        continue
                    if not (answered_before and fault.kind in BREAKS):
                        fault.times -= 1
                    fault.hits += 1
                    return fault
        return None

    def pending(self) -> list[Fault]:
        with self._lock:
            return [fault for fault in self._open if fault.times > 0]

    def reset(self) -> None:
        with self._lock:
            self._open.clear()
