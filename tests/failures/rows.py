"""The tested failures of plugins, one row each. docs/plugin-failures.md has the same rows with the same words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LoadRow:
    """A distribution that cannot be loaded. The host shows its ``state``, and ``says`` in its reason."""

    name: str
    plugin: str
    origin: str
    says: str
    state: str = "failed"


@dataclass(frozen=True)
class RunRow:
    """A failure of a hook: the run gets this ``status`` and ``code``, and its error contains ``says``."""

    name: str
    says: str
    code: str = "plugin_bug"
    status: str = "failed"


def _bug(words: str) -> str:
    return f"The integration fake-misbehaving 1.0 has a bug: {words}"


_NO_OUTCOME = _bug("on_quote_accepted did not return an Outcome")

LOADING = [
    LoadRow("import error", "import_error", "fake-import-error 1.0", "No module named 'a_module_that_is_not_there'"),
    LoadRow("exit at import", "exits", "fake-exits 1.0", "SystemExit: 3"),
    LoadRow("interrupt at import", "interrupts", "fake-interrupts 1.0", "KeyboardInterrupt"),
    LoadRow("hang at import", "hangs_at_import", "fake-hangs-at-import 1.0", "its import has not come back since"),
    LoadRow("unreadable error", "unspeakable", "fake-unspeakable 1.0", "Unspeakable: (its text cannot be read)"),
    LoadRow("error with a secret", "leaky", "fake-leaky 1.0", "RuntimeError: cannot log in with sk_…"),
    LoadRow("module missing", "half_removed", "unknown unknown", "No module named 'fake_gone'"),
    LoadRow(
        "other hook API", "old_api", "fake-old-api 1.0", "This host speaks hook API 1, the plugin 0.", "incompatible"
    ),
    LoadRow("no manifest", "wrong_manifest", "fake-wrong-manifest 1.0", "integration_manifest must return a Manifest."),
    LoadRow(
        "other id in the manifest", "id_mismatch", "fake-id-mismatch 1.0", "is not the entry point's name 'id_mismatch'"
    ),
    LoadRow("invalid settings schema", "bad_schema", "fake-bad-schema 1.0", "'objekt' is not valid"),
    LoadRow("misspelt hook", "typo_hook", "fake-typo-hook 1.0", "There is no hook 'on_quote_acepted': is it misspelt?"),
    LoadRow("unknown argument", "unknown_argument", "fake-unknown-argument 1.0", "{'invoice'} are declared"),
    LoadRow(
        "argument with a default",
        "argument_default",
        "fake-argument-default 1.0",
        "the host's value would never arrive",
    ),
    LoadRow("wants an order", "try_first", "fake-try-first 1.0", "tryfirst and trylast are not part of this contract."),
    LoadRow("duplicate id", "twin", "fake-twin-a and fake-twin-b 1.0 and 1.0", "Two distributions claim this id."),
]

RUNNING = [
    RunRow("raises", _bug("on_quote_accepted raised KeyError.")),
    RunRow("exits", _bug("on_quote_accepted raised SystemExit.")),
    RunRow("interrupts", _bug("on_quote_accepted raised KeyboardInterrupt.")),
    RunRow("raises GeneratorExit", _bug("on_quote_accepted raised GeneratorExit.")),
    RunRow("raises a BaseException", _bug("on_quote_accepted raised OfItsOwn.")),
    RunRow("raises an unreadable error", _bug("on_quote_accepted raised Unspeakable.")),
    RunRow("raises an uninitialized error", _bug("on_quote_accepted raised Forgetful.")),
    RunRow("raises a very long text", "No. No. No.", code="failed"),
    RunRow("recurses", _bug("on_quote_accepted raised RecursionError.")),
    RunRow("runs out of memory", _bug("on_quote_accepted raised MemoryError.")),
    RunRow("hangs", "fake-misbehaving 1.0: on_quote_accepted has not come back since", "plugin_hangs", "waiting"),
    RunRow(
        "hangs in a step", "fake-misbehaving 1.0: on_quote_accepted has not come back since", "plugin_hangs", "waiting"
    ),
    RunRow("floods the log", "", code="", status="succeeded"),
    RunRow("returns nothing", _NO_OUTCOME),
    RunRow("returns another type", _NO_OUTCOME),
    RunRow("returns endless notes", _NO_OUTCOME),
    RunRow("returns a very long note", _NO_OUTCOME),
    RunRow("returns a cyclic result", _NO_OUTCOME),
    RunRow("returns NaN", _NO_OUTCOME),
    RunRow("returns a NUL", _NO_OUTCOME),
    RunRow("records no JSON", _bug("its step 'rubbish' raised TypeError.")),
    RunRow("records a very long result", _bug("its step 'book' raised ValueError.")),
]
