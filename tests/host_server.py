"""A host's web application over real HTTP, on the server that ``serve`` uses, for as long as a block."""

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
#: The fakes that do not load, and whose reasons only test_discovery looks at.
BROKEN = frozenset(
    "argument_default bad_schema exits half_removed id_mismatch import_error leaky old_api try_first twin "
    "typo_hook unknown_argument wrong_manifest".split()
)


#: The integrations that are at work beside the fakes where nothing blocks them.
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
