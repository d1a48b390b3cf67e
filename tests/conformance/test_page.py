"""The code on docs/writing-a-plugin.md is part of the template or of these tests, so it runs."""

from __future__ import annotations

import re
from pathlib import Path

from conformance import conftest, test_cassettes
from qwoty_integrations_host.scaffold import create

PAGE = Path(__file__).parents[2] / "docs" / "writing-a-plugin.md"


def test_every_piece_of_code_on_the_page_is_part_of_code_that_runs(tmp_path: Path) -> None:
    made = create("acme-chat", tmp_path)
    run = [file.read_text("utf-8") for file in made.rglob("*.*") if file.is_file()]
    run += [conftest.SUITE, test_cassettes.CONFTEST]
    blocks = re.findall(r"```(?:python|json)\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)

    assert len(blocks) == 7
    assert [block for block in blocks if not any(_flat(block) in _flat(text) for text in run)] == []


def _flat(text: str) -> str:
    """A text without indentation, because the page shows methods without their class."""
    return "\n".join(line.strip() for line in text.strip().splitlines())


def test_every_fixture_and_public_name_of_the_kit_is_on_the_page() -> None:
    from qwoty_integrations_host import testing
    from qwoty_integrations_host.testing import pytest_plugin

    text = PAGE.read_text("utf-8")
    fixtures = re.findall(r"@pytest\.fixture\ndef (\w+)\(", Path(pytest_plugin.__file__).read_text("utf-8"))

    assert [name for name in fixtures if f"`{name}`" not in text] == []
    assert "PluginConformance" in testing.__all__
    assert all(getattr(testing, name) for name in testing.__all__)
