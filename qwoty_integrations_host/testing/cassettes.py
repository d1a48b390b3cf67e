"""Cassettes (vcrpy, pytest-recording) without secrets, and a replay that fails on unrecorded requests.

vcrpy's defaults compare no bodies, keep every header, and turn a missing response into a network error, which a plugin
rightly retries. This module does none of that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qsl

#: The recorded headers. All others identify machines or people.
REQUEST_HEADERS = frozenset({"content-type", "idempotency-key"})
RESPONSE_HEADERS = frozenset({"content-length", "content-type", "date", "location", "request-id", "retry-after"})
MATCH_ON = ("method", "scheme", "host", "port", "path", "query", "body")
_LOOPBACK = re.compile(r"http://(?:127\.0\.0\.1|localhost):\d+")


def cassette_options(
    *,
    stand_in: str,
    secrets: Iterable[str],
    request_headers: Iterable[str] = (),
    response_headers: Iterable[str] = (),
) -> dict[str, Any]:
    r"""Return the configuration for pytest-recording's fixture ``vcr_config``.

    ``stand_in``: the recorded name of a stand-in on any local port, such as ``http://notes.invalid``. ``secrets``:
    regular expressions of what must not be recorded, such as ``tok_\w+``. The headers are recorded beside the usual.

    Example:
        @pytest.fixture(scope="module")
        def vcr_config():
            return cassette_options(stand_in="http://notes.invalid", secrets=[r"tok_\w+"])
    """
    pattern = re.compile("|".join(f"(?:{secret})" for secret in secrets) or r"(?!)")
    kept_request = {*REQUEST_HEADERS, *(name.lower() for name in request_headers)}
    kept_response = {*RESPONSE_HEADERS, *(name.lower() for name in response_headers)}

    def scrub(text: str) -> str:
        return pattern.sub("REDACTED", _LOOPBACK.sub(stand_in, text))

    def before_record_request(request: Any) -> Any:
        request.uri = scrub(request.uri)
        request.headers = only(request.headers, kept_request)
        if request.body:
            request.body = scrub(bytes(request.body).decode()).encode()
        return request

    def before_record_response(response: dict[str, Any]) -> dict[str, Any]:
        headers = {n: [scrub(v) for v in vs] for n, vs in only(response["headers"], kept_response).items()}
        body = response["body"]["string"]
        text = scrub((body if isinstance(body, bytes) else body.encode()).decode())
        return {**response, "headers": headers, "body": {"string": text.encode()}}

    return {
        "match_on": list(MATCH_ON),
        "decode_compressed_response": True,
        "before_record_request": before_record_request,
        "before_record_response": before_record_response,
    }


def only(headers: Mapping[str, Any], kept: Iterable[str]) -> dict[str, Any]:
    """Return the headers whose lower-case names are in ``kept``."""
    return {name: value for name, value in headers.items() if name.lower() in set(kept)}


def same_form(one: Any, other: Any) -> bool:
    """Return whether two requests' forms are equal, in any order; an empty value differs from a missing one."""
    return _form(one) == _form(other)


def _form(request: Any) -> list[tuple[str, str]]:
    return sorted(parse_qsl(bytes(request.body or b"").decode(), keep_blank_values=True))


@contextmanager
def misses_noted(note: Callable[[str], None]) -> Iterator[None]:
    """Report each request that is not recorded, which a plugin sees as a network error and would retry."""
    from vcr import stubs  # noqa: PLC0415 - lazy: needed with cassettes only

    class Noted(stubs.CannotOverwriteExistingCassetteException):  # type: ignore[misc] # vcrpy has no types
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            request = kwargs["failed_request"]
            note(f"{request.method} {request.path}")
            super().__init__(*args, **kwargs)

    with patch.object(stubs, "CannotOverwriteExistingCassetteException", Noted):
        yield


@contextmanager
def honest_replay(cassette: Any, *, recording: bool) -> Iterator[None]:
    """Raise AssertionError when the block makes a request that is not recorded, or leaves a recorded one out.

    Example:
        @pytest.fixture(autouse=True)
        def honest(vcr, pytestconfig):
            with honest_replay(vcr, recording=pytestconfig.getoption("--record-mode") not in {None, "none"}):
                yield
    """
    misses: list[str] = []
    with misses_noted(misses.append):
        yield
    if misses:
        raise AssertionError("Asked for, but not in the cassette: " + "; ".join(misses))
    if cassette is not None and not recording and not cassette.all_played:
        left = len(cassette) - len(cassette.play_counts)
        raise AssertionError(f"In the cassette, but never asked for: {left} of {len(cassette)} requests.")
