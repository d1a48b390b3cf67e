"""Time zones by their IANA names, and how an offset is written for people."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from difflib import get_close_matches
from zoneinfo import ZoneInfo, available_timezones

from ..errors import FieldProblem, InvalidInput

#: Days between these exist in every time zone.
_FIRST_DAY, _LAST_DAY = date(1900, 1, 1), date(9000, 1, 1)
#: Names that are not zones: files in the same folder whose content depends on the machine.
_NO_ZONES = {"localtime", "posixrules", "Factory"}


def timezone_names() -> list[str]:
    """Return every name that can be set, sorted."""
    return sorted(available_timezones() - _NO_ZONES)


def find_timezone(name: str) -> ZoneInfo:
    """Return the zone of an IANA name such as ``Europe/Paris``. Raises: InvalidInput with the nearest name."""
    known = timezone_names()
    if name not in known:
        nearest = _nearest(name, known)
        instead = f"The nearest one is {nearest}." if nearest else "An example is Europe/Paris."
        problem = f"Is not an IANA name of a time zone. {instead}"
        raise InvalidInput("There is no such time zone.", [FieldProblem(("timezone",), problem)])
    return ZoneInfo(name)


def _nearest(name: str, known: list[str]) -> str | None:
    wanted = name.strip().lower().replace(" ", "_")
    within = [zone for zone in known if wanted and wanted in zone.lower()]
    if within:
        return min(within, key=len)
    # Compare the city first, because it says more than the continent.
    by_place = {zone.rpartition("/")[2].lower(): zone for zone in known}
    by_name = {zone.lower(): zone for zone in known}
    place = get_close_matches(wanted.rpartition("/")[2], by_place, n=1, cutoff=0.75)
    if place:
        return by_place[place[0]]
    found = get_close_matches(wanted, by_name, n=1, cutoff=0.4)
    return by_name[found[0]] if found else None


def begins(day: date, zone: tzinfo | None) -> datetime:
    """Return when a day begins in a zone, or in UTC; a day out of range becomes the first or last one."""
    shown = min(max(day, _FIRST_DAY), _LAST_DAY)
    return datetime.combine(shown, time(), zone or UTC)


def offset_name(moment: datetime) -> str:
    """Return the offset of an aware time as people write it: ``UTC``, ``UTC+2``, ``UTC-3:30``."""
    offset = moment.utcoffset() or timedelta(0)
    sign, minutes = "-" if offset < timedelta(0) else "+", abs(offset) // timedelta(minutes=1)
    if not minutes:
        return "UTC"
    hours, rest = divmod(minutes, 60)
    return f"UTC{sign}{hours}" + (f":{rest:02}" if rest else "")
