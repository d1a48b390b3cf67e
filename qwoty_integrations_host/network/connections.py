"""Connections that are kept, for all threads of the process (ADR 0086).

A new connection costs a handshake, and without a context of TLS that is kept, the reading of all certificates as well.
"""

from __future__ import annotations

import math
import os
import ssl
import threading
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from time import monotonic
from typing import Any

import requests
from requests.adapters import DEFAULT_CA_BUNDLE_PATH, HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

#: Connections kept for one server. More requests at once open further ones, which are closed after their answer.
_MOST_KEPT = 64
#: After so many seconds of rest a connection is not used again. Some firewalls forget one that rests for two minutes,
#: and what is sent over it then gets no answer at all.
_LONGEST_REST = 60.0


class ConnectionDied(requests.ConnectionError):
    """What ``sessions.connection_died`` is about."""


class Session(requests.Session):
    """What ``sessions.kept_session`` returns."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # requests of other threads use it, too
        self.sends_by(Adapter())

    def sends_by(self, adapter: Adapter) -> None:
        """Send all requests by this adapter."""
        for scheme in ("https://", "http://"):
            self.mount(scheme, adapter)

    def request(self, *given: Any, **named: Any) -> requests.Response:
        # A redirected POST would become a GET of something else, and might take a token elsewhere.
        return super().request(*given, **{**named, "allow_redirects": False})


class _Thread(threading.local):
    """What the adapter and the pool tell each other about this thread's request."""

    is_kept = False
    must_be_new = False


_thread = _Thread()


class _Pool:
    """Says whether a connection was kept, and keeps none that has rested for long. Both methods are urllib3's own."""

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection = super()._get_conn(timeout)  # type: ignore[misc]
        must_be_new, _thread.must_be_new = _thread.must_be_new, False
        if must_be_new or monotonic() - getattr(connection, "rests_since", math.inf) > _LONGEST_REST:
            connection.close()  # urllib3 connects it anew
        _thread.is_kept = not connection.is_closed
        return connection

    def _put_conn(self, connection: Any) -> None:
        if connection is not None:
            connection.rests_since = monotonic()
        super()._put_conn(connection)  # type: ignore[misc]


class HttpsPool(_Pool, HTTPSConnectionPool):
    """Connections to one https server."""


class HttpPool(_Pool, HTTPConnectionPool):
    """Connections to one http server."""


class Adapter(HTTPAdapter):
    """Keeps connections. With ``repeats``, it sends a request whose kept connection is dead once more."""

    #: The classes of connections to the server itself. Those to a proxy are urllib3's own.
    pools: dict[str, type[Any]] = {"https": HttpsPool, "http": HttpPool}  # noqa: RUF012 - never changed

    def __init__(self, *, repeats: bool = False) -> None:
        self._repeats = repeats
        super().__init__(pool_maxsize=_MOST_KEPT)

    def init_poolmanager(self, *given: Any, **named: Any) -> None:
        super().init_poolmanager(*given, **named)
        self.poolmanager.pool_classes_by_scheme = self.pools

    def proxy_manager_for(self, proxy: str, **named: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **named)
        if not proxy.lower().startswith("socks"):  # those have connections of their own, which no request repeats
            manager.pool_classes_by_scheme = {"https": HttpsPool, "http": HttpPool}
        return manager

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> Any:
        place, how = super().build_connection_pool_key_attributes(request, verify, cert)
        if verify and not cert and place["scheme"] == "https":
            bundle = DEFAULT_CA_BUNDLE_PATH if verify is True else str(verify)
            return place, {"ssl_context": tls_context(bundle, os.environ.get("SSL_CERT_FILE", ""))}
        return place, how

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        if not verify or cert:  # otherwise the context has the certificates; each connection would read them anew
            super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]
        elif getattr(conn, "proxy_config", None) and "ssl_context" in conn.conn_kw:
            # An https proxy is trusted as the server is; urllib3 would take the machine's own list.
            config = conn.proxy_config._replace(ssl_context=conn.conn_kw["ssl_context"])
            conn.proxy_config = conn.conn_kw["proxy_config"] = config

    def send(self, request: requests.PreparedRequest, *given: Any, **named: Any) -> requests.Response:
        try:
            return self._send(request, *given, **named)
        except ConnectionDied:
            if not self._repeats:
                raise
            return self._send(request, *given, **named)

    def _send(self, request: requests.PreparedRequest, *given: Any, **named: Any) -> requests.Response:
        _thread.is_kept = False
        try:
            return super().send(request, *given, **named)
        except requests.ConnectionError as error:
            if not _thread.is_kept:
                raise
            _thread.must_be_new = True
            raise ConnectionDied(*error.args, request=request) from error


_reading = threading.Lock()


def tls_context(bundle: str, further: str) -> ssl.SSLContext:
    """Return the context that trusts the authorities in both files (or folders), which are read once.

    ``further`` is the operator's, and comes on top: it may be there for a mail server, and hold one authority alone.
    Raises: requests.exceptions.SSLError.
    """
    with _reading:  # two contexts would be two pools of connections
        return _read(bundle, further)


@cache
def _read(bundle: str, further: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks names and certificates
    for name in filter(None, [bundle, further]):
        folder = Path(name).is_dir()
        try:
            context.load_verify_locations(**{"capath" if folder else "cafile": name})
        except OSError as error:
            raise requests.exceptions.SSLError(f"{name} holds no certificates of authorities.") from error
    return context
