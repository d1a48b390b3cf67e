"""Decides what a public address is: a machine on the internet, not in the host's own network."""

from __future__ import annotations

import re
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

#: Characters that two URL parsers may read differently: backslash, blank, control characters.
_READ_IN_TWO_WAYS = re.compile(r"[\x00-\x20\\\x7f]")
#: IANA's special-purpose registries, written out because Python's ``is_global`` changes between releases.
_NOT_PUBLIC_4 = [
    ip_network(text)
    for text in (
        "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 "
        "192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4"
    ).split()
]
#: The IPv6 space in use. Ranges that embed an IPv4 address (mapped, NAT64, 6to4, Teredo) may lead to any of the above.
_PUBLIC_6 = ip_network("2000::/3")
_NOT_PUBLIC_6 = [ip_network(text) for text in "2001::/23 2001:db8::/32 2002::/16 3fff::/20".split()]


class UnknownHost(Exception):
    """The name cannot be resolved, at least now."""


class NotPublic(Exception):
    """At least one address of the name is not public."""


def split(url: str) -> SplitResult | None:
    """Return the parts of a URL; None if it is invalid or if another parser could read it differently."""
    try:
        parts = urlsplit(url)
        # Access both, because only that raises for a port out of range or a label that is too long.
        _ = parts.port, (parts.hostname or "").encode("idna")
    except ValueError:
        return None
    return None if _READ_IN_TWO_WAYS.search(url) else parts


def is_public(address: str) -> bool:
    """Whether an IP address is public. Raises: ValueError for a text that is not an IP address."""
    found: IPv4Address | IPv6Address = ip_address(address)
    if isinstance(found, IPv4Address):
        return not any(found in network for network in _NOT_PUBLIC_4)
    return found in _PUBLIC_6 and not any(found in network for network in _NOT_PUBLIC_6)


def is_literally_private(host: str) -> bool:
    """Whether the host's text alone shows that it is not public. Names are resolved only when a connection is made."""
    try:
        return not is_public(host)
    except ValueError:
        name = host.rstrip(".").lower()
        return name == "localhost" or name.endswith(".localhost")


def is_loopback(host: str) -> bool:
    """Whether the host's text alone shows that it is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def public_places(host: str, port: int) -> list[str]:
    """Return the IP addresses of a host, resolved once: connect to one of these, not to the name.

    Raises: UnknownHost; NotPublic when any of them is not public.
    """
    try:
        found = socket.getaddrinfo(host, port, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError) as error:  # a label that is too long is a UnicodeError
        raise UnknownHost from error
    places = list(dict.fromkeys(str(place[4][0]) for place in found))
    if not all(map(is_public, places)):
        raise NotPublic
    return places
