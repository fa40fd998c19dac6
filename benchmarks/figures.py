"""One measured figure beside its goal, and how it is printed."""

import resource
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec


class Figure(msgspec.Struct, frozen=True):
    """A measured value. ``is_floor`` says whether the goal is a least or a most."""

    what: str
    value: float
    unit: str
    goal: float
    is_floor: bool

    @property
    def is_reached(self) -> bool:
        """Is the goal reached?"""
        return self.value >= self.goal if self.is_floor else self.value <= self.goal


def print_figures(title: str, figures: Sequence[Figure]) -> None:
    """Print a group of figures, one a line."""
    print(f"\n{title}")
    for figure in figures:
        sign = ">=" if figure.is_floor else "<="
        mark = "reached" if figure.is_reached else "MISSED"
        print(
            f"  {figure.what:<58} {figure.value:>12,.2f} {figure.unit:<10}"
            f" goal {sign} {figure.goal:,g}  {mark}"
        )


def measure_median(run: Callable[[], object], times: int) -> float:
    """Return the median seconds of several runs."""
    seconds: list[float] = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def get_memory() -> int:
    """Return the resident bytes of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()
