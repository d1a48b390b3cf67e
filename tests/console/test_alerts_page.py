"""Recipients of alerts at the command line, in the API and in the console, which all show the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import Client

from console.conftest import words
from console.test_admin_commands import browser, qwoty
from qwoty_integrations_host import NeedsAttention
from qwoty_integrations_host.doctor import examine
from qwoty_integrations_host.store.api_keys import create_api_key
from qwoty_integrations_host.web.app import create_app

__all__ = ["browser", "qwoty"]

ANA, BEN = "ana@seller.example", "ben@seller.example"
NOBODY = "Nobody is told when something needs a person."


def api(desk: Any) -> Callable[..., Any]:
    client = Client(create_app(desk.host))
    with desk.host.store.write() as db:
        key = create_api_key(db, "ws-1", desk.clock.now())

    def call(method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body)
        headers = {"Authorization": f"Bearer {key}"}
        return client.open(f"/v1/workspaces/ws-1{path}", method=method, data=data, headers=headers)

    return call


def recipients(desk: Any) -> list[str]:
    mails: list[str] = desk.host.alert_recipients.show("ws-1")["mails"]
    return mails


def of_alerts(desk: Any, workspace: str = "ws-1") -> list[tuple[str, str]]:
    found = [each for each in examine(desk.host) if each.about == "alerts"]
    return [(each.state, each.detail) for each in found if each.detail.startswith(f"{workspace}:")]


# -- recipients and alerts -------------------------------------------------------------------------------------


def test_a_workspace_without_recipients_warns_until_one_is_added(admin: Any) -> None:
    admin.desk.enable()
    assert NOBODY in words(admin.page("/console/"))
    assert of_alerts(admin.desk) == [("warning", "ws-1: nobody is told when something needs a person.")]

    assert admin.post("/console/alerts/people", {"mail": f" {ANA} "}).status_code == 303

    assert NOBODY not in words(admin.page("/console/"))
    assert of_alerts(admin.desk) == [("ok", "ws-1: whoever is to be told has been told.")]
    assert api(admin.desk)("GET", "/alerts").json["mails"] == [ANA]


def test_the_alerts_page_and_the_api_show_the_same_alerts(admin: Any) -> None:
    ask = api(admin.desk)
    assert ask("PUT", "/alerts", {"mails": [ANA], "language": "fr"}).status_code == 200
    admin.desk.enable()
    admin.desk.fail_with(NeedsAttention("The totals differ.", hint="Compare them, then retry the run."))
    run = admin.desk.accept()

    before = admin.page("/console/alerts")
    admin.desk.host.alert_delivery.deliver()
    after = admin.page("/console/alerts")

    assert "One alert is still to be told." in before and "One alert is still to be told." not in after
    assert "N-q-7 · The totals differ." in words(after)
    assert f'href="http://localhost/console/runs/{run["id"]}"' in after
    (alert,) = ask("GET", "/alerts").json["alerts"]
    assert (alert["type"], alert["title"]) == ("run.needs_attention", "The totals differ.")
    assert alert["url"] == f"http://localhost/console/runs/{run['id']}"
    assert "command" not in alert
    (mail,) = (admin.desk.host.config.data_dir / "outbox").glob("*.eml")
    text = mail.read_text("utf-8")
    assert "http://localhost/console/runs/" in text and "qwoty-host" not in text


def test_a_test_alert_is_sent_by_the_page_and_by_the_api(admin: Any) -> None:
    ask = api(admin.desk)
    assert ask("POST", "/alerts/test").status_code == 409
    admin.desk.host.alert_recipients.replace("ws-1", {"mails": [ANA]})

    page = admin.post("/console/alerts/test")

    assert f"{ANA}: The test was sent." in words(admin.page(page.location)).replace(" : ", ": ")
    begun = ask("POST", "/alerts/test")
    assert begun.status_code == 202
    assert begun.json["told"] == [{"to": ANA, "delivered": True, "trouble": ""}]


def test_a_workspace_is_created_with_recipients(qwoty: Any) -> None:
    without = qwoty("workspace", "add", "alone")
    made = qwoty("workspace", "add", "beta", "--alerts-to", ANA, "--alerts-to", BEN)
    again = qwoty("workspace", "add", "beta", "--alerts-to", BEN)
    wrong = qwoty("workspace", "add", "gamma", "--alerts-to", "nobody")

    assert "qwoty-host alerts set alone --mail ADDRESS" in without.stderr
    assert (made.exit_code, made.stderr) == (0, "")
    assert again.exit_code == 0
    assert json.loads(qwoty("alerts", "show", "beta", "--json").stdout)["mails"] == [ANA, BEN]
    assert wrong.exit_code == 2 and "Is not an e-mail address." in wrong.stderr
    assert qwoty("alerts", "show", "gamma").exit_code == 5, "nothing was added"


# -- enabling an integration offers a recipient ----------------------------------------------------------------


FORM = {"_shown": ["mode", "token"], "mode": "fast", "token": "key_Plain1234567890", "then": "enable"}


def test_enabling_an_integration_offers_a_field_for_a_recipient(admin: Any) -> None:
    assert 'name="alerts_to"' in admin.page("/console/integrations/recorder")

    assert admin.post("/console/integrations/recorder", {**FORM, "alerts_to": ANA}).status_code == 303

    assert recipients(admin.desk) == [ANA]
    assert 'name="alerts_to"' not in admin.page("/console/integrations/recorder")


def test_an_invalid_recipient_is_reported_at_its_field_and_nothing_is_enabled(admin: Any) -> None:
    answer = admin.post("/console/integrations/recorder", {**FORM, "alerts_to": "ana"}, **{"Accept-Language": "fr"})

    assert answer.status_code == 422
    assert 'id="error-alerts_to">N’est pas une adresse e-mail.' in answer.text
    assert (recipients(admin.desk), admin.desk.host.settings.is_enabled("ws-1", "recorder")) == ([], False)


# -- the page -------------------------------------------------------------------------------------------------


def test_adding_and_removing_recipients_keeps_the_other_settings(admin: Any) -> None:
    admin.desk.host.alert_recipients.replace("ws-1", {"mails": [ANA], "language": "fr", "daily_digest": False})

    admin.post("/console/alerts/people", {"mail": BEN})
    admin.post("/console/alerts/people/remove", {"mail": ANA})
    wrong = admin.post("/console/alerts/people", {"mail": "nobody"})

    found = admin.desk.host.alert_recipients.show("ws-1")
    assert (found["mails"], found["language"], found["daily_digest"]) == ([BEN], "fr", False)
    assert wrong.status_code == 422 and 'value="nobody"' in wrong.text and "Is not an e-mail address." in wrong.text


def test_alert_settings_are_kept_without_recipients(admin: Any) -> None:
    form = {"language": "fr", "silent_after_hours": "48", "webhook_url": ""}

    assert admin.post("/console/alerts", form).status_code == 303
    admin.post("/console/alerts/people", {"mail": ANA})

    found = admin.desk.host.alert_recipients.show("ws-1")
    assert (found["language"], found["silent_after_hours"], found["daily_digest"]) == ("fr", 48, False)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"silent_after_hours": "soon"}, "Has the wrong type."),
        ({"silent_after_hours": "0"}, "Is not valid."),
        ({"webhook_url": "https://localhost/x"}, "Must be an https address that is not a private one."),
    ],
)
def test_a_wrong_alert_setting_is_reported_at_its_field(admin: Any, changes: dict[str, str], says: str) -> None:
    answer = admin.post("/console/alerts", {"language": "en", "silent_after_hours": "24", **changes})

    assert answer.status_code == 422
    assert says in answer.text and 'aria-invalid="true"' in answer.text


def test_the_secret_of_a_new_webhook_is_shown_once(admin: Any) -> None:
    url = "https://hooks.seller.example/alerts"
    answer = admin.post("/console/alerts", {"language": "en", "silent_after_hours": "24", "webhook_url": url})
    put = api(admin.desk)("PUT", "/alerts", {"webhook_url": url}).json
    other = api(admin.desk)("PUT", "/alerts", {"webhook_url": f"{url}/2"}).json

    assert "whsec_" in answer.text
    assert "whsec_" not in admin.page("/console/alerts")
    assert put["new_webhook_secret"] is None and other["new_webhook_secret"].startswith("whsec_")


def test_a_viewer_looks_and_changes_nothing(people: Any) -> None:
    viewer = people("viewer")
    viewer.desk.host.alert_recipients.replace("ws-1", {"mails": [ANA]})

    assert ANA in viewer.page("/console/alerts")
    assert "Send a test" not in viewer.page("/console/alerts")
    for path in ("/alerts", "/alerts/people", "/alerts/people/remove", "/alerts/test"):
        assert viewer.post(f"/console{path}", {"mail": ANA}).status_code == 403
    assert recipients(viewer.desk) == [ANA]
