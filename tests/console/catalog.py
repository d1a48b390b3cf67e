"""The texts of the console, as gettext finds them in code and templates."""

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
    """Each text; one of a number as (one, many)."""
    found = extract_from_dir(
        str(CONSOLE), _METHODS, _OPTIONS, keywords={"_": None, "gettext": None, "ngettext": (1, 2)}
    )
    return {message if isinstance(message, str) else tuple(message[:2]) for _, _, message, _, _ in found}


def catalog(language: str) -> Catalog:
    """A language's catalog, as it is in the source."""
    return read_po(BytesIO((CONSOLE / "translations" / f"{language}.po").read_bytes()), locale=language)
