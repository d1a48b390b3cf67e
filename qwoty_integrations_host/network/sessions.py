"""Sessions for requests that any thread may send, and what their errors say about the connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import requests


def kept_session() -> requests.Session:
    """Return a session that all threads can use at the same time, and that keeps its connections.

    It follows no redirects, keeps no cookies, and uses no passwords or proxies of this machine. It trusts the
    authorities that requests trusts, and those in the file that ``SSL_CERT_FILE`` names. They are read once.
    """
    from .connections import Session  # noqa: PLC0415 - lazy: every command would pay for requests

    return Session()


def connection_died(error: BaseException | None) -> bool:
    """Whether a request of a kept session got no answer because its connection, which had been kept, was dead.

    Usually the server had closed it while it rested, but the request may have arrived. It may be sent once more if
    sending it twice does nothing twice. The next request of this thread opens a new connection.
    """
    from .connections import ConnectionDied  # noqa: PLC0415 - lazy, as above

    return isinstance(error, ConnectionDied)
