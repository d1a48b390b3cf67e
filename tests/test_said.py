"""Every sentence that the host or a plugin can record has a French translation. The tests search the code for sentences."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

import qwoty_integrations_host

HOST = Path(qwoty_integrations_host.__file__).parent
PLUGINS = sorted(file.parent for file in (Path(__file__).parents[1] / "plugins").glob("*/*/plugin.py"))
PLACE = re.compile(r"\{(\w+)(?::\w+)?\}")
#: Modules without recorded sentences: texts for customers have their own tables; operators and authors read English.
NOT_RECORDED = """
    wording.py payment_mail.py alerts/mail.py contract/quote_document.py contract/quote_schema.py contract/line_schemas.py
    contract/terms_schemas.py contract/document_fields.py contract/exact_json.py config.py doctor.py
    maintenance/key_rotation.py host.py engine store cli web workspaces/platforms.py platform/configuration.py platform/signatures.py
    workspaces/api_keys.py contract/hookspecs.py observability/logs.py reports/metrics.py network/addresses.py plugins/contexts.py plugins/catalogs.py
    quotes/search_words.py concurrency contract/context.py contract/countries.py testing scaffold
""".split()
#: Strings with blanks that no run records: parts of requests and commands, and refusals of input.
NOT_SAID = [
    re.compile(pattern)
    for pattern in (
        r"[^a-z]*",
        r"qwoty-host .*|platform set .*|test-connection .*|Bearer .*|row .*|schedule: .*|%Y.*",
        # Errors that are recognized by their kind and never shown.
        r"The host has no address\.|The connection timed out\.|No connection: .*|\{\} holds no certificates of authorities\.",
        # The name of a thread.
        r"tax rates",
        # About Stripe: requests, names on Stripe's own pages, and reasons for refused webhooks.
        r"Having the .*|id object metadata .*|Qwoty: payments of quotes|Invoice items|Tax Rates|Checkout Sessions",
        r"Webhook Endpoints|.*: Write|without a name|The webhook.* is (not|too) .*|The webhook's signature is .*",
        # Refusals of alert recipients and platform events, at the command line or the API.
        r"Alert recipients are .*|Nobody is to be told .*|Enter whom to tell .*|Send an object such as .*|Is not an e-mail .*|Must be an https .*",
        r"QWOTY_HOST_SMTP_URL \{\}\.|is not an address of a mail server|ends in .*|TLS from the start|no TLS, on this machine",
        r".* takes mails from .*|It reads smtp.*|The event only names .*|An earlier event .*|This event's id .*",
        r"The body is not an event\.|.*1 to 255 plain .*|The event's id .*|Send the quote in full.*|Must be a JSON .*",
        # About the key ring: printed when the host starts, or when a key is added.
        r"The key ring needs .*|A key in the key ring .*|Each key is 32 .*|Others on this machine .*|Let \{\} call: .*|its owner",
        # Mistakes that a plugin's author has to correct.
        r"Preview \| Outcome|Mapping\[.*|an? .*(Settings|Status|Report|Event|Endpoint|Outcome|result).*|addresses by id",
        r"\(no workspace\)|← .*|True or False|a dict of .*|\(its text .*|its import",
        r"Mend or remove what did not load.*|module .* has no attribute .*|.*: wrappers, tryfirst .*|.*: an argument has .*|Strict mode, .*|There is no hook .*",
    )
]


def strings(file: Path) -> Iterator[tuple[str, re.Pattern[str]]]:
    """Each text in the code outside docstrings and assertions, with the pattern of its final form."""
    tree = ast.parse(file.read_text("utf-8"))
    aside: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr | ast.Assert):
            aside |= {id(inner) for inner in ast.walk(node) if isinstance(node, ast.Assert) or inner is node.value}
        if isinstance(node, ast.JoinedStr):
            aside |= {id(inner) for inner in node.values}
    for node in ast.walk(tree):
        if id(node) in aside:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            parts: list[ast.expr] = [node]
        elif isinstance(node, ast.JoinedStr):
            parts = node.values
        else:
            continue
        text = "".join(str(part.value) if isinstance(part, ast.Constant) else "{x}" for part in parts)
        pieces = re.split(r"\{\w+\}", text.strip())
        if " " in "x".join(pieces).strip():
            yield "{}".join(pieces), re.compile(".*".join(map(re.escape, pieces)), re.DOTALL)


def recorded(root: Path) -> dict[str, re.Pattern[str]]:
    files = (file for file in sorted(root.rglob("*.py")) if "migrations" not in file.parts)
    wanted = (f for f in files if not {str(f.relative_to(root)), f.relative_to(root).parts[0]} & set(NOT_RECORDED))
    return {text: pattern for file in wanted for text, pattern in strings(file)}


def steps_of(root: Path) -> Iterator[str]:
    """The names of steps as patterns. A name that a function passes on is found at its call."""
    for file in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in {"step", "_read_facts"}:
                name = node.args[0]
                if isinstance(name, ast.Constant):
                    yield re.escape(str(name.value))
                elif isinstance(name, ast.JoinedStr):
                    yield "".join(re.escape(str(v.value)) if isinstance(v, ast.Constant) else ".+" for v in name.values)


def texts_of_settings() -> list[str]:
    """The texts in the console's own catalog."""
    po = HOST / "web" / "console" / "translations" / "fr.po"
    return [str(one.id) for one in read_po(BytesIO(po.read_bytes())) if one.id]


