"""Sends signed webhooks from a process of its own, as Stripe would: sixteen connections, every answer awaited.

``python -m benchmarks.sender URL SECRET SECONDS QUOTES`` prints each answer's milliseconds as a JSON list, ended by how
many were refused. ``QUOTES``: so many quotes exist that the events are about; 0 for events about none of ours.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from itertools import count
from urllib.parse import urlsplit
from uuid import uuid4

_CONNECTIONS = 16


def main() -> None:
    url, secret, seconds, quotes = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
    place, until = urlsplit(url), time.monotonic() + float(seconds)

    def send(connection: int) -> tuple[list[float], int]:
        took, refused = [], 0
        line = HTTPConnection(place.netloc, timeout=60)
        for number in count():
            if time.monotonic() > until:
                return took, refused
            body = _event(f"q-{(connection + number) % quotes}" if quotes else "q-of-nobody")
            began = time.perf_counter()
            line.request("POST", place.path, body, {"Stripe-Signature": _signed(body, secret)})
            answer = line.getresponse()
            answer.read()
            took.append((time.perf_counter() - began) * 1000)
            refused += answer.status != 200
        raise AssertionError

    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        found = list(pool.map(send, range(_CONNECTIONS)))
    print(json.dumps([*(ms for took, _ in found for ms in took), sum(refused for _, refused in found)]))


def _event(quote_id: str) -> bytes:
    """About two kilobytes, as they usually are."""
    session = {
        "id": f"cs_test_{uuid4().hex}",
        "object": "checkout.session",
        "payment_status": "unpaid",
        "status": "open",
        "metadata": {"qwoty_workspace": "ws", "qwoty_quote_id": quote_id, "qwoty_installment": "1"},
        "padding": "x" * 1500,
    }
    event = {
        "id": f"evt_{uuid4().hex}",
        "object": "event",
        "type": "checkout.session.expired",
        "data": {"object": session},
    }
    return json.dumps(event).encode()


def _signed(body: bytes, secret: str) -> str:
    now = int(time.time())
    digest = hmac.new(secret.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={now},v1={digest}"


if __name__ == "__main__":
    main()
