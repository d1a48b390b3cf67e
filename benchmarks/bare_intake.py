"""The least that could take a webhook durably: bare Flask, one INSERT, one commit; on the server that the host uses.

``python -m benchmarks.bare_intake PORT FILE``. No signature, no duplicates, no work: it is here to be measured beside.
"""

from __future__ import annotations

import logging
import sqlite3
import sys
import threading

from flask import Flask, Response, jsonify, request
from waitress import serve  # type: ignore[import-untyped]

_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000")


def main() -> None:
    port, file = int(sys.argv[1]), sys.argv[2]
    app = Flask("bare", static_folder=None)
    mine, writing = threading.local(), threading.Lock()

    def line() -> sqlite3.Connection:
        if not hasattr(mine, "line"):
            mine.line = sqlite3.connect(file)
            for pragma in _PRAGMAS:
                mine.line.execute(f"PRAGMA {pragma}")
        found: sqlite3.Connection = mine.line
        return found

    with sqlite3.connect(file) as db:
        db.execute("CREATE TABLE events (id INTEGER PRIMARY KEY, body BLOB NOT NULL)")

    @app.post("/<path:_>")
    def receive(_: str) -> Response:
        body = request.get_data()
        with writing, line() as db:
            db.execute("INSERT INTO events (body) VALUES (?)", (body,))
        return jsonify({"received": "stored"})

    @app.get("/health/ready")
    def ready() -> Response:
        return jsonify({"status": "ok"})

    logging.getLogger("waitress.queue").setLevel("ERROR")  # as the host has it
    serve(app, host="127.0.0.1", port=port, threads=8)


if __name__ == "__main__":
    main()
