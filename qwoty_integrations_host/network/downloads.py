"""Requests to addresses that others supply; each connection goes only to a public machine.

The connection itself resolves the name, once, and connects to the resolved address. So a name that resolves differently
a moment later (DNS rebinding) cannot bypass the check. TLS and the request still use the name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urljoin

from .addresses import NotPublic, UnknownHost, public_places, split
from .request_errors import why_unsent

if TYPE_CHECKING:
    import socket

    import requests

_MOST_REDIRECTS = 3
_TIMEOUT = (10, 30)
#: Seconds for a whole body; the timeout applies to each piece.
_MOST_SECONDS = 60


class NotFetched(Exception):
    """The reason why nothing was fetched, as the end of a sentence about the address, which it never contains.

    ``is_final`` means that a retry cannot help. ``status`` is that of a response other than 200.
    """

    def __init__(self, why: str, *, is_final: bool = False, status: int | None = None) -> None:
        super().__init__(why)
        self.why, self.is_final, self.status = why, is_final, status


@cache
def public_session(*, proxies: bool = False) -> requests.Session:
    """Return the process's session that connects to public machines only and uses no passwords of this machine.

    It keeps connections, each to the address that was checked when it was made. A request that finds its connection
    dead is sent once more. With ``proxies`` it uses those that the environment names, which then resolve the names and
    decide. Its requests also raise NotPublic and UnknownHost.
    """
    return _session(_public_adapter(), proxies=proxies)


@cache
def plain_session(*, proxies: bool = False) -> requests.Session:
    """Return such a session for addresses that the operator chose, which may lead anywhere."""
    from .connections import Adapter  # noqa: PLC0415 - lazy: every command would pay for requests

    return _session(Adapter, proxies=proxies)


def _session(adapter: type[Any], *, proxies: bool) -> requests.Session:
    from .connections import Session  # noqa: PLC0415 - lazy, as above

    session = Session()
    session.sends_by(adapter(repeats=True))
    session.trust_env = proxies
    return session


def download(url: str, *, most_bytes: int, may_be_asked: Callable[[SplitResult], bool] | None = None) -> bytes:
    """Return the body at a public https address, fetched without credentials over at most three redirects.

    ``may_be_asked`` says which http or https addresses the operator chose; these need not be public.
    Raises: NotFetched.
    """
    for _ in range(_MOST_REDIRECTS + 1):
        chosen = _refuse_unless_allowed(url, may_be_asked)
        session = plain_session() if chosen else public_session()
        try:
            with session.get(url, stream=True, timeout=_TIMEOUT) as answer:
                if not answer.is_redirect:
                    return _content(answer, most_bytes)
                url = urljoin(url, answer.headers["location"])
        except Exception as error:  # noqa: BLE001 - of half a dozen libraries' own; each is told apart below
            # Without `from`, because the cause's text contains the address.
            raise _not_fetched(error) from None
    raise NotFetched("leads on and on", is_final=True)


def _refuse_unless_allowed(url: str, may_be_asked: Callable[[SplitResult], bool] | None) -> bool:
    """Return whether the operator chose the address. Raises: NotFetched for any other that is not public https."""
    parts = split(url)
    if parts is None:
        raise NotFetched("is none", is_final=True)
    if not parts.hostname or parts.username or parts.password or parts.scheme not in {"http", "https"}:
        raise NotFetched("is not an https address", is_final=True)
    chosen = may_be_asked is not None and may_be_asked(parts)
    if not chosen and parts.scheme != "https":
        raise NotFetched("is not an https address", is_final=True)
    return chosen


def _content(answer: requests.Response, most_bytes: int) -> bytes:
    if answer.status_code != 200:
        raise NotFetched(f"opens nothing (HTTP {answer.status_code})", status=answer.status_code)
    content = bytearray()
    for piece in pieces(answer):
        content += piece
        if len(content) > most_bytes:
            raise NotFetched(f"leads to more than {most_bytes // 2**20} MB", is_final=True)
    return bytes(content)


def pieces(answer: requests.Response) -> Iterator[bytes]:
    """Yield the body as it arrives. Raises: requests.RequestException when it breaks off or takes more than a minute.

    Pieces are yielded as they are, because waiting for a full one would wait for a server that sends a byte at a time.
    """
    import requests  # noqa: PLC0415 - lazy, as above
    from urllib3.exceptions import HTTPError  # noqa: PLC0415 - comes with requests

    until = monotonic() + _MOST_SECONDS
    answer.raw.decode_content = True
    try:
        while piece := answer.raw.read1(65536):
            yield piece
            if monotonic() > until:
                raise requests.ReadTimeout
    except HTTPError as error:
        raise requests.ConnectionError(error) from error


def _not_fetched(error: Exception) -> Exception:
    import requests  # noqa: PLC0415 - lazy, as above
    from urllib3.exceptions import HTTPError  # noqa: PLC0415 - comes with requests

    if isinstance(error, NotFetched):
        return error
    if isinstance(error, NotPublic):
        return NotFetched("leads to a private address", is_final=True)
    if isinstance(error, UnknownHost):
        return NotFetched("has a host name that is not known")
    if why_unsent(error) and isinstance(error, requests.RequestException):
        return NotFetched("is none", is_final=True)
    if isinstance(error, requests.RequestException | HTTPError):
        return NotFetched("cannot be fetched")
    if isinstance(error, ValueError):  # requests parses the address of a redirect even when it does not follow it
        return NotFetched("leads to no address", is_final=True)
    return error


# -- connections --------------------------------------------------------------------------------------


def _public_adapter() -> type[Any]:
    """Return an adapter whose connections check their address; built on first use, because it imports requests."""
    from .connections import Adapter, HttpPool, HttpsPool  # noqa: PLC0415 - lazy, as above

    class Https(HttpsPool):
        def _new_conn(self) -> Any:
            return _looking(super()._new_conn())

    class Http(HttpPool):
        def _new_conn(self) -> Any:
            return _looking(super()._new_conn())

    class PublicAdapter(Adapter):
        pools = {"https": Https, "http": Http}  # noqa: RUF012 - never changed

    return PublicAdapter


def _looking(connection: Any) -> Any:
    """Return the connection class with a connect that goes to a public address of its host, or fails."""
    connection._new_conn = partial(_connect, connection)  # noqa: SLF001 - where urllib3 looks up and connects
    return connection


def _connect(connection: Any) -> socket.socket:
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError  # noqa: PLC0415 - lazy, as above
    from urllib3.util.connection import create_connection  # noqa: PLC0415 - lazy, as above

    failed: Exception = NewConnectionError(connection, "The host has no address.")
    for place in public_places(connection.host, connection.port):
        try:
            return create_connection(
                (place, connection.port),
                connection.timeout,
                source_address=connection.source_address,
                socket_options=connection.socket_options,
            )
        except TimeoutError:
            failed = ConnectTimeoutError(connection, "The connection timed out.")
        except OSError as error:
            failed = NewConnectionError(connection, f"No connection: {type(error).__name__}.")
    raise failed
