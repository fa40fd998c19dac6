"""Types of arguments beyond click's own."""

from typing import Final

import click

_UNIT_SECONDS: Final = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400}


class Duration(click.ParamType[int]):
    """A duration such as ``90s``, ``15m``, ``24h`` or ``7d``, in whole seconds."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return the seconds of a text."""
        if isinstance(value, int):
            return value
        text = str(value)
        number = text.rstrip("smindh")
        unit = text[len(number) :]
        if not (number.isascii() and number.isdigit()) or unit not in _UNIT_SECONDS:
            self.fail(f"{text!r} is not a duration such as 90s, 15m, 24h or 7d", param, ctx)
        return int(number) * _UNIT_SECONDS[unit]


DURATION: Final = Duration()
