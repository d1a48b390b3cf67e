"""Every failure of a plugin, as rows of one table: the host names the plugin and goes on."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from builders import a_quote
from console.conftest import follow
from failures.rows import LOADING, RUNNING, LoadRow, RunRow
from host_server import FAKES, REAL
from qwoty_integrations_host.cli import main
from qwoty_integrations_host.clock import ManualClock
from qwoty_integrations_host.config import HostConfig
from qwoty_integrations_host.doctor import examine
from qwoty_integrations_host.engine.inline import InlineEngine
from qwoty_integrations_host.host import Host, create_host
from qwoty_integrations_host.plugins import manager
from qwoty_integrations_host.plugins.deadlines import Deadlines
from qwoty_integrations_host.reports.runs import find_run
from qwoty_integrations_host.store.workspaces import add_workspace
from qwoty_integrations_host.web import sessions
from qwoty_integrations_host.web.app import create_app
from written_log import written_log

PAGE = Path(__file__).parents[2] / "docs" / "plugin-failures.md"
QUICK = Deadlines(local=2.0, service=2.0, load=2.0, run=2.0)


@contextmanager
def host_with_everything(data_dir: Path) -> Iterator[Host]:
    """A host with every failing distribution and a working one, ``second``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manager, "Deadlines", lambda: QUICK)
        patch.syspath_prepend(str(FAKES))
        patch.syspath_prepend(str(FAKES / "failing"))
        config = HostConfig(data_dir=data_dir, public_url="http://localhost", plugins_blocked=REAL)
        clock = ManualClock(datetime(2026, 3, 10, 9, tzinfo=UTC))
        host = create_host(config, engine=lambda _: InlineEngine(clock), clock=clock)
        try:
            host.start_worker()
            yield host
        finally:
            importlib.import_module("fake_misbehaving").RELEASE.set()
            host.close()
            for name in [name for name in sys.modules if name.startswith("fake_")]:
                del sys.modules[name]


def work(host: Host, workspace: str, settings: dict[str, Any] | None = None) -> dict[str, dict[str, Any]]:
    """Accept a quote in its own workspace, and return its runs by plugin."""
    with host.store.write() as db:
        add_workspace(db, workspace, host.clock.now())
    host.settings.enable(workspace, "second")
    if settings is not None:
        host.settings.save(workspace, "misbehaving", settings)
        host.settings.enable(workspace, "misbehaving")
    accepted = host.runs.acceptance.accept(workspace, a_quote())
    assert isinstance(host.engine, InlineEngine)
    host.engine.work_queued()
    return {run["plugin"]: run for run in (find_run(host.store, run_id) for run_id in accepted.run_ids)}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with host_with_everything(tmp_path_factory.mktemp("data")) as opened:
        yield opened


@pytest.fixture(scope="module")
def shown(host: Host) -> dict[str, str]:
    """The output of each place that shows plugins."""
    work(host, "ws-look")
    client = create_app(host).test_client()
    headers = {"Sec-Fetch-Site": "same-origin"}
    follow(client, sessions.login_link(host, "ws-look", "admin"))
    console = client.get("/console/", headers=headers)
    assert console.status_code == 200
    listed = CliRunner().invoke(main, ["--data-dir", str(host.config.data_dir), "plugin", "list", "--json"])
    return {
        "doctor": "\n".join(f"{found.detail} {found.hint}" for found in examine(host)),
        "plugin list": json.dumps(json.loads(listed.stdout), ensure_ascii=False),
        "console": console.text.replace("&#39;", "'"),
        "health": client.get("/health/ready").text,
        "metrics": client.get("/metrics").text,
    }


@pytest.mark.parametrize("row", LOADING, ids=lambda row: row.name)
def test_a_plugin_that_cannot_be_loaded_is_shown_everywhere_with_its_distribution(
    host: Host, shown: dict[str, str], row: LoadRow
) -> None:
    status = host.plugins.status(row.plugin)

    assert (status.state, status.origin) == (row.state, row.origin)
    assert row.says in status.reason
    assert f"{row.plugin} ({row.origin}) is {row.state}: {status.reason}" in shown["doctor"]
    for place in ("plugin list", "console"):
        assert row.plugin in shown[place]
        assert row.says in shown[place]
    assert f'"{row.plugin}":"{row.state}"' in shown["health"].replace(" ", "")
    assert f'qwoty_plugins{{plugin="{row.plugin}",state="{row.state}"}} 1.0' in shown["metrics"]
    assert work(host, f"ws-{row.plugin.replace('_', '-')}")["second"]["status"] == "succeeded"


@pytest.mark.parametrize("row", RUNNING, ids=lambda row: row.name)
def test_a_run_with_a_failing_hook_names_the_plugin_and_other_plugins_go_on(
    host: Host, row: RunRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    with written_log(monkeypatch) as written:
        runs = work(host, f"ws-{row.name.replace(' ', '-').lower()}", {"does": row.name})

        found = runs["misbehaving"]
        assert found["status"] == row.status
        if row.says:
            assert found["error"]["code"] == row.code
            assert row.says in found["error"]["title"]
            assert len(found["error"]["title"]) < 3_000
        assert runs["second"]["outcome"]["notes"] == ["second was here"]
        assert "Canary" not in json.dumps(runs) + written()
        assert len(written()) < 1_000_000
    assert create_app(host).test_client().get("/health/ready").status_code == 200


def test_the_documentation_page_has_every_row_with_its_words() -> None:
    page = PAGE.read_text("utf-8")
    rows = {line.split("|")[1].strip(): line for line in page.splitlines() if line.startswith("| ")}

    assert [row.name for row in (*LOADING, *RUNNING) if row.name not in rows] == []
    assert [row.name for row in (*LOADING, *RUNNING) if row.says not in rows[row.name]] == []
    assert [row.name for row in LOADING if row.origin not in rows[row.name]] == []
