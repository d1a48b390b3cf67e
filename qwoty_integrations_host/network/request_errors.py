"""Requests to other services: what their errors say of where a request got to."""

from __future__ import annotations


def why_unsent(error: BaseException | None) -> Exception | None:
    """Give why a request could not even be written, as an error for the log; None where it may have left.

    A header, an address or a text that HTTP cannot carry is the caller's own mistake: to wait for the service does not
    help. ``error`` is what requests raised: a ValueError then, but also for an answer that cannot be read. What is
    given repeats no header and no address, since they may be secrets.
    """
    from requests.exceptions import InvalidJSONError, JSONDecodeError  # noqa: PLC0415 - lazy: every command would pay
    from urllib3.exceptions import InvalidHeader  # noqa: PLC0415 - comes with requests

    if not isinstance(error, ValueError | InvalidJSONError) or isinstance(error, JSONDecodeError | UnicodeDecodeError):
        return None
    # Of contradictory headers in an answer requests says what it says of a header of ours.
    if error.args and isinstance(error.args[0], InvalidHeader):
        return None
    said = f": {error}" if isinstance(error, UnicodeError) else ""
    return ValueError(type(error).__name__ + said).with_traceback(error.__traceback__)
