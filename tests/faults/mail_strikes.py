"""Faults of the mail server, and the story in which a person has to help."""

from __future__ import annotations

from collections.abc import Callable

from faults.story import PATIENCE, Story, Strike
from qwoty_integrations_host.mail import transports


def mail_server(mood: str) -> Strike:
    """The mail server behaves in this way for the first mail."""

    def strike(story: Story) -> None:
        story.mail_server.be(mood, mails=1)
        story.patch.setattr(transports, "_TIMEOUT", PATIENCE)

    return strike


def told_with_help(code: str) -> Callable[[Story], None]:
    """The run of the quote ends with this code, and a person retries it."""

    def tell(story: Story) -> None:
        run = story.accept()
        assert (run["status"], run["error"]["code"]) == ("needs_attention", code), run
        assert story.bench.retry(run["id"])["status"] == "succeeded"
        story.pay()
        story.send_next()

    return tell
