"""Whatever happened to a market, and whichever way its document went: all homes end up equal.

Several machines of several people write, copies of homes fork, checkpoints, cosignatures and
handovers come in any order, bodies are missing, stores are opened again; links, bundles and
Automerge files carry it all. Then everything is brought together, along a random route.

Run as a module it goes on for as many runs as it is told, from any seed on:
``python -m tests.simulation.test_mixed 1000 0``.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
from hypothesis import settings

from tests.simulation.agreement import find_differences, replay_all
from tests.simulation.homes import Mix, describe
from tests.simulation.scenario import make_key

# The profile says how much time there is.
EXAMPLES: Final = settings.default.max_examples if settings.default else 100
RUNS: Final = max(EXAMPLES // 20, 1)
# Where chance has left a situation out, it gets more of them.
RUNS_AT_MOST: Final = 10 * RUNS
STEPS: Final = 120
SITUATIONS: Final = 11

_WITNESSES: Final = tuple(make_key(number).public for number in (3, 4, 5))
_GENESES: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"witnesses": _WITNESSES},
    {"fee_ppm": 30_000, "openings_per_day": 1, "redispatch": 0},
    {"witnesses": _WITNESSES[:1]},
    {"sandbox": True},
)


def check(seed: int, folder: Path) -> Counter[str]:
    """Play one run, and return in which situations it was."""
    mix = Mix(seed, folder, **_GENESES[seed % len(_GENESES)])
    try:
        mix.run(STEPS)
        situations = Counter(find_situations(mix))
        mix.heal()
        check_end(mix)
        return situations + Counter(find_situations(mix))
    except BaseException as error:
        error.add_note(f"this was the run of seed {seed}")
        raise
    finally:
        mix.close()


def check_end(mix: Mix) -> None:
    first, *others = mix.world.homes
    for home in others:
        assert describe(home.market) == describe(first.market)
    for home in mix.world.homes:
        home.check()
        home.reopen()
        # Where there are no checkpoints nothing ever settles a fork.
        is_sandbox = home.market.genesis.sandbox
        assert is_sandbox or not home.replica.machine.get_suspended()
    assert find_differences(first.market) == []
    assert replay_all(first).replica.root == first.replica.root


def find_situations(mix: Mix) -> Iterator[str]:
    for home in mix.world.homes:
        chain, machine = home.replica.chain, home.replica.machine
        yield from ["a fork"] * bool(list(home.replica.branches.forks))
        yield from ["a suspended device"] * bool(machine.get_suspended())
        yield from ["void entries"] * home.has_void
        yield from ["a closed feed"] * any(
            feed.closed_position is not None for feed in home.replica.feeds.values()
        )
        yield from ["a halt"] * home.replica.is_halted
        yield from ["missing bodies"] * (machine.epoch < chain.index)
        yield from ["a handover"] * bool(chain.view.number)
        yield from ["a checkpoint without a majority"] * bool(chain.get_candidates())
        yield from ["a view of another's choice"] * (chain.view.number > 1)
        yield from ["a reversal"] * bool(machine.get_reversals())
        times = [outcome.entry.time for outcome in machine.get_settled()]
        yield from ["a late entry"] * (times != sorted(times))


def test_all_homes_end_up_equal(tmp_path: Path) -> None:
    reached: Counter[str] = Counter()
    for seed in range(RUNS_AT_MOST):
        # It was worth it when everything that is to be withstood has happened.
        if seed >= RUNS and len(reached) == SITUATIONS:
            return
        folder = tmp_path / str(seed)
        folder.mkdir()
        reached += check(seed, folder)
    pytest.fail(f"{RUNS_AT_MOST} runs left something out: {reached}")


def main(runs: int, start: int) -> None:
    for seed in range(start, start + runs):
        with TemporaryDirectory() as folder:
            check(seed, Path(folder))
    sys.stdout.write(f"{runs} runs ended equal\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
