"""Environment variables: unknown names and wrong values."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from host.conftest import CommandLine, refused
from qwoty_integrations_host.config import VARIABLES


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("QWOTY_HOST_SMPT_URL", "Did you mean QWOTY_HOST_SMTP_URL?"),
        ("QWOTY_HOST_PLUGINS_BLOCKED", "Did you mean QWOTY_PLUGINS_BLOCKED?"),
        ("qwoty_host_keys", "Did you mean QWOTY_HOST_KEYS?"),
        ("QWOTY_HOST_9", "docs/operations.md lists the variables."),
    ],
)
def test_an_unknown_variable_is_named_with_the_nearest_known_one(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    cli.ready()
    monkeypatch.setenv(name, "secret-value")

    found = cli("run", "list")
    (finding,) = [one for one in doctor_findings(cli) if name in one["detail"]]

    assert found.exit_code == 0
    assert f"Warning: The host does not know the variable {name}, so it has no effect. {said}" in found.stderr
    assert (finding["state"], said in finding["detail"]) == ("warning", True)
    assert "secret-value" not in found.output + str(finding)


def test_the_documented_variables_are_those_that_the_host_reads() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "environment.md").read_text("utf-8")
    rows = re.findall(r"^\| `(QWOTY_(?:HOST|PLUGINS|TRACE)_\w+)` \|", page, re.MULTILINE)

    assert sorted(rows) == sorted(VARIABLES)


def doctor_findings(cli: CommandLine) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(cli("doctor", "--json").stdout)["data"]
    return found


@pytest.mark.parametrize(
    ("name", "value"),
    [("SMTP_URL", "smtp://mail.example"), ("PUBLIC_URL", "no-address-of-ours"), ("KEYS", "bm90IGEga2V5")],
)
def test_a_variable_with_a_wrong_value_exits_1_and_is_named(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"QWOTY_HOST_{name}", value)

    said = refused(cli("workspace", "add", "ws-1"), 1)

    assert value not in said
    assert name in said or "key ring" in said


@pytest.mark.parametrize("url", ["http://mail.example", "smtp://", "smtp://mail.example:99999"])
def test_the_variable_of_a_wrong_mail_server_is_named(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("QWOTY_HOST_SMTP_URL", url)
    monkeypatch.setenv("QWOTY_HOST_MAIL_FROM", "shop@seller.example")

    assert "QWOTY_HOST_SMTP_URL" in refused(cli("workspace", "add", "ws-1"), 1)
