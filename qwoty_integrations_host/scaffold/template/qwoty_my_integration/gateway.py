"""The only module that calls the service: it makes the requests, and maps responses to the host's errors."""

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
        """Return the id of the note with this reference, or None."""
        notes = self._request("GET", params={"reference": reference})["data"]
        return str(notes[0]["id"]) if notes else None

    def write_note(self, reference: str, text: str) -> str:
        """Create a note, and return its id."""
        return str(self._request("POST", json={"reference": reference, "text": text})["id"])

    def _request(self, method: str, **options: Any) -> Any:
        """Raises: RetryableError when a later try may succeed, CredentialsError, PermanentError."""
        headers = {"Authorization": f"Bearer {self.token}"}
        try:
            response = requests.request(method, f"{self.address}/notes", headers=headers, timeout=_TIMEOUT, **options)
            status, body = response.status_code, response.json() if response.ok else None
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
