"""Which check of a simulation finds each of the mistakes that are planted, after how many seeds.

Every home of a simulation makes the same mistake, and so does the replay that it is compared with:
what no two homes differ in is left to the second ledger, the invariants, and what liars try.

``python -m tests.simulation.planted`` prints the table.
"""

import sys
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from tests.simulation.__main__ import find_failure
from tests.simulation.mistakes import (
    Planted,
    acknowledge_early,
    ask_beyond,
    believe_timestamps,
    bind_to_no_market,
    count_one_witness_less,
    end_too_early,
    fire_late,
    hold_before_writing,
    keep_bonds,
    keep_what_was_handed_over,
    leave_a_table_out,
    leave_late_entries_behind,
    leave_ties_to_arrival,
    let_frontiers_go_back,
    let_in_one_newcomer,
    look_at_a_clock,
    lose_a_timer,
    lose_fees,
    round_twice,
    save_one_row_less,
    see_no_fork,
    suspend_nothing,
    swap_the_tie,
    take_any_predecessor,
    take_seals_unseen,
    undo_without_indexes,
)


class Plant(NamedTuple):
    """A mistake; what of a failure says which check found it, in a pattern and in words; and how
    many seeds are run until it is found: three times as many as it took.
    """

    plant: Callable[[], Planted]
    pattern: str
    caught_by: str
    seeds: int

    @property
    def name(self) -> str:
        """What it is called."""
        return self.plant.__name__.replace("_", "-")

    @property
    def sentence(self) -> str:
        """What is wrong with the program then."""
        return (self.plant.__doc__ or "").strip()


class Find(NamedTuple):
    """After how many seeds a mistake was found, and how the last one failed."""

    seeds: int
    failure: str


def find(plant: Plant, seeds: Iterable[int]) -> Find | None:
    """Plant a mistake and run seeds until one fails; return None when none does."""
    with plant.plant():
        for count, seed in enumerate(seeds, 1):
            failure = find_failure(seed)
            if failure is not None:
                return Find(count, failure)
    return None


_DIVERGED: Final = "homes that compute other roots than the sequencer"
_LEDGER: Final = "the second ledger"
_LOST: Final = "what was acknowledged is gone after a restart"
_INVARIANTS: Final = "the invariants"
_APART: Final = "homes that never come to hold the same"
_ASSERTED: Final = "an assertion of the program"
_SAVED: Final = "a saved state of another root"
_PROMISED: Final = "an operation that comes to something else than it was promised to"
_OPENED: Final = "a home that is another one when it is opened again"
_LOCKED: Final = "what stays locked when no deadline is left"
_TAKEN_IN: Final = "a home that was taken in by a forgery"
_LINKS: Final = "an honest link ends with a violation"

PLANTS: Final = (
    Plant(swap_the_tie, "second ledger differs", _LEDGER, 3),
    Plant(leave_ties_to_arrival, "divergences", _DIVERGED, 3),
    Plant(leave_late_entries_behind, "divergences", _DIVERGED, 3),
    Plant(believe_timestamps, "opened again it is", _OPENED, 3),
    Plant(look_at_a_clock, "divergences", _DIVERGED, 3),
    Plant(fire_late, "was promised", _PROMISED, 24),
    Plant(lose_a_timer, "locked without a deadline", _LOCKED, 3),
    Plant(round_twice, "second ledger differs", _LEDGER, 12),
    Plant(lose_fees, "invariant.py", _INVARIANTS, 9),
    Plant(keep_bonds, "invariant.py", _INVARIANTS, 18),
    Plant(take_seals_unseen, "a forged piece was accepted", _TAKEN_IN, 3),
    Plant(bind_to_no_market, "second ledger differs", _LEDGER, 3),
    Plant(take_any_predecessor, "LinkBroken", _LINKS, 27),
    Plant(see_no_fork, "no end of news", _APART, 42),
    Plant(suspend_nothing, "no end of news", _APART, 27),
    Plant(count_one_witness_less, "witnesses were enough", "a count of cosignatures", 12),
    Plant(let_frontiers_go_back, "tail.py", _ASSERTED, 93),
    Plant(keep_what_was_handed_over, "no end of news", _APART, 63),
    Plant(leave_a_table_out, "nothing of it was used", _SAVED, 18),
    Plant(undo_without_indexes, "attestations.py", _ASSERTED, 3),
    Plant(acknowledge_early, "lost with the power", _LOST, 3),
    Plant(hold_before_writing, "lost with the power", _LOST, 42),
    Plant(save_one_row_less, "nothing of it was used", _SAVED, 18),
    Plant(end_too_early, "done too early", _LINKS, 3),
    Plant(ask_beyond, "what nobody asked for", _LINKS, 3),
    Plant(let_in_one_newcomer, "no end of news", _APART, 6),
)


def main() -> int:
    """Print the table, in Markdown; return 1 when anything was not found."""
    missed = 0
    _say("| mistake | found by | after seeds |\n|---|---|---|")
    for plant in PLANTS:
        found = find(plant, range(plant.seeds))
        missed += found is None
        _say(f"| {plant.sentence} | {plant.caught_by} | {'-' if found is None else found.seeds} |")
    return 1 if missed else 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
