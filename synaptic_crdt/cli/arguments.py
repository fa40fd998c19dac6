"""Types of arguments beyond click's own, and the option that commands which write texts share."""

from typing import Final

import click

from synaptic_crdt.cli.command import Settings

# More digits than any bound of the market has; which of them was passed is the rules' to say.
_DIGITS: Final = 18
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
        is_number = number.isascii() and number.isdigit() and len(number) <= _DIGITS
        if not is_number or unit not in _UNIT_SECONDS:
            self.fail(f"{text!r:.80} is not a duration such as 90s, 15m, 24h or 7d", param, ctx)
        return int(number) * _UNIT_SECONDS[unit]


DURATION: Final = Duration()


def _keep_fields(context: click.Context, _: click.Parameter, value: tuple[str, ...]) -> None:
    context.ensure_object(Settings).allow_secret = value


allow_secret_option: Final = click.option(
    "--allow-secret",
    multiple=True,
    metavar="FIELD",
    expose_value=False,
    callback=_keep_fields,
    help="Write a field although it holds what looks like a secret.",
)
