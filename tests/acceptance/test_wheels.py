"""The built wheels, in an empty environment: what a user gets, not what the checkout happens to have."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _run(*command: str | Path, **kwargs: object) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **kwargs)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return str(done.stdout)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("wheels")
    for project in (ROOT, ROOT / "plugins" / "slack", ROOT / "plugins" / "stripe_invoice"):
        _run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, project)
    return {path.name.split("-")[0]: path for path in folder.glob("*.whl")}


def test_the_wheels_carry_code_schemas_and_entry_point_and_nothing_else(wheels: dict[str, Path]) -> None:
    host = set(zipfile.ZipFile(wheels["qwoty_integrations_host"]).namelist())
    plugin = set(zipfile.ZipFile(wheels["qwoty_stripe_invoice"]).namelist())

    assert "qwoty_integrations_host/schemas/quote.v1.json" in host
    assert "qwoty_integrations_host/web/templates/payment.html" in host
    console = "qwoty_integrations_host/web/console"
    assert {f"{console}/static/htmx.min.js", f"{console}/static/NOTICE", f"{console}/translations/fr.po"} <= host
    assert {"qwoty_stripe_invoice/settings.schema.json", "qwoty_stripe_invoice/templates/payment_link.html"} <= plugin
    slack = set(zipfile.ZipFile(wheels["qwoty_slack"]).namelist())
    assert {"qwoty_slack/settings.schema.json", "qwoty_slack/py.typed"} <= slack
    tops = {name.split("/")[0] for name in host | plugin | slack}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "qwoty_integrations_host",
        "qwoty_slack",
        "qwoty_stripe_invoice",
    }


def test_installing_the_plugins_wheel_beside_the_hosts_is_all_it_takes(wheels: dict[str, Path], tmp_path: Path) -> None:
    _run(sys.executable, "-m", "venv", tmp_path / "empty")
    python = tmp_path / "empty" / "bin" / "python"
    pip = (python, "-m", "pip", "--disable-pip-version-check", "install", "-q", "-c", ROOT / "constraints.txt")
    listing = (tmp_path / "empty" / "bin" / "qwoty-host", "--data-dir", tmp_path / "data", "plugin", "list", "--json")

    _run(*pip, wheels["qwoty_integrations_host"])
    alone = json.loads(_run(*listing, cwd=tmp_path))
    _run(*pip, wheels["qwoty_stripe_invoice"], wheels["qwoty_slack"])
    together = json.loads(_run(*listing, cwd=tmp_path))

    assert alone == {"data": [], "has_more": False}
    assert [(plugin["id"], plugin["status"], plugin["distribution"]) for plugin in together["data"]] == [
        ("slack", "loaded", "qwoty-slack"),
        ("stripe_invoice", "loaded", "qwoty-stripe-invoice"),
    ]
