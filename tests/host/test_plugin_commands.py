"""``qwoty-host plugin new`` and ``plugin check``: their files, refusals and messages."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from host_server import FAKES
from qwoty_integrations_host.cli import main
from qwoty_integrations_host.errors import InvalidInput
from qwoty_integrations_host.scaffold import plugin_id_of
from qwoty_integrations_host.testing import grading
from qwoty_integrations_host.testing.derived import derived_settings
from qwoty_integrations_host.testing.grading import Check, Grade
from qwoty_stripe_invoice.settings import settings_schema


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["plugin", *arguments])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_new_plugin_has_its_name_in_every_file(here: Path) -> None:
    done = run("new", "acme-chat", "--json")

    said = json.loads(done.stdout)
    assert (done.exit_code, said["plugin"], said["folder"]) == (0, "acme_chat", str(here / "acme-chat"))
    assert {"pyproject.toml", "README.md", "qwoty_acme_chat/plugin.py", "tests/test_conformance.py"} <= set(
        said["files"]
    )
    texts = {name: (here / "acme-chat" / name).read_text("utf-8") for name in said["files"]}
    assert 'acme_chat = "qwoty_acme_chat.plugin"' in texts["pyproject.toml"]
    assert [name for name, text in texts.items() if "my_integration" in name + text.lower().replace("-", "_")] == []
    assert "Acme Chat" in texts["README.md"] + texts["qwoty_acme_chat/settings.schema.json"]


def test_the_command_prints_the_next_steps(here: Path) -> None:
    done = run("new", "acme_chat")

    assert "cd acme_chat\n" in done.stdout
    assert "plugin check qwoty-acme-chat --tests tests" in done.stdout


@pytest.mark.parametrize("name", ["Acme", "acme chat", "1st", "../acme", "acme-", "a--b", "x" * 41, "", "platform"])
def test_an_invalid_plugin_name_is_refused(here: Path, name: str) -> None:
    done = run("new", name)

    assert done.exit_code == 2
    assert "→" in done.stderr
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("name", ["platform", "integrations-host", "qwoty-integrations_host"])
def test_names_of_the_host_itself_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="the host's own"):
        plugin_id_of(name)


def test_an_existing_folder_stays_unchanged(here: Path) -> None:
    (here / "acme-chat").mkdir()
    (here / "acme-chat" / "mine.txt").write_text("mine")
    (here / "a-file").write_text("mine")
    (here / "a-link").symlink_to("nowhere")

    assert [run("new", name).exit_code for name in ("acme-chat", "a-file", "a-link")] == [2, 2, 2]
    assert [path.name for path in (here / "acme-chat").iterdir()] == ["mine.txt"]
    assert (here / "a-file").read_text() == "mine"


def test_an_unknown_distribution_is_not_found() -> None:
    done = run("check", "nothing-of-that-name")

    assert done.exit_code == 5
    assert "nothing-of-that-name" in done.stderr


def test_a_plugin_id_instead_of_a_distribution_is_answered_with_the_distribution() -> None:
    done = run("check", "stripe_invoice")

    assert done.exit_code == 5
    assert "qwoty-host plugin check qwoty-stripe-invoice" in done.stderr


def test_a_broken_plugin_is_graded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FAKES))
    monkeypatch.setenv("PYTHONPATH", str(FAKES))

    done = run("check", "fake-exits")

    assert done.exit_code == 1
    assert "fake-exits 1.0 is not conformant" in done.stdout
    assert "exits: it loads" in done.stdout
    assert "SystemExit: 3" in done.stdout
    assert "Why it matters: " in done.stdout
    assert "the plugin does not load; another check says why" in done.stdout


def test_a_distribution_without_a_plugin_is_not_conformant() -> None:
    done = run("check", "stripe-simulator", "--json")

    verdict = json.loads(done.stdout)
    assert (done.exit_code, verdict["grade"]) == (1, "not conformant")
    assert verdict["counts"] == {"passed": 0, "failed": 1, "not_checked": 0, "not_claimed": 0}


def test_tests_without_a_suite_for_the_plugin_prove_nothing(tmp_path: Path) -> None:
    (tmp_path / "test_nothing.py").write_text("def test_nothing(): pass\n")

    done = run("check", "qwoty-stripe-invoice", "--tests", str(tmp_path))

    assert done.exit_code == 1
    assert "No conformance check of 'stripe_invoice' ran" in done.stdout


def test_a_suite_that_does_not_end_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "test_hangs.py").write_text("import time\ntime.sleep(60)\n")
    monkeypatch.setattr(grading, "PATIENCE", 3.0)

    done = run("check", "qwoty-stripe-invoice", "--tests", str(tmp_path))

    assert done.exit_code == 1
    assert "it did not end within 3 s" in done.stdout


def test_without_the_testing_extra_the_command_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qwoty_integrations_host.cli.plugins.find_spec", lambda name: None)

    done = run("check", "qwoty-stripe-invoice")

    assert done.exit_code == 1
    assert "qwoty-integrations-host[testing]" in done.stderr


@pytest.mark.parametrize(
    ("results", "grade"),
    [
        (["passed", "not_claimed"], "conformant"),
        (["passed", "not_checked"], "conformant with remarks"),
        (["passed", "not_checked", "failed"], "not conformant"),
        (["not_claimed"], "not conformant"),
    ],
)
def test_the_grade_follows_from_the_results_of_the_checks(results: list[str], grade: str) -> None:
    checks = tuple(Check("p", str(number), result) for number, result in enumerate(results))

    assert Grade("d", "1", checks).grade == grade


def test_settings_are_made_from_a_schema() -> None:
    assert list(derived_settings(settings_schema()) or ()) == ["workspace_api_token"]
    assert derived_settings({"properties": {"x": {"type": "string", "pattern": "^(?!)$"}}, "required": ["x"]}) is None
    assert derived_settings({"properties": {"x": {"type": "integer", "examples": [7]}}, "required": ["x"]}) == {"x": 7}


def test_the_host_does_not_import_pytest() -> None:
    assert "pytest" in sys.modules  # otherwise this test proves nothing
    import subprocess

    program = "import sys, qwoty_integrations_host.testing, qwoty_integrations_host.cli; print('pytest' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert found.stdout == "False\n"
