"""Rungs that the form of many operations shares: a value in its range, a list in its order."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

from synaptic_crdt.rules import limits
from synaptic_crdt.rules.fields import has_length, is_slug
from synaptic_crdt.rules.verdicts import Refusal, Verdict

_Item = TypeVar("_Item", bytes, str)


def check_range(verdict: Verdict, value: int, low: int, high: int) -> Refusal | None:
    """Is a value from ``low`` to ``high``?"""
    return None if low <= value <= high else Refusal(verdict, (value, low, high))


def check_duration(verdict: Verdict, value_ms: int) -> Refusal | None:
    """Is it as long as anything may wait, and no longer?"""
    return check_range(verdict, value_ms, limits.DURATION_MIN_MS, limits.DURATION_MAX_MS)


def check_length(verdict: Verdict, text: str, low: int, high: int) -> Refusal | None:
    """Has a text from ``low`` to ``high`` bytes?"""
    if has_length(text, low, high):
        return None
    return Refusal(verdict, (len(text.encode()), low, high))


def check_ascending(
    verdict: Verdict, items: Sequence[bytes], most: int, name: str = ""
) -> Refusal | None:
    """Has a list at most so many items, strictly ascending, so that no two are the same?"""
    if len(items) > most or not is_ascending(items):
        return Refusal(verdict, (name, len(items), most))
    return None


def check_slugs(verdict: Verdict, slugs: Sequence[str], most: int) -> Refusal | None:
    """Has a list at most so many slugs, strictly ascending?"""
    if len(slugs) > most or not all(map(is_slug, slugs)) or not is_ascending(slugs):
        return Refusal(verdict, (len(slugs), most))
    return None


def is_ascending(items: Sequence[_Item]) -> bool:
    """Does every item come after the one before it, and so once?"""
    return all(before < after for before, after in pairwise(items))
