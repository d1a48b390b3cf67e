"""The properties of errors, and how a step records an error."""

from __future__ import annotations

import inspect

import pytest

from qwoty_integrations_host import errors
from qwoty_integrations_host.errors import IntegrationError, PermissionMissing, RetryableError, WebhookRejected

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, IntegrationError)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_recorded_error_is_raised_again_as_its_kind(kind: type[IntegrationError]) -> None:
    again = errors.from_record(errors.to_record(kind("It stopped.")))

    assert again.title == "It stopped."
    assert again.code == kind.default_code
    assert type(again) in {errors.RECORDABLE[kind.recorded_as], PermissionMissing}
    # An error ends the run in the same way again; a kind that is not recorded as itself ends it as failed.
    assert again.run_status == (kind.run_status if kind.run_status in {"needs_attention", "skipped"} else "failed")


def test_a_missing_permission_is_recorded_as_earlier_releases_read_it() -> None:
    recorded = errors.to_record(PermissionMissing("The key lacks a permission.", hint="Add it."))

    assert (recorded["kind"], recorded["code"]) == ("CredentialsError", "permission_missing")
    assert type(errors.from_record(recorded)) is PermissionMissing


def test_a_rejected_webhook_has_the_status_of_its_response() -> None:
    assert WebhookRejected("Unknown.", status=404).http_status == 404
    assert (WebhookRejected("Forged.").http_status, WebhookRejected.http_status) == (400, 400)


def test_only_temporary_errors_make_a_run_wait() -> None:
    waiting = {kind.__name__ for kind in KINDS if kind.run_status == "waiting"}

    assert waiting == {RetryableError.__name__, "SettingsIncomplete", "DatabaseUnavailable", "PluginHangs"}
