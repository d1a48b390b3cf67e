"""Identifiers in Stripe's forms."""

from __future__ import annotations

import secrets
import string

ALPHANUMERIC = string.ascii_letters + string.digits


def random_text(length: int, alphabet: str = ALPHANUMERIC) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))


def new_id(prefix: str) -> str:
    return f"{prefix}_{random_text(24)}"


def new_session_id(*, livemode: bool) -> str:
    return f"cs_{'live' if livemode else 'test'}_a1{random_text(56)}"


def new_request_id() -> str:
    # The prefix shows that a recording is no genuine Stripe traffic.
    return f"req_sim_{random_text(14)}"


def new_invoice_prefix() -> str:
    return random_text(8, string.ascii_uppercase + string.digits)
