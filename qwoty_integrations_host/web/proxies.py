"""Finds the client's address: that of the connection, or the one that a trusted proxy forwards (ADR 0076)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

from werkzeug.http import parse_options_header

Network = IPv4Network | IPv6Network
_X_FORWARDED, _FORWARDED = "HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED"


class ClientAddresses:
    """Puts the client's address into ``REMOTE_ADDR``.

    It is like werkzeug's ProxyFix, but it knows the addresses of trusted proxies instead of their number. Each proxy
    appends its peer's address to ``X-Forwarded-For`` or ``Forwarded``. Read from the right, the first address that does
    not belong to a trusted proxy is the client's. A proxy sets one of the two headers and forwards the other unchanged,
    so if both are present, neither is used.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]], proxies: Sequence[Network]) -> None:
        self._app, self._proxies = app, proxies

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        headers = [_split(environ.pop(name, ""), name) for name in (_X_FORWARDED, _FORWARDED)]
        present = [addresses for addresses in headers if addresses]
        if len(present) == 1:
            environ["REMOTE_ADDR"] = self._client(environ.get("REMOTE_ADDR", ""), present[0])
        return self._app(environ, start_response)

    def _client(self, peer: str, forwarded: list[str]) -> str:
        while forwarded and self._is_trusted(peer):
            address = _address(forwarded.pop())
            if address is None:
                break  # the proxy names no client: the request is its own
            peer = address
        return peer

    def _is_trusted(self, peer: str) -> bool:
        return (known := _address(peer)) is not None and any(ip_address(known) in each for each in self._proxies)


def rate_limit_key(address: str) -> str:
    """Return the key of an address's rate limit: an IPv4 address, or the /64 network that one customer usually has."""
    known = _address(address)
    if known is None or not isinstance(ip_address(known), IPv6Address):
        return known or address
    return str(IPv6Network((known, 64), strict=False))


def _split(header: str, name: str) -> list[str]:
    parts = [part.strip() for part in header.split(",") if part.strip()]
    if name == _X_FORWARDED:
        return parts
    return [parse_options_header(f"for;{part}")[1].get("for", "unknown") for part in parts]


def _address(text: str) -> str | None:
    """Return the address without port, brackets and zone, an IPv4-mapped one as IPv4; None if invalid."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)
