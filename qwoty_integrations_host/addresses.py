"""Which machines an address given by others may lead to: the internet's, and none of our own network."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit


def split(url: str) -> SplitResult | None:
    """The parts of an address; None for what is none."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # read here, because a port out of range is only noticed then
    except ValueError:
        return None
    return parts


def is_public(host: str, port: int) -> bool:
    """Whether a host name leads to public addresses alone. Raises: OSError for a name that nobody knows."""
    try:
        found = socket.getaddrinfo(host, port, proto=socket.IPPROTO_TCP)
    except UnicodeError as error:  # a label that is too long
        raise OSError("not a host name") from error
    return bool(found) and all(ip_address(place[4][0]).is_global for place in found)
