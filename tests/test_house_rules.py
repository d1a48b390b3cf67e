"""The rules of the house that a machine can check: documents stay up to date, and public names stay."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from jsonschema import Draft202012Validator

import qwoty_integrations_host
from host_server import REAL
from qwoty_integrations_host import errors, testing
from qwoty_integrations_host.cli import main
from qwoty_integrations_host.contract import hookspecs
from qwoty_integrations_host.contract.hook_types import OUTCOMES
from qwoty_integrations_host.plugins.manager import HookMethod, Plugins
from qwoty_integrations_host.quotes.run import RunKind, RunStatus

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from reference import notes  # noqa: E402
from reference.errors import all_codes  # noqa: E402
from reference.metrics import all_metrics  # noqa: E402
from write_schemas import as_text, published  # noqa: E402

HOOKS = [
    hook for _, hook in inspect.getmembers(hookspecs, inspect.isfunction) if hasattr(hook, "qwoty_integrations_spec")
]


def _read(path: str) -> str:
    return (ROOT / path).read_text("utf-8")


def _rows(page: str, columns: int) -> dict[str, list[str]]:
    """The rows of a generated page's tables with so many columns and no empty cell, by the code in the first column."""
    cells = [line[2:-2].split(" | ") for line in _read(page).splitlines() if line.startswith("| `")]
    return {re.findall("`(.+?)`", row[0])[0]: row for row in cells if len(row) == columns and all(row)}


def _product() -> list[str]:
    """The source of the host and of the plugins, without their tests."""
    found = [*_tracked("qwoty_integrations_host/*.py"), *_tracked("plugins/*.py")]
    return [path.read_text("utf-8") for path in found if "tests" not in path.parts]


def _tracked(pattern: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", pattern], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


def test_every_hook_has_its_method_in_the_facade() -> None:
    methods = {name for name, method in vars(Plugins).items() if isinstance(method, HookMethod)}

    # The host calls the manifest while it loads a plugin, before the facade exists.
    assert methods == {hook.__name__ for hook in HOOKS} - {"integration_manifest"}


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.__name__)
def test_every_hook_is_documented_with_its_exact_signature(hook: object) -> None:
    name, signature = hook.__name__, str(inspect.signature(hook)).replace("'", "")  # type: ignore[arg-type, attr-defined]

    (section,) = re.findall(rf"(?ms)^## {name}\n(.*?)(?=^## |\Z)", _read("docs/reference/hooks.md"))
    assert f"\n```python\n{name}{signature}\n```\n" in section
    assert f"\n@hookimpl\ndef {name}(" in section


@pytest.mark.parametrize("plugin", sorted(REAL))
def test_every_setting_is_documented(plugin: str) -> None:
    schema = published()[f"plugins/{plugin}.settings.v1.json"]

    (section,) = re.findall(
        rf"(?ms)^## [^\n]+\n\n[^\n]+Id: `{plugin}`\.\n(.*?)(?=^## |\Z)", _read("docs/reference/settings.md")
    )
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(schema["properties"])
    assert sorted(notes.noted(f"settings.{plugin}") - set(schema["properties"])) == []


def test_every_plugin_of_this_repository_is_covered_by_these_rules() -> None:
    homes = {path.parent.name for path in _tracked("plugins/*/pyproject.toml")}
    schemas = {name.removeprefix("plugins/").split(".")[0] for name in published() if name.startswith("plugins/")}

    assert homes == schemas == REAL


def test_every_command_is_documented() -> None:
    text = _read("docs/reference/cli.md")
    commands = list(_commands(main))

    assert [name for name in commands if f"\n## {name}\n" not in text or f"\n| [`{name}`](#" not in text] == []
    assert sorted(notes.noted("commands") - set(commands)) == []


def _commands(group: click.Group, before: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}"


