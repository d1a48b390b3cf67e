"""The OpenAPI description is correct: no allowed request causes a 5xx, and every answer matches its schema."""

from __future__ import annotations

from typing import Any

import schemathesis
from hypothesis import HealthCheck, given, settings

from qwoty_integrations_host import Outcome
from qwoty_integrations_host.web.app import create_app


def test_every_answer_matches_its_openapi_description(caller: Any) -> None:
    caller.desk.recorder.answers["on_quote_accepted"] = lambda ctx, _: Outcome.done(ctx.step("one", lambda _: "done"))
    run, key = caller.desk.accept(), {"Authorization": f"Bearer {caller.key}"}
    there = {"workspace": "ws-1", "plugin": "recorder", "run_id": run["id"], "quote_id": "q-7"}
    described = schemathesis.openapi.from_wsgi("/v1/openapi.json", create_app(caller.desk.host))
    operations = [found.ok() for found in described.get_all_operations()]

    for operation in operations:
        # Generating a whole quote takes seconds.
        examples = 1 if operation.path.endswith(("/accepted", "/preview")) else 10

        @given(case=operation.as_strategy())
        @settings(max_examples=examples, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
        def conforms(case: Any) -> None:
            case.path_parameters.update({name: there[name] for name in there if name in case.path_parameters})
            caller.desk.clock.advance(60)  # the generated requests include wrong keys
            # A schema cannot express every reason for a refusal, such as sums that must agree or a place in a list.
            case.call_and_validate(headers=key, excluded_checks=[schemathesis.checks.positive_data_acceptance])

        conforms()

    assert len(operations) >= 25
