"""Serves a host's web application over real HTTP for the length of a block, with the server that ``serve`` uses."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from waitress import wasyncore

from qwoty_integrations_host.host import Host
from qwoty_integrations_host.web.app import create_app
from qwoty_integrations_host.web.server import create_server

FAKES = Path(__file__).parent / "fake_dists"
#: The fake plugins that do not load. Only test_discovery looks at the reasons.
BROKEN = frozenset(
    "argument_default bad_schema exits half_removed id_mismatch import_error leaky old_api try_first twin "
    "typo_hook unknown_argument wrong_manifest".split()
)


#: The real integrations, which load beside the fakes unless they are blocked.
REAL = frozenset({"slack", "stripe_invoice"})


@contextmanager
def served(host: Host) -> Iterator[str]:
    server = create_server(create_app(host), "127.0.0.1", 0)
    sockets: dict[int, Any] = server._map
    ends = threading.Event()

    def loop() -> None:
        while not ends.is_set():
            wasyncore.loop(timeout=0.02, map=sockets, count=1, use_poll=True)

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.effective_port}"
    finally:
        ends.set()
        thread.join()
        server.task_dispatcher.shutdown()
        for found in list(sockets.values()):
            found.close()