def test_every_error_code_is_documented() -> None:
    rows, sources = _rows("docs/reference/errors.md", 2), _product()
    used = {found.code for found in all_codes()}
    for source in sources:
        used |= set(re.findall(r'\bcode="([a-z_]+)"', source))
        used |= set(re.findall(r'needs_attention\(\s*"([a-z_]+)"', source))

    assert sorted(used - set(rows)) == [], "give it a meaning in tools/reference/notes.toml"
    assert sorted(code for code in rows if not any(f'"{code}"' in source for source in sources)) == []


@pytest.mark.parametrize(
    ("page", "section"), [("docs/operations.md", "What is guaranteed"), ("SECURITY.md", "Promises")]
)
def test_every_guarantee_names_existing_tests(page: str, section: str) -> None:
    section = _read(page).split(f"\n## {section}\n")[1].split("\n## ")[0]
    # The first row of each table is its header.
    rows = re.findall(r"(?m)^\| (?!.* \|\n\|---).*$", section)
    there = {
        name
        for path in _tracked("tests/*.py")
        for name in re.findall(r"^def (test_\w+)\(", path.read_text("utf-8"), re.MULTILINE)
    }
    assert len(rows) > 10

    assert [row for row in rows if not re.search(r"`test_\w+`", row)] == []
    assert sorted(set(re.findall(r"`(test_\w+)`", section)) - there) == []


def test_every_metric_is_documented_with_its_labels() -> None:
    rows = _rows("docs/reference/metrics.md", 5)
    used = set(re.findall(r'"(qwoty_[a-z_]+)"', _read("qwoty_integrations_host/reports/metrics.py")))

    assert used == set(rows) == notes.noted("metrics")
    for metric in all_metrics():
        assert [label for label in metric.labels if f"`{label}`" not in rows[metric.name][3]] == []


def test_every_environment_variable_is_documented() -> None:
    rows = _rows("docs/reference/environment.md", 3)
    used: set[str] = set()
    for source in _tracked("*.py"):
        if not source.is_relative_to(ROOT / "tests"):
            found = source.read_text("utf-8")
            used |= set(re.findall(r"QWOTY_[A-Z]+_[A-Z_]*[A-Z]", found))
            used |= {f"QWOTY_HOST_{name}" for name in re.findall(r'_read\(env, "([A-Z_]+)"\)', found)}

    assert sorted(used - set(rows)) == []
    assert sorted(notes.noted("environment") - set(rows)) == []


def test_every_decision_is_listed() -> None:
    listed = set(re.findall(r"\((\d{4}-[a-z0-9-]+\.md)\)", _read("docs/adr/README.md")))

    assert listed == {path.name for path in (ROOT / "docs" / "adr").glob("0*.md")}


def test_every_decision_that_is_named_exists() -> None:
    there = {path.name[:4] for path in (ROOT / "docs" / "adr").glob("0*.md")}
    gone = [
        f"{path.relative_to(ROOT)}: {number}"
        for path in [*_tracked("*.py"), *_tracked("*.md"), *_tracked("*.yml"), *_tracked("*.toml")]
        for number in re.findall(r"\bADRs? (\d{4})\b|\bdocs/adr/(\d{4})", path.read_text("utf-8"))
        if "".join(number) not in there
    ]

    assert gone == []


def test_links_between_documents_have_targets() -> None:
    dead = []
    for page in _tracked("*.md"):
        for target in re.findall(r"\]\((?!https?:|mailto:)([^)#]+)", page.read_text("utf-8")):
            if not (page.parent / target).exists():
                dead.append(f"{page.relative_to(ROOT)} → {target}")

    assert dead == []


@pytest.mark.parametrize("path", list(published()))
def test_published_schemas_are_valid_and_equal_to_the_code(path: str) -> None:
    schema = published()[path]

    Draft202012Validator.check_schema(schema)
    assert _read(f"schemas/{path}") == as_text(schema), "run `make schemas`"


