"""Cutting long lists into pages of a bounded size."""

from collections.abc import Iterator


def cut_pages(count: int, size: int) -> Iterator[tuple[int, bool]]:
    """Yield where each page of so many things begins, and whether it is the last; at least one."""
    starts = range(0, max(count, 1), size)
    for start in starts:
        yield start, start == starts[-1]
