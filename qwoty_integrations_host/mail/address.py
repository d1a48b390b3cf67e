"""Validation of mail addresses, the same for recipients, reply addresses and alert recipients."""

from __future__ import annotations

from functools import cache
from types import ModuleType

from ..errors import NeedsAttention


def mail_address(text: str) -> str:
    """Return an address in ASCII, which every mail server takes: an international domain becomes its A-label.

    Only the syntax is checked (RFC 5321, IDNA 2008), not DNS: an internal mail server may know domains that the
    internet does not. An address in ASCII is returned unchanged.

    Raises: NeedsAttention with the code ``mail_address``; its title says why, without the address.
    """
    library = _email_validator()
    try:
        address = library.validate_email(text, check_deliverability=False, strict=True)
    except library.EmailNotValidError as error:
        raise _refused("The e-mail address is not one that mail can be sent to.") from error
    if address.ascii_email is None:
        # It needs SMTPUTF8 (RFC 6531), which many servers lack.
        raise _refused("The e-mail address has letters before the @ that not every mail server takes.")
    return text if text.isascii() else str(address.ascii_email)


def is_mail_address(text: str) -> bool:
    """Return whether an address is valid."""
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

    # The library's documented way to allow domains of internal servers, such as those in .local.
    email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()
    return email_validator