def test_the_error_tree_is_what_plugins_rely_on() -> None:
    tree = {
        name: kind.__base__.__name__
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.IntegrationError) and kind.__base__ is not None
    }

    assert tree == {
        "IntegrationError": "Exception",
        "NeedsAttention": "IntegrationError",
        "AlreadyFinal": "NeedsAttention",
        "CredentialsError": "NeedsAttention",
        "PermissionMissing": "CredentialsError",
        "RetryableError": "IntegrationError",
        "PermanentError": "IntegrationError",
        "ActionRefused": "IntegrationError",
        "WebhookRejected": "IntegrationError",
        "InvalidInput": "IntegrationError",
        "MalformedInput": "InvalidInput",
        "SettingsError": "InvalidInput",
        "SettingsIncomplete": "IntegrationError",
        "NotFound": "IntegrationError",
        "HostError": "IntegrationError",
        "DatabaseUnavailable": "HostError",
        "PluginHangs": "HostError",
        "PluginLoadError": "HostError",
        "PluginContractError": "PermanentError",
    }


def test_the_public_names_only_grow() -> None:
    frozen = """HOOK_API ActionRefused Address Attachment Attempt Clock Contact CredentialsError Discount FieldProblem
        HookContext Installment InstallmentRecord InstallmentRequest IntegrationError InvoiceRecord LineItem MailMessage
        Manifest NeedsAttention Outcome PermanentError PermissionMissing Preview PreviewLine PreviewProblem PreviewRecipient PreviewTax Quote QuoteRecord RetryableError Section
        SettingsProblem Tax UpkeepReport UpkeepRequest WebhookEndpoint WebhookEvent WebhookRejected WebhookRequest hookimpl pick_installment""".split()

    assert set(frozen) <= set(qwoty_integrations_host.__all__)


def test_the_names_of_the_authors_kit_only_grow() -> None:
    frozen = """Delivered Outbox PluginConformance Workbench Workspace a_line a_quote cassette_options honest_replay loaded
        no_network vat""".split()

    assert set(frozen) <= set(testing.__all__)


def test_plugins_import_only_the_hosts_public_names() -> None:
    deep = []
    for source in _tracked("plugins/*.py"):
        # The plugins' tests may also use the authors' kit, which is public.
        kit = r"(?!testing import)" if "tests" in source.parts else ""
        if re.search(rf"(from|import) qwoty_integrations_host\.{kit}", source.read_text("utf-8")):
            deep.append(source.name)

    assert deep == []


def test_nothing_in_the_host_names_a_plugin() -> None:
    # The id, the module and the distribution of each, in code, pages, scripts, styles and catalogs alike.
    names = {plugin for one in sorted(REAL) for plugin in (one, one.replace("_", "-"), one.replace("_", " "))}
    pattern = re.compile(rf"\b(?:qwoty[_-])?(?:{'|'.join(sorted(names))})\b|qwoty[_-]stripe", re.IGNORECASE)
    named = [
        source.name
        for source in _tracked("qwoty_integrations_host/*")
        if pattern.search(source.read_text("utf-8", errors="replace"))
    ]

    assert named == []
    assert pattern.search("Stripe Invoice") and pattern.search("import qwoty_slack") and pattern.search("Slack's")


def test_only_the_clock_module_reads_the_machines_time() -> None:
    asking = []
    for source in [*_tracked("qwoty_integrations_host/*.py"), *_tracked("plugins/*.py")]:
        if source.name != "clock.py" and re.search(
            r"datetime\.(now|utcnow)\(|time\.time\(\)", source.read_text("utf-8")
        ):
            asking.append(source.name)

    assert asking == []


#: The values that stand in an enum, by the name of the field that holds them.
RUN_WORDS = {"status": frozenset(RunStatus), "kind": frozenset(RunKind)}


def _named(node: ast.AST) -> str:
    """The field that an expression reads: `run.status`, `run["status"]` or `status`; empty for any other."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.Subscript(slice=ast.Constant(value=str(name))):
            return name
    return ""


def _parts(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a tuple, set, list or choice; otherwise the expression itself."""
    match node:
        case ast.Tuple(elts=parts) | ast.Set(elts=parts) | ast.List(elts=parts):
            yield from parts
        case ast.IfExp(body=one, orelse=other):
            yield from (one, other)
        case _:
            yield node


