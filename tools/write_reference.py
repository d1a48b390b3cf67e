"""Write the generated pages of the documentation from the code: `make docs`. A test fails when they drift."""

from __future__ import annotations

from pathlib import Path

from reference import PAGES

DOCS = Path(__file__).resolve().parent.parent / "docs"


def main() -> None:
    for path, written in PAGES.items():
        file = DOCS / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(written(), "utf-8")
        print(f"docs/{path}")


if __name__ == "__main__":
    main()
