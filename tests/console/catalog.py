"""The texts of the console, as gettext extracts them from code and templates."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import qwoty_integrations_host.web.console

CONSOLE = Path(qwoty_integrations_host.web.console.__file__).parent
_METHODS = [("**.py", "python"), ("templates/**.html", "jinja2.ext:babel_extract")]
_OPTIONS = {"templates/**.html": {"newstyle_gettext": "true"}}


def texts() -> set[str | tuple[str, str]]:
    """Each text; a text with a plural as the pair (singular, plural)."""
    found = extract_from_dir(
        str(CONSOLE), _METHODS, _OPTIONS, keywords={"_": None, "gettext": None, "ngettext": (1, 2)}
    )
    return {message if isinstance(message, str) else tuple(message[:2]) for _, _, message, _, _ in found}


def catalog(language: str) -> Catalog:
    """The catalog of a language, from its source file."""
    return read_po(BytesIO((CONSOLE / "translations" / f"{language}.po").read_bytes()), locale=language)