def _bare_run_words(source: str) -> list[str]:
    """The literals that are compared with, or given to, a field for a run's status or kind."""
    found: list[tuple[str, ast.AST]] = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Compare(left=left, comparators=others):
                parts = [part for side in (left, *others) for part in _parts(side)]
                found += [(_named(one), other) for one in parts for other in parts]
            case ast.keyword(arg=str(name), value=value):
                found += [(name, part) for part in _parts(value)]
            case ast.Dict(keys=keys, values=values):
                pairs = zip(keys, values, strict=True)
                found += [(str(k.value), part) for k, v in pairs if isinstance(k, ast.Constant) for part in _parts(v)]
            case ast.Assign(targets=targets, value=value):
                found += [(_named(target), part) for target in targets for part in _parts(value)]
    constants = [(name, node.value) for name, node in found if isinstance(node, ast.Constant)]
    return [f"{name}: {value}" for name, value in constants if value in RUN_WORDS.get(name, ())]


def test_the_states_and_kinds_of_runs_stand_in_their_enums_alone() -> None:
    # A migration is history, and a plugin's author sees plain words.
    others = {"migrations", "template"}
    bare = {
        str(path.relative_to(ROOT)): words
        for path in _tracked("qwoty_integrations_host/*.py")
        if not others & set(path.parts) and (words := _bare_run_words(path.read_text("utf-8")))
    }

    assert bare == {}
    assert set(OUTCOMES) <= set(RunStatus)


@pytest.mark.parametrize(
    "source",
    [
        'run.status == "failed"',
        'row["status"] in {"failed", "skipped"}',
        'where(t.runs.c.status != "failed")',
        '(run.kind, run.status) == (kind, "failed")',
        'change(db, run_id, status="failed" if error else None)',
        'values = {"status": "failed"}',
        'status = "succeeded" if error is None else "failed"',
        'run.kind == "upkeep"',
    ],
)
def test_a_bare_status_or_kind_of_a_run_is_found(source: str) -> None:
    assert _bare_run_words(source)


@pytest.mark.parametrize("source", ['invoice.status == "void"', 'code == "failed"', "run.status == RunStatus.FAILED"])
def test_other_words_are_no_bare_status_of_a_run(source: str) -> None:
    assert _bare_run_words(source) == []


def test_nothing_committed_names_a_registry_a_machine_or_a_live_key() -> None:
    hosts = "|".join(("pyp" + "i.org", "python" + "hosted", "registry.npm" + "js", "deb.deb" + "ian"))
    forbidden = re.compile(rf"{hosts}|\b(sk|rk)_live_[A-Za-z0-9]{{12,}}|/(home|root|work)/[a-z]")
    found = []
    for path in _tracked("*"):
        if path.suffix not in {".png", ".pdf"} and forbidden.search(path.read_text("utf-8", errors="replace")):
            found.append(str(path.relative_to(ROOT)))

    assert [name for name in found if name != "tests/test_house_rules.py"] == []


def test_every_route_of_the_api_about_quotes_runs_and_webhooks_is_in_its_tour() -> None:
    text = _read("docs/api.md")
    routes = [
        f"{method.upper()} {path.removeprefix('/v1/workspaces/{workspace}')}"
        for path, found in published()["host/openapi.v1.json"]["paths"].items()
        for method in found
        if method != "parameters" and re.search("/(quotes|runs|webhooks)", path)
    ]
    by_curl = {"POST /quotes/preview", "POST /quotes/accepted"}

    assert [route for route in routes if f"`{route}`" not in text and route not in by_curl] == []


def test_at_most_nine_modules_stand_at_the_root_of_the_host() -> None:
    names = {path.name for path in (ROOT / "qwoty_integrations_host").glob("*.py")}

    assert len(names) <= 9, f"ADR 0081: put the new module into a package. {sorted(names)}"
