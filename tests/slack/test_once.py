"""One message per quote, although a process dies, Slack does not answer, or the quote comes again."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import count
from typing import Any

import pytest

import dying
from qwoty_slack.gateway import Gateway
from slack_stand_in import CHANNEL

LOOKING = {"channels:history"}


work_and_die = partial(dying.work_and_die, gateway=Gateway, asks="_ask")


def deaths(desk: Any, monkeypatch: pytest.MonkeyPatch, after: str) -> Iterator[tuple[int, str]]:
    """Let the process die at one place after the other, each time with a new quote in an empty channel.

    Gives the number of the place and the run while the process is dead. Ends when there is no place left.
    """
    for number in count(1):
        desk.slack.messages.clear()
        desk.slack.files.clear()
        desk.slack.calls.clear()
        (run_id,) = desk.host.runs.acceptance.accept("ws-1", desk.document(id=f"q-{number}")).run_ids
        if not work_and_die(desk, monkeypatch, after, number):
            return
        yield number, run_id


@pytest.mark.parametrize(("after", "places"), [("answer", 4), ("commit", 12)])
def test_a_process_that_dies_leaves_one_message_and_one_file(
    desk: Any, monkeypatch: pytest.MonkeyPatch, after: str, places: int
) -> None:
    desk.slack.scopes |= LOOKING
    died = 0
    for died, run_id in deaths(desk, monkeypatch, after):
        desk.restart()

        assert desk.run(run_id)["status"] == "succeeded"
        assert (len(desk.slack.posted), len(desk.slack.shared)) == (1, 1), f"after {after} {died}"
    assert died >= places


def test_a_killed_run_without_the_right_to_look_asks_a_person_and_posts_no_second_message(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run_id,) = desk.host.runs.acceptance.accept("ws-1", desk.document()).run_ids
    assert work_and_die(desk, monkeypatch, "answer", 1)

    desk.restart()

    run = desk.run(run_id)
    assert (run["status"], run["error"]["code"]) == ("needs_attention", "message_unsure")
    assert "dismiss the run; if not, retry" in run["error"]["hint"]
    assert len(desk.slack.posted) == 1


def test_a_restart_after_a_crash_does_not_count_as_a_persons_retry(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.slack.trouble["chat.postMessage"] = unanswered = ["cut"]
    died = 0
    for died, run_id in deaths(desk, monkeypatch, "commit"):
        desk.restart()

        assert desk.slack.methods().count("chat.postMessage") == len(desk.slack.posted) <= 1
        assert desk.run(run_id)["status"] == "needs_attention", f"after commit {died}"
        unanswered[:] = ["cut"]
    assert died >= 11


def test_a_retry_by_a_person_means_that_the_message_is_missing(desk: Any) -> None:
    desk.slack.trouble["chat.postMessage"] = [503]
    run = desk.accept()
    assert (run["status"], run["error"]["code"]) == ("needs_attention", "message_unsure")
    assert desk.slack.posted == []

    run = desk.retry(run["id"])

    assert run["status"] == "succeeded"
    assert len(desk.slack.posted) == 1


def test_a_persons_retry_does_not_apply_to_a_corrected_quote(desk: Any) -> None:
    desk.slack.trouble["chat.postMessage"] = ["cut"]
    desk.accept()

    run = desk.accept(number="Q-2026-043")

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "message_unsure")
    assert len(desk.slack.posted) == 1


@pytest.mark.parametrize(
    "trouble",
    [
        "cut",
        302,
        403,
        407,
        500,
        503,
        "half",
        "page",
        "stranger",
        "fatal_error",
        "done:fatal_error",
        "done:internal_error",
    ],
)
def test_a_run_looks_for_its_message_after_an_unclear_answer(desk: Any, trouble: Any) -> None:
    desk.slack.scopes |= LOOKING
    desk.slack.trouble["chat.postMessage"] = [trouble]
    before = desk.clock.now()

    run = desk.accept()

    assert run["status"] == "succeeded"
    assert len(desk.slack.posted) == 1
    methods = desk.slack.methods()
    was_done = trouble == "cut" or str(trouble).startswith("done:")
    assert methods.count("chat.postMessage") == (1 if was_done else 2)
    assert "conversations.history" in methods
    assert (desk.clock.now() - before).total_seconds() >= 30, "the first request may still have been on its way"


@pytest.mark.parametrize("trouble", [429, "ratelimited"])
def test_a_clear_refusal_is_repeated_without_a_look_or_a_person(desk: Any, trouble: Any) -> None:
    desk.slack.trouble["chat.postMessage"] = [trouble, trouble]

    run = desk.accept()

    assert run["status"] == "succeeded"
    assert len(desk.slack.posted) == 1
    assert "conversations.history" not in desk.slack.methods()


def test_slacks_retry_after_is_respected(desk: Any) -> None:
    desk.slack.trouble["chat.postMessage"] = [429]
    before = desk.clock.now()

    desk.accept()

    assert (desk.clock.now() - before).total_seconds() >= 7


def test_an_unreachable_slack_is_asked_again_without_a_look(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    there = desk.slack.url
    monkeypatch.setenv("QWOTY_SLACK_API_BASE", "http://127.0.0.1:9/api")
    (run_id,) = desk.host.runs.acceptance.accept("ws-1", desk.document()).run_ids
    desk.work()
    run = desk.run(run_id)
    assert (run["status"], run["error"]["code"]) == ("waiting", "slack_unreachable")
    monkeypatch.setenv("QWOTY_SLACK_API_BASE", there)

    run = desk.retry(run_id)

    assert run["status"] == "succeeded"
    assert len(desk.slack.posted) == 1


def test_a_message_is_found_on_later_pages_after_a_restored_backup(desks: Any, desk: Any) -> None:
    desk.slack.scopes |= LOOKING
    desk.slack.page = 3
    desk.accept(pdf_link=None)
    mine = desk.slack.posted[0]["ts"]
    others = [{"event_type": "qwoty_quote", "event_payload": {"workspace": "ws-2", "quote_id": "q-1"}}, None, {}]
    desk.slack.messages += [
        {"ts": desk.slack._tick(), "text": "hello", "blocks": [], **({"metadata": about} if about is not None else {})}
        for about in others * 4
    ]
    restored = desks("restored", restored=True)
    restored.enable()

    run = restored.accept(pdf_link=None)

    assert run["status"] == "succeeded"
    assert desk.slack.methods().count("chat.postMessage") == 1
    assert run["outcome"]["ids"] == [f"{CHANNEL}/{mine}"]


def test_a_channel_given_by_name_cannot_be_searched(desk: Any) -> None:
    desk.slack.scopes |= LOOKING
    desk.enable(message_channel="#sales")
    assert desk.accept()["status"] == "succeeded", "a name is enough to post, and Slack answers with the id"
    desk.slack.trouble["chat.postMessage"] = ["cut"]

    run = desk.accept(id="q-2")

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "message_unsure")


def test_the_same_quote_again_is_not_announced_again(desk: Any) -> None:
    first = desk.accept()

    again = desk.accept(pdf_link=f"{desk.storage.url}/quote.pdf?token=another")

    assert again["id"] == first["id"]
    assert (len(desk.slack.posted), len(desk.slack.shared)) == (1, 1)


def test_changed_settings_and_a_retry_post_nothing_again(desk: Any) -> None:
    desk.slack.trouble["files.completeUploadExternal"] = ["invalid_auth"]
    run = desk.accept()
    assert run["status"] == "needs_attention"
    desk.enable(document_send=False)

    assert desk.retry(run["id"])["status"] == "succeeded"
    assert len(desk.slack.posted) == 1


def test_a_corrected_quote_corrects_the_message_in_its_place(desk: Any) -> None:
    desk.accept(language="en")

    run = desk.accept(language="en", number="Q-2026-043")

    (posted,) = desk.slack.posted
    assert posted["text"].startswith("Buyer SARL has signed quote Q-2026-043")
    assert "Corrected, because the quote was changed." in str(posted["blocks"])
    assert run["outcome"]["notes"][0] == "The message in Slack was corrected in its place."
    assert len(desk.slack.shared) == 2, "the PDF of each version, in one thread"
    assert {found["shared"][0] for found in desk.slack.shared} == {posted["ts"]}


def test_an_unanswered_correction_is_sent_again(desk: Any) -> None:
    desk.accept()
    desk.slack.trouble["chat.update"] = ["cut", 500]

    run = desk.accept(number="Q-2026-043")

    assert run["status"] == "succeeded"
    assert len(desk.slack.posted) == 1
    assert "Q-2026-043" in desk.slack.posted[0]["text"]


def test_a_message_that_somebody_deleted_is_not_posted_again(desk: Any) -> None:
    desk.accept(pdf_link=None)
    desk.slack.messages.clear()

    run = desk.accept(number="Q-2026-043", pdf_link=None)

    assert run["status"] == "succeeded"
    assert run["outcome"]["notes"][0].startswith("Somebody deleted the message in Slack")
    assert desk.slack.posted == []


def test_a_message_that_may_not_be_changed_needs_a_person(desk: Any) -> None:
    desk.accept()
    desk.slack.trouble["chat.update"] = ["edit_window_closed"]

    run = desk.accept(number="Q-2026-043")

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "message_not_corrected")
