"""Who asks: whoever holds the connection, unless that is a proxy of ours, which says for whom it asks (ADR 0076)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

from werkzeug.http import parse_options_header

Network = IPv4Network | IPv6Network
_X_FORWARDED, _FORWARDED = "HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED"


class ClientAddresses:
    """Puts the client's address into ``REMOTE_ADDR``, as werkzeug's ProxyFix does, but by naming proxies, not counting.

    From the right, each address of ``X-Forwarded-For`` or ``Forwarded`` was added by the one after it; the first that
    is no proxy of ours is the client. A proxy sets one of the two headers and hands the other on as it came: where both
    are there, neither can be believed.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]], proxies: Sequence[Network]) -> None:
        self._app, self._proxies = app, proxies

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        given = [_split(environ.pop(name, ""), name) for name in (_X_FORWARDED, _FORWARDED)]
        said = [addresses for addresses in given if addresses]
        if len(said) == 1:
            environ["REMOTE_ADDR"] = self._client(environ.get("REMOTE_ADDR", ""), said[0])
        return self._app(environ, start_response)

    def _client(self, peer: str, said: list[str]) -> str:
        while said and self._is_ours(peer):
            address = _address(said.pop())
            if address is None:
                break  # a proxy that names nobody asks for itself
            peer = address
        return peer

    def _is_ours(self, peer: str) -> bool:
        return (known := _address(peer)) is not None and any(ip_address(known) in each for each in self._proxies)


def one_place(address: str) -> str:
    """What is counted as one place: an address, and of IPv6 the network that one customer of a provider has."""
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
    """The address without port, brackets and zone; an IPv4 one that is mapped into IPv6 as itself."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return str(mapped or found)
