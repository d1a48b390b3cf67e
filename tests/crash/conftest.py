from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from uuid import uuid4

import pytest

from crash.deaths import Ward
from crash.flows import FLOWS, Flow
from crash.report import chosen
from crash.site import Database, InDataDir, PostgreSql, Site
from stripe_simulator import StripeSimulator

# The process that all hosts are forked from finds the test modules here.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH"))))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run slow tests for two flows only, for others with each commit, and for all flows with ``--deaths=all``."""
    wanted = metafunc.config.getoption("--deaths")
    workers = tuple(flow for flow in FLOWS if flow.is_one_workers)
    for name, flows in (("flow_in_turn", FLOWS), ("workers_flow_in_turn", workers)):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, chosen(flows, "all" if wanted == "all" else "2"), ids=lambda flow: flow.name)


@pytest.fixture
def wanted(request: pytest.FixtureRequest) -> str:
    """Return the number of deaths, or ``all``."""
    return str(request.config.getoption("--deaths"))


@pytest.fixture
def admit(
    request: pytest.FixtureRequest, stripe_simulator: StripeSimulator, tmp_path: Path
) -> Iterator[Callable[[Flow, str], Ward]]:
    """Yield a function that sets up a host for a flow, on a database of its own."""
    with ExitStack() as stack:

        def database(name: str) -> Database:
            if name == "SQLite":
                return InDataDir()
            found = PostgreSql(request.getfixturevalue("postgresql_server"), f"c{uuid4().hex[:12]}")
            stack.callback(found.drop)
            return found

        def admitted(flow: Flow, name: str) -> Ward:
            site = Site(stripe_simulator, tmp_path, database(name), smtp=flow.smtp)
            return Ward(stack.enter_context(closing(site)), flow)

        yield admitted
