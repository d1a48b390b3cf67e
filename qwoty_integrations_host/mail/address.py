"""What an address of mail is: one rule for recipients, for those who are answered, and for alerts."""

from __future__ import annotations

from functools import cache
from types import ModuleType

from ..errors import NeedsAttention


def mail_address(text: str) -> str:
    """Give an address in the form that every mail server takes: ASCII, with a domain in other letters as its A-label.

    It is judged by its syntax (RFC 5321, IDNA 2008), not by DNS: an internal server may take names that the internet
    does not know. An address in ASCII stays as it is written.

    Raises: NeedsAttention with the code ``mail_address``; the title says why, and never repeats the address.
    """
    library = _email_validator()
    try:
        found = library.validate_email(text, check_deliverability=False, strict=True)
    except library.EmailNotValidError as error:
        raise _refused("The e-mail address is not one that mail can be sent to.") from error
    if found.ascii_email is None:
        # Only servers with SMTPUTF8 (RFC 6531) take it, and many have none.
        raise _refused("The e-mail address has letters before the @ that not every mail server takes.")
    return text if text.isascii() else str(found.ascii_email)


def is_mail_address(text: str) -> bool:
    """Whether mail can be sent to an address."""
    try:
        mail_address(text)
    except NeedsAttention:
        return False
    return True


def _refused(title: str) -> NeedsAttention:
    hint = "Correct it in Qwoty and accept the quote again, then retry the run."
    return NeedsAttention(title, hint=hint, code="mail_address")


@cache
def _email_validator() -> ModuleType:
    import email_validator  # noqa: PLC0415 - lazy: most commands send no mail

    # The library's own way to let pass what an internal server may take, such as names in .local.
    email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()
    return email_validator
