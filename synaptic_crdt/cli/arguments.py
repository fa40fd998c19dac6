"""Types of arguments beyond click's own, and the option that commands which write texts share."""

from typing import Final

import click

from synaptic_crdt.cli.command import Settings

# More digits than any bound of the market has; which of them was passed is the rules' to say.
_DIGITS: Final = 18
# Of a share in percent: a part per million is the fourth.
_DECIMALS: Final = 4
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


class Percent(click.ParamType[int]):
    """A share such as ``95``, ``97.5`` or ``60%``, in parts per million."""

    name = "percent"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return the parts per million of a text."""
        if isinstance(value, int):
            return value
        text = str(value)
        whole, _, rest = text.removesuffix("%").partition(".")
        digits = whole + rest.ljust(_DECIMALS, "0")
        if not whole or len(rest) > _DECIMALS or not digits.isascii() or not digits.isdigit():
            self.fail(f"{text!r:.80} is not a share in percent such as 95 or 97.5", param, ctx)
        if len(digits) > _DIGITS:
            self.fail(f"{text!r:.80} is too large for a share in percent", param, ctx)
        return int(digits)


class Figure(click.ParamType[tuple[str, int]]):
    """A metric and a share of it, such as ``accuracy=95``."""

    name = "figure"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Return the metric and its parts per million."""
        slug, sign, share = str(value).partition("=")
        if not slug or not sign:
            self.fail(f"{value!r:.80} is not a metric and its share, accuracy=95", param, ctx)
        return slug, PERCENT.convert(share, param, ctx)


DURATION: Final = Duration()
PERCENT: Final = Percent()
FIGURE: Final = Figure()


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
