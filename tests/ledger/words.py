"""What the form of operations is asked with: how to refuse, what a slug is, what ascends."""

from typing import Any, Final

SECOND: Final = 1_000
DAY: Final = 86_400 * SECOND
MONTH: Final = 30 * DAY
SUPPLY_MAX: Final = 2**53 - 1
PRICE_MAX: Final = 10**12
UNITS_MAX: Final = 10**9
WHOLE: Final = 10**6


class No(Exception):
    """The ledger does not take this entry; its argument is the name of the reason."""


def need(holds: bool, reason: str) -> None:
    """Refuse for ``reason`` unless it holds."""
    if not holds:
        raise No(reason)


def is_slug(text: str) -> bool:
    """Is it a short name of plain letters?"""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    return (
        1 <= len(text) <= 48
        and text[0] in letters
        and all(letter in letters + ".-" for letter in text)
    )


def is_ascending(items: list[Any], most: int) -> bool:
    """Has a list no more than so many items, each once, in order?"""
    return len(items) <= most and items == sorted(set(items))
