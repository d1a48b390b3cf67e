"""Tells from the error of a request whether the request was sent."""

from __future__ import annotations


def why_unsent(error: BaseException | None) -> Exception | None:
    """Return why a request could not be written, as an error for the log; None when it may have been sent.

    A header, an address or a text that HTTP cannot carry is the caller's mistake, so waiting for the service does not
    help. ``error`` is what requests raised: a ValueError in that case, but also for an unreadable response. The
    returned error repeats no header and no address, because they may be secrets.
    """
    from requests.exceptions import InvalidJSONError, JSONDecodeError  # noqa: PLC0415 - lazy: every command would pay
    from urllib3.exceptions import InvalidHeader  # noqa: PLC0415 - comes with requests

    if not isinstance(error, ValueError | InvalidJSONError) or isinstance(error, JSONDecodeError | UnicodeDecodeError):
        return None
    # requests raises the same error for contradictory headers of a response as for an invalid header of ours.
    if error.args and isinstance(error.args[0], InvalidHeader):
        return None
    said = f": {error}" if isinstance(error, UnicodeError) else ""
    return ValueError(type(error).__name__ + said).with_traceback(error.__traceback__)
