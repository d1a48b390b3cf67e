"""Settings: valid ones are accepted, invalid ones are rejected by field, and neither uses the network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...contract.hook_types import Manifest
from ...contract.settings_document import StoredSettings, schema_problems, with_defaults, with_secrets
from ...errors import IntegrationError, InvalidInput, PluginContractError, SettingsError, SettingsIncomplete
from ...plugins.settings_migrations import in_present_form
from ..network import no_network
from ..nonconformity import Nonconformity, not_checked, not_claimed, require, require_none
from ..workbench import Workbench
from .fixtures import ConformanceFixtures

#: A shorter text could occur in a message by chance.
_SHORTEST = 8


class SettingsChecks(ConformanceFixtures):
    """Checks on saving and migrating settings."""

    def test_valid_settings_are_accepted_without_network(
        self, manifest: Manifest, workbench: Workbench, valid_settings: Mapping[str, Any]
    ) -> None:
        with no_network() as attempts:
            try:
                workbench.set_up(self.plugin_id, valid_settings)
            except IntegrationError as error:
                raise Nonconformity(
                    f"valid_settings are refused: {_text_of(error)}",
                    why="What the suite checks of the plugin's work needs settings that work.",
                    mend="Mend the fixture, or what refuses it: the schema's pattern, or `validate_settings`.",
                ) from error

        require(
            not attempts,
            "Saving settings asks the network for something.",
            why="A form must be saved while the service is away, and a wrong key must not be tried unasked.",
            mend="Look at values only in `validate_settings`; try them at the service in `check_connection`.",
        )

    def test_invalid_settings_are_blamed_on_their_field(
        self, manifest: Manifest, workbench: Workbench, invalid_settings: Sequence[tuple[Mapping[str, Any], str]]
    ) -> None:
        if not invalid_settings:
            not_checked("the test class has no fixture invalid_settings")
        problems = [
            problem
            for number, (settings, field) in enumerate(invalid_settings, start=1)
            for problem in self._judged(workbench, f"The sample {number} of invalid_settings", settings, field)
        ]

        require_none(
            problems,
            why="People see the message beside the field it names; a value in it may be a key pasted into a wrong box.",
            mend='Refuse it by the schema where that can say it ("x-error" gives the words), else by a '
            "`SettingsProblem((field,), sentence)` of `validate_settings`. Say what is wanted, not what was given.",
        )

    def test_no_combination_of_choices_breaks_the_validation(
        self, manifest: Manifest, workbench: Workbench, valid_settings: Mapping[str, Any]
    ) -> None:
        schema, problems = manifest.settings_schema, []
        for words, settings in _variations(schema, valid_settings):
            if any(schema_problems(schema, with_defaults(schema, settings))):
                continue
            try:
                workbench.host.settings.validate(self.plugin_id, settings, workspace="ws-1")
            except InvalidInput:
                continue
            except PluginContractError as error:
                problems.append(f"With {words}: {error.title}")

        require_none(
            problems,
            why="Somebody who fills in the form would see an error of the program, and no field to mend.",
            mend="`validate_settings` gives a list of SettingsProblem for everything that the schema lets through.",
        )

    def test_settings_of_earlier_releases_are_migrated(
        self,
        manifest: Manifest,
        workbench: Workbench,
        earlier_settings: Sequence[tuple[int, Mapping[str, Any]]],
    ) -> None:
        if manifest.settings_version == 1:
            not_claimed("a settings_version above 1")
        if not earlier_settings:
            not_checked("the test class has no fixture earlier_settings")
        with no_network() as attempts:
            problems = [
                problem
                for version, settings in earlier_settings
                for problem in self._migrated(workbench, manifest, version, settings)
            ]
        if attempts:
            problems.append("`migrate_settings` asks the network for something.")

        require_none(
            problems,
            why="Settings are migrated whenever they are read: by whoever looks at them, and before each run.",
            mend="Let `migrate_settings` give from each earlier version, by its arguments alone, settings that the "
            "schema accepts, with every secret at a setting that is one. What only a person can know is left out: then "
            "the integration says that it is incomplete.",
        )

    def _migrated(
        self, bench: Workbench, manifest: Manifest, version: int, settings: Mapping[str, Any]
    ) -> Iterator[str]:
        plugins, which = bench.host.plugins, f"settings of version {version}"
        stored = StoredSettings(settings, {}, version)
        ctx = bench.host.integrations.contexts.make("ws-1", self.plugin_id, settings)
        try:
            migrated = [with_secrets(in_present_form(plugins, self.plugin_id, ctx, stored)) for _ in range(2)]
        except SettingsIncomplete as error:
            yield f"Of {which}: {error.title}"
            return
        if migrated[0] != migrated[1]:
            yield f"From {which} another document comes at the second time."
        whole = with_defaults(manifest.settings_schema, migrated[0])
        yield from (
            f"From {which} come settings that the schema refuses. {problem.dotted}: {problem.message}"
            for problem in schema_problems(manifest.settings_schema, whole)
            if problem.path[0] in migrated[0]
        )

    def _judged(self, bench: Workbench, sample: str, settings: Mapping[str, Any], field: str) -> Iterator[str]:
        try:
            bench.host.settings.save("ws-1", self.plugin_id, dict(settings))
        except SettingsError as error:
            blamed = [problem.dotted for problem in error.problems]
            if field not in blamed:
                yield f"{sample} is blamed on {', '.join(blamed)}, not on {field}."
            words = " ".join(problem.message for problem in error.problems)
            if any(text in words for text in _texts(settings)):
                yield f"{sample} makes a message that repeats a value."
        except IntegrationError as error:
            yield f"{sample} is not judged: {_text_of(error)}"
        else:
            yield f"{sample} is accepted; {field} should be blamed."


def _text_of(error: IntegrationError) -> str:
    problems = getattr(error, "problems", ())
    return " ".join([error.title, *(f"{problem.dotted}: {problem.message}" for problem in problems)])


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, str) and len(value) >= _SHORTEST:
        yield value


def _variations(schema: Mapping[str, Any], valid: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the valid settings with one or two choices and switches changed."""
    turns = [
        (name, value)
        for name, part in schema.get("properties", {}).items()
        for value in ([True, False] if part.get("type") == "boolean" else [o["const"] for o in part.get("oneOf", ())])
    ]
    for name, value in turns:
        for other, second in turns:
            if other >= name:
                yield f"{name}={value!r}, {other}={second!r}", {**valid, name: value, other: second}
