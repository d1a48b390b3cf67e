"""Webhooks: authenticated, worked once, and acknowledged even when they are irrelevant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from ...contract.hook_types import Manifest, WebhookRequest
from ...quotes.run import ENDED_WELL
from ..network import no_network
from ..nonconformity import not_checked, not_claimed, require, require_none
from ..workbench import Workbench
from .fixtures import ConformanceFixtures, what_happened
from .isolation import other_secrets

_QUOTE = "conformance-webhook"
_OK = 200
_REFUSALS = (400, 401, 403, 404)


class WebhookChecks(ConformanceFixtures):
    """Checks with webhooks, after one quote was accepted in ``ws-1``."""

    @pytest.fixture
    def listening(
        self,
        manifest: Manifest,
        enabled: Workbench,
        quote: dict[str, Any],
        signed_webhook: Callable[..., WebhookRequest] | None,
    ) -> Workbench:
        """A host that has worked a quote, and can receive webhooks about it."""
        if "webhooks" not in manifest.capabilities:
            not_claimed("webhooks")
        if signed_webhook is None:
            not_checked("the test class has no fixture signed_webhook that signs as the service does")
        if "quotes" in manifest.capabilities:
            self.accepted(enabled, quote, id=_QUOTE)
        return enabled

    def test_a_signed_webhook_is_taken_without_network(
        self, listening: Workbench, signed_webhook: Callable[..., WebhookRequest]
    ) -> None:
        request = signed_webhook("evt_conformance_1", _QUOTE)
        ctx = listening.context(self.plugin_id)
        with no_network() as attempts:
            listening.host.plugins.authenticate_webhook(self.plugin_id, ctx, request)
        delivered = listening.deliver(self.plugin_id, request)

        require(
            delivered.status == _OK and not attempts,
            f"A signed webhook is answered {delivered.status}" + (", after asking the network." if attempts else "."),
            why="A service repeats for days what is not answered with 200, and gives an endpoint up that is slow.",
            mend="`authenticate_webhook` proves the raw bytes with a secret from `ctx.secrets` or the settings, alone.",
        )
        bad = [what_happened(run) for run in delivered.runs if run["status"] not in ENDED_WELL]
        require_none(
            bad,
            why="A webhook that is believed must be worked.",
            mend="Look at the run's error; `on_webhook` fetches the state afresh, since events come late and twice.",
        )

    def test_a_forged_webhook_is_rejected_and_has_no_effect(
        self,
        listening: Workbench,
        signed_webhook: Callable[..., WebhookRequest],
        forged_webhooks: Callable[[WebhookRequest], Mapping[str, WebhookRequest]],
    ) -> None:
        problems = []
        for how, forged in forged_webhooks(signed_webhook("evt_conformance_forged", _QUOTE)).items():
            delivered = listening.deliver(self.plugin_id, forged)
            if delivered.status not in _REFUSALS or delivered.runs:
                problems.append(
                    f"A webhook {how} is answered {delivered.status}, and starts {len(delivered.runs)} runs."
                )

        require_none(
            problems,
            why="Everybody can call the address of a webhook: whoever is believed without proof says what was paid.",
            mend="Compare the signature over `request.body` as it came, in constant time, and raise `WebhookRejected`; "
            "with status=404 for a token that you never gave.",
        )

    def test_a_repeated_webhook_is_worked_once(
        self, listening: Workbench, signed_webhook: Callable[..., WebhookRequest]
    ) -> None:
        first = listening.deliver(self.plugin_id, signed_webhook("evt_conformance_twice", _QUOTE))
        again = listening.deliver(self.plugin_id, signed_webhook("evt_conformance_twice", _QUOTE))

        require(
            again.status == _OK and not again.runs and again.received in {"duplicate", first.received},
            f"The same event again is answered {again.status} {again.received!r} and starts {len(again.runs)} runs.",
            why="Services deliver an event more than once, and rightly so.",
            mend="Take the service's own id of the event as `WebhookEvent.id`, never one made at intake.",
        )

    def test_an_unknown_event_is_acknowledged(
        self, listening: Workbench, signed_webhook: Callable[..., WebhookRequest]
    ) -> None:
        delivered = listening.deliver(
            self.plugin_id, signed_webhook("evt_conformance_new", _QUOTE, type="conformance.unknown")
        )

        require(
            delivered.status == _OK and all(run["status"] in ENDED_WELL for run in delivered.runs),
            f"An event of a type that nobody knows is answered {delivered.status}"
            + "".join(f"; {what_happened(run)}" for run in delivered.runs),
            why="Services gain types of events; one that is not answered is repeated, and may close the endpoint.",
            mend="Give a `WebhookEvent` without quote_id for what is not yours, or `Outcome.skipped` in `on_webhook`.",
        )

    def test_one_workspaces_webhook_is_nothing_to_another(
        self,
        listening: Workbench,
        valid_settings: Mapping[str, Any],
        signed_webhook: Callable[..., WebhookRequest],
    ) -> None:
        schema = listening.host.plugins.manifest(self.plugin_id).settings_schema
        listening.set_up(self.plugin_id, other_secrets(schema, valid_settings) or valid_settings, "ws-2")
        delivered = listening.deliver(self.plugin_id, signed_webhook("evt_conformance_other", _QUOTE), "ws-2")

        require(
            not delivered.runs,
            f"A webhook of workspace ws-1, delivered to the address of ws-2, starts {len(delivered.runs)} runs there.",
            why="One customer of the platform would act on what another one's service says.",
            mend="Keep secret and token of a webhook in `ctx.secrets` and `ctx.state`, which are the workspace's own.",
        )