def catalog(root: Path, language: str = "fr") -> list[tuple[str, str, str]]:
    """The kind, the sentence and the translation of each entry."""
    found = read_po(BytesIO((root / "translations" / f"{language}.po").read_bytes()), abort_invalid=True)
    return [(one.context or "", str(one.id), str(one.string)) for one in found if one.id]


EACH_PLUGIN = pytest.mark.parametrize("root", PLUGINS, ids=lambda root: root.name)
EACH = pytest.mark.parametrize("root", [HOST, *PLUGINS], ids=lambda root: root.name)


@EACH
def test_every_sentence_that_can_be_recorded_has_a_french_translation(root: Path) -> None:
    known = [sentence for place in {root, HOST} for _, sentence, _ in catalog(place)]
    # The console's own catalog translates problems of settings.
    known += texts_of_settings()
    # A whole sentence must be in the catalog; a part of a sentence is in the entry of the whole.
    unsaid = [
        text
        for text, pattern in recorded(root).items()
        if not any(no.fullmatch(text) for no in NOT_SAID) and not any(pattern.search(sentence) for sentence in known)
    ]

    assert unsaid == []


@EACH
def test_every_translation_belongs_to_an_existing_sentence(root: Path) -> None:
    there = recorded(root).values()

    gone = [one for kind, one, _ in catalog(root) if not kind and not any(each.fullmatch(one) for each in there)]

    assert gone == []


@EACH
def test_a_translation_has_every_placeholder_of_its_sentence(root: Path) -> None:
    for language in ("fr", "en") if root in PLUGINS else ("fr",):
        for kind, sentence, says in catalog(root, language):
            places = PLACE.findall(sentence)
            assert len(places) == len(set(places)) and says, sentence
            said = PLACE.findall(says)
            # The name of a step may omit an id; a sentence may omit nothing.
            assert set(said) <= set(places) if kind == "step" else sorted(said) == sorted(places), sentence


@EACH_PLUGIN
def test_every_step_has_a_readable_name_in_both_languages(root: Path) -> None:
    steps = set(steps_of(root))
    known = {language: [one for kind, one, _ in catalog(root, language) if kind == "step"] for language in ("en", "fr")}

    assert steps
    for names in known.values():
        assert [text for text in steps if not any(re.fullmatch(text, one) for one in names)] == []
    assert known["en"] == known["fr"]


@EACH
def test_french_texts_use_non_breaking_spaces(root: Path) -> None:
    assert [says for _, _, says in catalog(root) if re.search(r" [;:?!»%]|« ", says)] == []
