"""The site builds strictly: every link and anchor has a target, every page is reachable, and no file is external."""

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


#: A script, font, picture or style from another machine.
FROM_OUTSIDE = re.compile(
    r'<(?:script|img|iframe|source)\b[^>]*\ssrc="(?:https?:)?//|<link\b[^>]*\shref="(?:https?:)?//[^"]*\.(?:css|js|woff)'
)


def test_the_site_builds_strictly_with_every_page_a_search_and_no_external_files(tmp_path: Path) -> None:
    shutil.copytree(DOCS, tmp_path / "docs")  # mkdocs expects the pages beside the configuration
    (tmp_path / "mkdocs.yml").write_text(CONFIGURATION, "utf-8")

    built = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert built.returncode == 0, re.sub(r"\x1b\[[0-9;]*m", "", built.stdout + built.stderr)
    site = tmp_path / "site"
    made = {str(path.relative_to(site)): path.read_text("utf-8") for path in site.rglob("*.html")}
    wanted = {re.sub(r"(^|/)README$", r"\1index", page.removesuffix(".md")) + ".html" for page in pages()}
    assert wanted - set(made) == set()
    assert [page for page, text in made.items() if FROM_OUTSIDE.search(text)] == []
    found = json.dumps(json.loads((site / "search.json").read_text("utf-8")))
    assert [word for word in ("on_installment_due", "secrets rotate-key", "mail_unsure") if word not in found] == []


def test_an_external_file_is_noticed() -> None:
    assert FROM_OUTSIDE.search('<script defer src="https://unpkg.example/shim"></script>')
    assert FROM_OUTSIDE.search('<link rel="stylesheet" href="//fonts.example/a.css">')
    assert not FROM_OUTSIDE.search('<script src="../assets/bundle.js"></script><a href="https://example.com/a.css">')


def test_no_page_has_a_diagram_that_needs_an_external_script() -> None:
    assert [page for page in pages() if "```mermaid" in read(page)] == []


def test_every_page_is_in_the_navigation() -> None:
    listed = set(_pages_of(yaml.safe_load(CONFIGURATION)["nav"]))
    decisions = {
        page for page in pages() if re.fullmatch(r"adr/\d{4}-.+\.md", page)
    }  # the page of decisions lists them

    assert set(pages()) - decisions - listed == set(), "add the page to `nav` in mkdocs.yml"
    assert listed <= set(pages())


def _pages_of(nav: Any) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    if isinstance(nav, dict):
        nav = list(nav.values())
    return [page for entry in nav for page in _pages_of(entry)]


def test_the_page_of_decisions_lists_every_decision() -> None:
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
def test_a_picture_has_a_description_and_needs_no_other_file(path: Path) -> None:
    root = ET.parse(path).getroot()
    text = path.read_text("utf-8")

    assert root.find("{http://www.w3.org/2000/svg}title") is not None
    assert "prefers-color-scheme: dark" in text
    assert re.findall(r'(?:href|src|url)\s*[=(]\s*"?(?!#)', text) == []
