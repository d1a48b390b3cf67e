"""Threads that write at the same moment share a commit: each is answered after it, and what is bad fails alone."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection, text
from sqlalchemy.event import listen
from sqlalchemy.exc import OperationalError

from postgresql import until_it_ends_or_waits
from qwoty_integrations_host.errors import DatabaseUnavailable
from qwoty_integrations_host.store.database import Store
from qwoty_integrations_host.store.grouped_writes import GroupedWrites


class Desk:
    """A table of names, and threads that write to it. The first one is held in its transaction until ``go``."""

    def __init__(self, address: str) -> None:
        self.engine = sa.create_engine(address)
        self.store = Store(self.engine)
        self.writes: GroupedWrites[str, str] = GroupedWrites(self.store, self._write_all)
        self.groups: list[list[str]] = []
        self.answers: dict[str, Any] = {}
        self.began, self.go = threading.Event(), threading.Event()
        with self.engine.begin() as db:
            db.execute(text("CREATE TABLE names (name VARCHAR(20) PRIMARY KEY, times INTEGER NOT NULL)"))

    def _write_all(self, db: Connection, names: Sequence[str]) -> list[str]:
        self.groups.append(list(names))
        for name in names:
            if name == "bad":
                raise ValueError("a bad row")
            again = " ON CONFLICT (name) DO UPDATE SET times = names.times + 1"
            db.execute(text("INSERT INTO names VALUES (:name, 1)" + again), {"name": name})
        if names[0] == "first":
            self.began.set()
            assert self.go.wait(30)
        return [f"{name} is written" for name in names]

    def write(self, name: str) -> threading.Thread:
        def work() -> None:
            try:
                answer = self.writes.write(name)
                # What others see at the moment of the answer.
                with self.engine.connect() as db:
                    is_there = db.execute(text("SELECT 1 FROM names WHERE name = :name"), {"name": name}).first()
                self.answers[name] = answer if is_there else "answered too early"
            except Exception as error:  # noqa: BLE001 - the test looks at it
                self.answers[name] = error

        thread = threading.Thread(target=work)
        thread.start()
        return thread

    def write_together(self, *names: str) -> list[threading.Thread]:
        """Hold the first one in its transaction until all others wait."""
        threads = [self.write("first")]
        assert self.began.wait(30)
        for number, name in enumerate(names, start=1):
            threads.append(self.write(name))
            self.until(lambda number=number: len(self.writes._waiting) == number)
        return threads

    @staticmethod
    def until(is_so: Callable[[], bool]) -> None:
        while not is_so():
            threading.Event().wait(0.001)

    def all_written(self, *names: str) -> None:
        threads = self.write_together(*names)
        assert not self.answers, "nobody is answered before the commit"
        self.go.set()
        for thread in threads:
            thread.join(30)


@pytest.fixture(params=["sqlite", "postgresql"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    if request.param == "sqlite":
        found = Desk(f"sqlite:///{tmp_path / 'names.sqlite3'}")
        found.engine.dispose()
        listen(found.engine, "connect", lambda raw, _: setattr(raw, "isolation_level", "IMMEDIATE"))
    else:
        found = Desk(request.getfixturevalue("postgresql"))
    yield found
    found.engine.dispose()


def test_those_that_come_while_one_writes_share_the_next_commit_and_are_answered_after_it(desk: Desk) -> None:
    commits: list[int] = []
    listen(desk.engine, "commit", lambda _: commits.append(len(desk.answers)))

    desk.all_written("a", "b", "c")

    assert desk.groups == [["first"], ["a", "b", "c"]]
    assert len(commits) == 2
    assert commits[0] == 0
    assert desk.answers == {name: f"{name} is written" for name in ("first", "a", "b", "c")}


def test_one_alone_is_written_at_once(desk: Desk) -> None:
    for name in ("a", "b"):
        assert desk.writes.write(name) == f"{name} is written"

    assert desk.groups == [["a"], ["b"]]


def test_a_bad_row_fails_alone(desk: Desk) -> None:
    desk.all_written("a", "bad", "b")

    assert isinstance(desk.answers.pop("bad"), ValueError)
    assert desk.answers == {name: f"{name} is written" for name in ("first", "a", "b")}
    assert desk.groups[:2] == [["first"], ["a", "bad", "b"]]
    assert sorted(desk.groups[2:]) == [["a"], ["b"], ["bad"]]


def test_a_bad_row_does_not_keep_those_that_come_later_from_being_written(desk: Desk) -> None:
    with suppress(ValueError):
        desk.writes.write("bad")

    assert desk.writes.write("a") == "a is written"


def test_a_commit_that_fails_refuses_all_of_its_group(desk: Desk) -> None:
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    commits: list[int] = []

    def fail_second(_: Any) -> None:
        commits.append(len(commits))
        if len(commits) == 2:
            raise OperationalError("COMMIT", {}, full)

    listen(desk.engine, "commit", fail_second)

    desk.all_written("a", "b")

    assert desk.answers.pop("first") == "first is written"
    assert {type(error) for error in desk.answers.values()} == {DatabaseUnavailable}
    assert set(desk.answers) == {"a", "b"}
    assert len(desk.groups) == 2, "nothing was tried again: whoever asked does that"
    assert desk.writes.write("c") == "c is written"
    with desk.engine.connect() as db:
        assert db.execute(text("SELECT name FROM names ORDER BY name")).scalars().all() == ["c", "first"]


def test_a_row_that_somebody_has_locked_waits_alone(postgresql: str) -> None:
    desk = Desk(postgresql)
    desk.writes.write("locked")
    with desk.engine.connect() as other:
        other.execute(text("SELECT 1 FROM names WHERE name = 'locked' FOR UPDATE"))
        first, locked, free = desk.write_together("locked", "free")
        desk.go.set()
        for thread in (first, free):
            thread.join(30)
        assert desk.answers == {"first": "first is written", "free": "free is written"}
        until_it_ends_or_waits(locked, postgresql)
        other.rollback()
    locked.join(30)

    assert desk.answers["locked"] == "locked is written"
    desk.engine.dispose()


def test_a_lone_row_that_somebody_has_locked_keeps_nobody_waiting(postgresql: str) -> None:
    desk = Desk(postgresql)
    desk.writes.write("locked")
    with desk.engine.connect() as other:
        other.execute(text("SELECT 1 FROM names WHERE name = 'locked' FOR UPDATE"))
        locked = desk.write("locked")
        until_it_ends_or_waits(locked, postgresql)
        free = desk.write("free")
        free.join(10)
        answers = dict(desk.answers)
        other.rollback()
    for thread in (locked, free):
        thread.join(30)

    assert answers == {"free": "free is written"}
    assert desk.answers["locked"] == "locked is written"
    desk.engine.dispose()
