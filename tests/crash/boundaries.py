"""Finds the places at which a host may die, by watching its effects on the outside. There is no list of them.

A boundary is a place where something has just become visible to somebody else, or is about to: a request to Stripe, a
commit, a mail, an id saved on the platform, an answer to a caller. Its name says what happens there, with a number: the
second commit of one kind is another boundary.
"""

from __future__ import annotations

import os
import re
import select
import signal
import smtplib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.event import listen
from urllib3.connection import HTTPConnection

from qwoty_integrations_host.engine.durable import DurableEngine
from qwoty_integrations_host.mail.transports import OutboxTransport, SmtpTransport
from qwoty_integrations_host.platform.standalone import StandalonePlatform

#: Tables that depend on time only: a worker's heartbeat, rate limits, a key's last use.
_TIMES = {"worker_leases", "paces", "api_keys"}
#: Tables that follow from the rest of a transaction: the audit log, a quote's state, and its search words.
_BESIDES = {"audit", "standings", "quote_words"}
_WRITES = re.compile(r'\s*(INSERT INTO|UPDATE|DELETE FROM)\s+(?:"?\w+"?\.)?"?(\w+)"?', re.IGNORECASE)
#: Further boundaries, noted only by a worker that a test suspends.
JOB_BEGUN, JOB_OVER = "a job begins", "a job is over"
_ID = re.compile(r"(?<=/)(?:[a-z]+_(?:test_)?(?=[a-z]*[A-Z0-9])[A-Za-z0-9]{8,}|[\w-]{30,})(?=[/.]|$)")


class Boundaries:
    """Notes each boundary that this process passes, and stops the process at one: by its name, or the n-th of all.

    ``by``: the signal that stops the process; without one it calls ``os._exit``. SIGCONT wakes it after SIGSTOP.
    """

    def __init__(self, journal: Path, *, stop_at: str | int | None, by: int | None) -> None:
        self._journal = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._stop_at, self._by = stop_at, by
        self._seen: Counter[str] = Counter()
        self._passed = 0
        self._lock = threading.Lock()

    def reach(self, what: str) -> None:
        """Note that this boundary was reached, and stop the process if it is the one to stop at."""
        with self._lock:
            self._seen[what] += 1
            self._passed += 1
            name = f"{what} #{self._seen[what]}"
            os.write(self._journal, f"{name}\n".encode())
            if self._stop_at in {name, self._passed}:
                if self._by is None:
                    os._exit(9)
                # A signal to this thread stops the whole process before this call returns.
                signal.pthread_kill(threading.get_ident(), self._by)

    @contextmanager
    def around(self, what: str) -> Iterator[None]:
        """Reach the boundary before something and the one after it."""
        self.reach(f"before {what}")
        yield
        self.reach(f"after {what}")

    def watch(self) -> None:
        """Watch all effects of this process on the outside."""
        self._watch_requests()
        self._watch_commits()
        self._watch_mails()
        self._watch_answers()
        _wrap(StandalonePlatform, "save_external_id", lambda _, kind, *__, **___: self.around(f"saving a {kind}'s id"))

    def watch_jobs(self) -> None:
        """Also note when a job begins, and when it is over, however it ended."""
        execute = DurableEngine.execute

        @wraps(execute)
        def executed(engine: DurableEngine, job_id: str) -> None:
            self.reach(JOB_BEGUN)
            try:
                execute(engine, job_id)
            finally:
                self.reach(JOB_OVER)

        DurableEngine.execute = executed  # type: ignore[method-assign]

    def _watch_requests(self) -> None:
        _wrap(requests.Session, "send", lambda _, sent, **__: self.around(f"{sent.method} {_path(sent.url)}"))
        receive = HTTPConnection.getresponse

        @wraps(receive)
        def getresponse(line: Any, *given: Any, **named: Any) -> Any:
            # Once the socket is readable, the service has executed the request, and this process does not know it yet.
            select.select([line.sock], [], [], 60)
            self.reach(
                f"answer unread, {line._response_options.request_method} {_path(line._response_options.request_url)}"
            )
            return receive(line, *given, **named)

        HTTPConnection.getresponse = getresponse  # type: ignore[method-assign]

    def _watch_commits(self) -> None:
        written: dict[int, dict[str, None]] = {}

        def note(_line: Any, cursor: Any, statement: str, *_: Any) -> None:
            # A worker that looks for work writes, too, but changes no row. The row count of UPDATE runs comes too late.
            has_written = cursor.rowcount != 0 or statement.startswith("UPDATE runs")
            if has_written and (found := _WRITES.match(statement)) and found[2] not in _BESIDES:
                what = f"{found[1].split()[0].upper()} {found[2]}"
                written.setdefault(id(cursor.connection), {})[what] = None

        listen(sa.Engine, "after_cursor_execute", note)
        commit, rollback = DefaultDialect.do_commit, DefaultDialect.do_rollback

        def do_commit(dialect: Any, line: Any) -> None:
            changes = written.pop(id(line.dbapi_connection), {})
            if not changes or {change.split()[1] for change in changes} <= _TIMES:
                return commit(dialect, line)
            with self.around("commit of " + ", ".join(changes)):
                return commit(dialect, line)

        def do_rollback(dialect: Any, line: Any) -> None:
            written.pop(id(line.dbapi_connection), None)
            rollback(dialect, line)

        DefaultDialect.do_commit = do_commit  # type: ignore[method-assign]
        DefaultDialect.do_rollback = do_rollback  # type: ignore[method-assign]

    def _watch_mails(self) -> None:
        for transport in (OutboxTransport, SmtpTransport):
            _wrap(transport, "deliver", lambda *_: self.around("mail"))
        answer = smtplib.SMTP.getreply

        def getreply(line: smtplib.SMTP) -> Any:
            select.select([line.sock], [], [], 60)
            self.reach("mail server's answer unread")
            return answer(line)

        smtplib.SMTP.getreply = getreply  # type: ignore[method-assign]

    def _watch_answers(self) -> None:
        serve = Flask.wsgi_app

        def wsgi_app(app: Flask, environ: dict[str, Any], start: Any) -> Any:
            what = f"answering {environ['REQUEST_METHOD']} {_path(environ['PATH_INFO'])}"
            body = list(serve(app, environ, start))
            self.reach(f"before {what}")
            yield from body
            self.reach(f"after {what}")

        Flask.wsgi_app = wsgi_app  # type: ignore[method-assign,assignment]


def _wrap(owner: type, name: str, around: Callable[..., Any]) -> None:
    work = getattr(owner, name)

    @wraps(work)
    def wrapped(*given: Any, **named: Any) -> Any:
        with around(*given, **named):
            return work(*given, **named)

    setattr(owner, name, wrapped)


def _path(url: str) -> str:
    return _ID.sub("{id}", urlsplit(url).path)
