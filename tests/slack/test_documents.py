"""The PDF in the message's thread: it never stops the message, and it is sent once."""

from __future__ import annotations

from typing import Any

import pytest


def test_the_pdf_is_in_the_messages_thread_as_it_was_signed(desk: Any) -> None:
    desk.accept()

    (file,) = desk.slack.shared
    assert (file["name"], file["content"]) == ("20260310-BuyerSARL.pdf", desk.storage.answer)
    assert file["shared"] == [desk.slack.posted[0]["ts"]]


def test_no_pdf_is_requested_when_documents_are_switched_off(desk: Any) -> None:
    desk.enable(document_send=False)

    assert desk.accept()["status"] == "succeeded"
    assert (desk.storage.asked, desk.slack.files) == ([], {})


def test_a_quote_without_a_pdf_is_announced_without_one(desk: Any) -> None:
    run = desk.accept(pdf_link=None)

    assert run["status"] == "succeeded"
    assert "The quote has no PDF to attach." in run["outcome"]["notes"]
    assert len(desk.slack.posted) == 1


@pytest.mark.parametrize(
    ("answer", "status", "why"),
    [
        (b"<html>login</html>", 200, "leads to something that is no PDF"),
        (b"gone", 404, "HTTP 404"),
        (b"expired", 403, "HTTP 403"),
        (b"%PDF-" + b"x" * (20 * 1024 * 1024), 200, "more than 20 MB"),
        (b"oops", 503, "HTTP 503"),
    ],
)
def test_a_pdf_that_cannot_be_fetched_is_noted(desk: Any, answer: bytes, status: int, why: str) -> None:
    desk.storage.answer, desk.storage.status = answer, status

    run = desk.accept()

    assert run["status"] == "succeeded"
    (note,) = [note for note in run["outcome"]["notes"] if note.startswith("The PDF is not attached.")]
    assert why in note and "SignedPdfToken" not in note
    assert (len(desk.slack.posted), desk.slack.shared) == (1, [])
    assert len(desk.storage.asked) == (3 if status == 503 else 1)


def test_a_pdf_is_sent_once_the_storage_recovers(desk: Any) -> None:
    answers = iter([503, 200])
    give = desk.storage.give

    def stumbling(name: str) -> Any:
        desk.storage.status = next(answers)
        return give(name)

    desk.storage.give = stumbling
    desk.accept(pdf_link=f"{desk.storage.url}/quote.pdf")

    assert len(desk.slack.shared) == 1


@pytest.mark.parametrize("method", ["files.getUploadURLExternal", "upload", "files.completeUploadExternal"])
def test_an_upload_that_fails_is_tried_again(desk: Any, method: str) -> None:
    desk.slack.trouble[method] = [429, 429]

    run = desk.accept()

    assert run["status"] == "succeeded"
    assert (len(desk.slack.posted), len(desk.slack.shared)) == (1, 1)


def test_a_refused_upload_is_noted(desk: Any) -> None:
    desk.slack.trouble["files.getUploadURLExternal"] = ["file_uploads_disabled"]

    run = desk.accept()

    assert run["status"] == "succeeded"
    assert "The PDF is not attached. Slack refused the request (file_uploads_disabled)." in run["outcome"]["notes"]


def test_a_missing_scope_for_files_is_named_and_a_retry_goes_on_from_there(desk: Any) -> None:
    desk.slack.scopes.discard("files:write")
    run = desk.accept()
    assert (run["status"], run["error"]["code"]) == ("needs_attention", "permission_missing")
    assert "files:write" in run["error"]["hint"]
    desk.slack.scopes.add("files:write")

    run = desk.retry(run["id"])

    assert run["status"] == "succeeded"
    assert (len(desk.slack.posted), len(desk.slack.shared)) == (1, 1)


def test_an_unanswered_share_is_not_repeated_without_the_right_to_look(desk: Any) -> None:
    desk.slack.trouble["files.completeUploadExternal"] = ["cut"]

    run = desk.accept()

    assert run["status"] == "succeeded"
    assert (
        "It cannot be known whether 20260310-BuyerSARL.pdf was attached: look into the thread."
        in run["outcome"]["notes"]
    )
    assert len(desk.slack.shared) == 1


@pytest.mark.parametrize("trouble", ["cut", 500])
def test_an_unanswered_share_is_looked_for(desk: Any, trouble: Any) -> None:
    desk.slack.scopes.add("channels:history")
    desk.slack.trouble["files.completeUploadExternal"] = [trouble]

    run = desk.accept()

    assert run["status"] == "succeeded"
    assert len(desk.slack.shared) == 1
    assert "20260310-BuyerSARL.pdf is attached in the message's thread." in run["outcome"]["notes"]


def test_a_redirect_is_followed_and_a_redirect_in_a_circle_ends(desk: Any) -> None:
    desk.accept(pdf_link=f"{desk.storage.url}/moved.pdf")
    run = desk.accept(id="q-2", pdf_link=f"{desk.storage.url}/round.pdf")

    assert len(desk.slack.shared) == 1
    assert any("leads on and on" in note for note in run["outcome"]["notes"])


def test_a_pdf_on_our_own_network_is_refused_unless_the_deployment_allows_it(desks: Any) -> None:
    strict = desks("strict", private_pdfs=False)
    strict.enable()

    run = strict.accept()

    assert run["status"] == "succeeded"
    assert any("is not an https address" in note for note in run["outcome"]["notes"])
    assert strict.storage.asked == []
