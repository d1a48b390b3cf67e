"""Accepted quotes: worked once, however often they are accepted, and with the host's errors only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from typing import Any

from ...quotes.run import ENDED_WELL, RunStatus
from ..network import no_network
from ..nonconformity import not_checked, not_claimed, require
from ..quotes import loaded
from ..workbench import Workbench
from .fixtures import ConformanceFixtures, what_happened

_AT_ONCE = 4


class QuoteChecks(ConformanceFixtures):
    """Checks with accepted quotes, each with its own."""

    def test_an_accepted_quote_is_worked(
        self, works_quotes: None, stand_in: Any, enabled: Workbench, quote: dict[str, Any]
    ) -> None:
        run = self.accepted(enabled, quote, id="conformance-1")

        require(
            run["status"] in ENDED_WELL,
            f"With valid_settings and the fixture quote, {what_happened(run)}.",
            why="What the suite checks from here on stands on a quote that works.",
            mend="Look at the run's error: is the stand-in found? Give a quote of your own (fixture `quote`) if the "
            "plugin rightly refuses this one.",
        )

    def test_a_preview_touches_nothing(self, works_quotes: None, enabled: Workbench, quote: dict[str, Any]) -> None:
        plugins = enabled.host.plugins
        if not plugins.implements(self.plugin_id, "preview_quote"):
            not_claimed("preview_quote")
        with no_network() as attempts:
            plugins.preview_quote(self.plugin_id, enabled.context(self.plugin_id), loaded(quote))

        require(
            not attempts,
            "`preview_quote` asks the network for something.",
            why="A preview is shown to people who only look, and must work with a key that may do nothing.",
            mend="Compute it from the quote and the settings alone.",
        )

    def test_the_same_quote_again_has_no_second_effect(
        self,
        works_quotes: None,
        stand_in: Any,
        enabled: Workbench,
        quote: dict[str, Any],
        counted: Callable[[str], int],
    ) -> None:
        first = self.worked(enabled, quote, "conformance-twice")
        made, mails = counted("conformance-twice"), len(enabled.outbox)
        self.accepted(enabled, quote, id="conformance-twice")
        _require_no_more(made, counted("conformance-twice"), mails, len(enabled.outbox), "accepted twice", first)

    def test_the_same_quote_at_once_has_no_second_effect(
        self,
        works_quotes: None,
        stand_in: Any,
        enabled: Workbench,
        quote: dict[str, Any],
        counted: Callable[[str], int],
    ) -> None:
        first = self.worked(enabled, quote, "conformance-alone")
        made, mails = counted("conformance-alone"), len(enabled.outbox)
        document = {**quote, "id": "conformance-at-once"}
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            list(threads.map(lambda _: enabled.host.runs.acceptance.accept("ws-1", document), range(_AT_ONCE)))
        enabled.work()
        again, left = counted("conformance-at-once"), len(enabled.outbox) - mails
        _require_no_more(made, again, mails, left, f"accepted {_AT_ONCE} times at once", first)

    def test_unknown_fields_are_tolerated(
        self, works_quotes: None, stand_in: Any, enabled: Workbench, quote: dict[str, Any]
    ) -> None:
        run = self.accepted(enabled, _with_unknown_fields(quote), id="conformance-unknown")

        require(
            run["status"] in ENDED_WELL,
            f"With fields in quote, customer and lines that nobody knows yet, {what_happened(run)}.",
            why="Quotes gain fields with every release of the platform.",
            mend="Read the fields you need from the Quote, and do not count or compare the others.",
        )

    def test_a_service_that_is_away_lets_the_run_wait(
        self, works_quotes: None, enabled: Workbench, quote: dict[str, Any]
    ) -> None:
        with no_network() as attempts:
            run = self.accepted(enabled, quote, id="conformance-away")
        if not attempts:
            not_checked("the plugin did not ask for its service")

        require(
            run["status"] == RunStatus.WAITING,
            f"While the service cannot be reached, {what_happened(run)}.",
            why="An outage is over some day: a run that waits goes on by itself, one that failed needs a person.",
            mend="Raise `RetryableError` from the error of your HTTP client, inside `ctx.step`.",
        )

    def test_only_known_errors_come_out_of_a_connection_test(self, enabled: Workbench) -> None:
        if not enabled.host.plugins.implements(self.plugin_id, "check_connection"):
            not_claimed("check_connection")
        with no_network():
            report = enabled.host.connections.test("ws-1", self.plugin_id)
        statuses = [key.get("status") for key in report.get("keys", ())]

        require(
            "ok" not in statuses,
            "`check_connection` says that a key works while the service cannot be reached.",
            why="People switch an integration on because of what it says.",
            mend='Give a KeyReport of status "unreachable" when the service does not answer.',
        )


def _require_no_more(made: int, again: int, mails: int, left: int, how: str, run: Mapping[str, Any]) -> None:
    require(
        made > 0 or run["status"] == RunStatus.SKIPPED,
        "side_effects counts nothing for a quote that was worked.",
        why="Nothing can be shown to happen once that is not seen to happen.",
        mend="Let the fixture `side_effects` count what the service holds for the quote's id.",
    )
    require(
        (again, left) == (made, mails),
        f"A quote that was {how} has {again} effects and {left} mails; accepted once it has {made} and {mails}.",
        why="Platforms deliver events more than once. A second invoice or message reaches a customer.",
        mend="Do every effect inside `ctx.step`, and look for what is there before you make it again "
        "(`attempt.repeated`, or a reference that the service keeps unique).",
    )


def _with_unknown_fields(quote: Mapping[str, Any]) -> dict[str, Any]:
    """Return the quote with an unknown field in every object."""

    def add_field(value: Any) -> Any:
        if isinstance(value, list):
            return [add_field(one) for one in value]
        if isinstance(value, dict):
            fields = {name: add_field(one) for name, one in value.items()}
            return {**fields, "conformance_field": {"of": ["tomorrow"]}}
        return value

    document: dict[str, Any] = add_field(deepcopy(dict(quote)))
    return document
