"""How values stand in a sentence for a person: hex for bytes, durations and times in words.

Arithmetic alone, since a rule knows no calendar of its machine's. What is shown loses nothing: a
duration is given in the largest unit that divides it, a time to the millisecond.
"""

from collections.abc import Sequence
from typing import Final

from synaptic_crdt.rules import limits
from synaptic_crdt.rules.limits import DAY_MS, HOUR_MS, MILLION, MINUTE_MS, SECOND_MS

_UNITS: Final = ((DAY_MS, "d"), (HOUR_MS, "h"), (MINUTE_MS, "min"), (SECOND_MS, "s"))
_EPOCH_DAYS: Final = 719_468  # from 1 March of the year 0 to 1 January 1970
_ERA_DAYS: Final = 146_097  # of 400 years
_YEAR_DAYS: Final = 365

# What a seat in each state waits for, after "it is".
_PHASES: Final = {
    "OPEN": "nobody has the seat",
    "RESERVED": "more providers have to come first",
    "PENDING": "a checkpoint has to make the acceptance final first",
    "KEYWAIT": "the requester has to reveal the key first",
    "ASSIGNED": "the provider has to start first",
    "STARTED": "the provider is at work",
    "DELIVERED": "the result waits for its review",
    "HELD": "the provider may agree to what is proposed, or contest it",
    "DISPUTED": "the arbiters have to rule",
    "TIMELOCKED": "it was approved, and is paid on its date",
}


class Shown:
    """A value that knows how to stand in a template: plain, ``time``, ``duration`` or ``phase``."""

    __slots__ = ("_value",)

    def __init__(self, value: int | str | bytes) -> None:
        self._value: Final = value.hex() if isinstance(value, bytes) else value

    def __format__(self, spec: str) -> str:
        value = self._value
        if spec == "phase":
            return f"{value}: {_PHASES[value]}" if value in _PHASES else f"{value}"
        if isinstance(value, int) and spec:
            return show_time(value) if spec == "time" else show_duration(value)
        return f"{value}"

    def __repr__(self) -> str:
        return repr(self._value)


def show_duration(duration_ms: int) -> str:
    """Return a duration in the largest unit that divides it."""
    for unit_ms, unit in _UNITS:
        if duration_ms and duration_ms % unit_ms == 0:
            return f"{duration_ms // unit_ms} {unit}"
    return f"{duration_ms} ms"


def show_time(time_ms: int) -> str:
    """Return a time in UTC; in ms where the calendar has no four digits for its year."""
    if not 0 <= time_ms <= limits.CREATED_MAX_MS:
        return f"{time_ms} ms"
    day, rest_ms = divmod(time_ms, DAY_MS)
    hour, rest_ms = divmod(rest_ms, HOUR_MS)
    minute, rest_ms = divmod(rest_ms, MINUTE_MS)
    second, ms = divmod(rest_ms, SECOND_MS)
    return f"{_show_date(day)} {hour:02}:{minute:02}:{second:02}.{ms:03}Z"


def show_accounts(accounts: Sequence[bytes]) -> str:
    """Return accounts by the beginnings of their names, as commands take them."""
    return ", ".join(account.hex()[:12] for account in accounts)


def show_share(share_ppm: int) -> str:
    """Return a share in percent, as exact as it is."""
    whole, rest = divmod(share_ppm, MILLION // 100)
    return f"{whole}{f'.{rest:04}'.rstrip('0') if rest else ''} %"


def _show_date(day: int) -> str:
    """Return the date of a day since 1970, by H. Hinnant's ``civil_from_days``."""
    era, of_era = divmod(day + _EPOCH_DAYS, _ERA_DAYS)
    year = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // _YEAR_DAYS
    of_year = of_era - (_YEAR_DAYS * year + year // 4 - year // 100)
    # Months count from March, so that a leap day is the last of its year.
    month = (5 * of_year + 2) // 153
    date = of_year - (153 * month + 2) // 5 + 1
    month = month + 3 if month < 10 else month - 9  # noqa: PLR2004 - from March back to January
    return f"{era * 400 + year + (month <= 2):04}-{month:02}-{date:02}"  # noqa: PLR2004 - January, February
