"""The site is built strictly: every link and anchor leads somewhere, every page can be reached, nothing comes from outside."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml

from documentation.pages import DOCS, ROOT, pages, read

CONFIGURATION = (ROOT / "mkdocs.yml").read_text("utf-8")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    place = tmp_path_factory.mktemp("site")
    shutil.copytree(DOCS, place / "docs")  # it must lie beside its configuration
    (place / "mkdocs.yml").write_text(CONFIGURATION, "utf-8")
    built = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"], cwd=place, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, re.sub(r"\x1b\[[0-9;]*m", "", built.stdout + built.stderr)
    return place / "site"


def test_every_page_is_built(site: Path) -> None:
    wanted = {re.sub(r"(^|/)README$", r"\1index", page.removesuffix(".md")) + ".html" for page in pages()}

    assert wanted - {str(path.relative_to(site)) for path in site.rglob("*.html")} == set()


def test_no_page_asks_another_machine_for_anything(site: Path) -> None:
    asked = re.compile(
        r'<(?:script|img|iframe|source)[^>]*\ssrc="(https?:)?//|<link[^>]*\shref="(https?:)?//(?!$)[^"]*\.(?:css|js|woff)'
    )

    assert [str(path.relative_to(site)) for path in site.rglob("*.html") if asked.search(path.read_text("utf-8"))] == []


def test_no_page_has_a_diagram_that_only_a_script_from_outside_draws() -> None:
    assert [page for page in pages() if "```mermaid" in read(page)] == []


def test_the_search_knows_the_reference(site: Path) -> None:
    found = json.dumps(json.loads((site / "search.json").read_text("utf-8")))

    assert [word for word in ("on_installment_due", "secrets rotate-key", "mail_unsure") if word not in found] == []


def test_every_page_is_in_the_navigation() -> None:
    listed = set(_pages_of(yaml.safe_load(CONFIGURATION)["nav"]))
    decisions = {page for page in pages() if re.fullmatch(r"adr/\d{4}-.+\.md", page)}  # listed by their own page

    assert set(pages()) - decisions - listed == set(), "add the page to `nav` in mkdocs.yml"
    assert listed <= set(pages())


def _pages_of(nav: Any) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    if isinstance(nav, dict):
        nav = list(nav.values())
    return [page for entry in nav for page in _pages_of(entry)]


def test_every_decision_is_on_their_page() -> None:
    text = read("adr/README.md")

    assert [path.name for path in (DOCS / "adr").glob("0*.md") if f"({path.name})" not in text] == []


def test_links_stay_within_the_documentation() -> None:
    outside = [
        f"{page} → {target}"
        for page in pages()
        for target in re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", read(page))
        if not (DOCS / page).parent.joinpath(target).resolve().is_relative_to(DOCS)
    ]

    assert outside == [], "a site has no such page: name the file as `code`"


@pytest.mark.parametrize("path", sorted((DOCS / "pictures").glob("*.svg")), ids=lambda path: path.name)
def test_a_picture_says_what_it_shows_and_brings_all_it_needs(path: Path) -> None:
    root = ET.parse(path).getroot()
    text = path.read_text("utf-8")

    assert root.find("{http://www.w3.org/2000/svg}title") is not None
    assert "prefers-color-scheme: dark" in text
    assert re.findall(r'(?:href|src|url)\s*[=(]\s*"?(?!#)', text) == []
