"""The only module that speaks to the service: its requests, and its answers as errors that the host understands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import requests

from qwoty_integrations_host import CredentialsError, PermanentError, RetryableError, why_unsent

_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Gateway:
    """The service, with one workspace's token."""

    address: str
    token: str = field(repr=False)

    def find_note(self, reference: str) -> str | None:
        """Give the id of the note with this reference, if there is one."""
        notes = self._ask("GET", params={"reference": reference})["data"]
        return str(notes[0]["id"]) if notes else None

    def write_note(self, reference: str, text: str) -> str:
        """Write a note and give its id."""
        return str(self._ask("POST", json={"reference": reference, "text": text})["id"])

    def _ask(self, method: str, **given: Any) -> Any:
        """Raises: RetryableError when it may work later, CredentialsError, PermanentError."""
        headers = {"Authorization": f"Bearer {self.token}"}
        try:
            answer = requests.request(method, f"{self.address}/notes", headers=headers, timeout=_TIMEOUT, **given)
            status, body = answer.status_code, answer.json() if answer.ok else None
        except requests.RequestException as error:
            if why_unsent(error):
                raise PermanentError("The request could not be written.", hint="Correct what the log names.") from error
            raise RetryableError("The service did not answer.") from error
        if status in {401, 403}:
            raise CredentialsError("The service refused the token.", hint="Make a new one there, and save it here.")
        if status == 429 or status >= 500:
            raise RetryableError(f"The service is busy or out of order (HTTP {status}).")
        if body is None:
            raise PermanentError(f"The service refused the request (HTTP {status}).")
        return body
