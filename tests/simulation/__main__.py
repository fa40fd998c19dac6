"""Many simulations, each of its own number: ``python -m tests.simulation 0..999``.

Prints what there was altogether. What goes wrong is printed with its seed, made as short as can be,
with the command that shows it again: ``python -m tests.simulation 17 EVENTS`` keeps to the events
named, by their numbers in the script of the seed, such as ``3,17,40``.
"""

import gc
import os
import sys
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Final

from synaptic_crdt.rules.operations import OPERATIONS
from tests.simulation.disk import Fate
from tests.simulation.happenings import EVILS
from tests.simulation.network import BEFALLS
from tests.simulation.script import Kind, make_script
from tests.simulation.simulator import Simulation

# Files in memory: no power is ever lost but the simulated one.
_FOLDER: Final = next((path for path in ("/dev/shm",) if os.access(path, os.W_OK)), None)  # noqa: S108
_CHUNK: Final = 20
_SHORTENINGS_MAX: Final = 150
# So many seeds have to come to everything there is.
_AUDITED: Final = 300

# Seldom come to by chance, a few times in a thousand seeds; `test_judged` and `test_market` play
# these until each was applied.
_SELDOM: Final = {"attest.revoke", "dispute.evidence", "dispute.withdraw", "presence"}

# What there was in some runs, and which of them failed, and how.
Some = tuple[Counter[str], list[tuple[int, str]]]


def simulate(seed: int, events: Sequence[int] | None = None) -> Counter[str]:
    """Run one simulation, of some of its events if they are named; return what there was."""
    script = make_script(seed)
    if events is not None:
        script = [script[number] for number in events]
    with TemporaryDirectory(dir=_FOLDER) as folder:
        simulation = Simulation(seed, Path(folder))
        try:
            simulation.run(script)
            simulation.heal()
            simulation.check_end()
            return simulation.tell()
        finally:
            simulation.close()


def find_failure(seed: int, events: Sequence[int] | None = None) -> str | None:
    """Run one simulation; return the place and the words of its failure, None if it has none."""
    try:
        simulate(seed, events)
    except Exception as error:  # noqa: BLE001 - whatever it is
        place = traceback.extract_tb(error.__traceback__)[-1]
        notes = "; ".join(getattr(error, "__notes__", ()))
        return f"{Path(place.filename).name}:{place.lineno}: {error!r:.600} ({notes})"
    return None


def shorten(seed: int, failure: str) -> list[int]:
    """Return as few events of a seed as can be found that fail in the same place."""
    place = failure.split(" ", 1)[0]
    kept = list(range(len(make_script(seed))))
    size, tries = len(kept) // 2, 0
    while size and tries < _SHORTENINGS_MAX:
        start = 0
        while start < len(kept) and tries < _SHORTENINGS_MAX:
            fewer = kept[:start] + kept[start + size :]
            tries += 1
            if (find_failure(seed, fewer) or "").startswith(place):
                kept = fewer
            else:
                start += size
        size //= 2
    return kept


def run_some(seeds: Sequence[int]) -> Some:
    """Run some simulations; return what there was, and which failed."""
    found: Counter[str] = Counter()
    failures: list[tuple[int, str]] = []
    # What simulations leave is little, and is collected when all are done: a fifth of the time.
    gc.disable()
    for seed in seeds:
        try:
            found += simulate(seed)
        except Exception:  # noqa: BLE001 - told with its seed
            failures.append((seed, find_failure(seed) or "it did not fail again"))
        found["seeds"] += 1
    gc.enable()
    gc.collect()
    return found, failures


def main(arguments: Sequence[str]) -> int:
    """Run the seeds that are named, in as many processes as there are cores."""
    first, _, last = arguments[0].partition("..")
    if len(arguments) > 1:
        simulate(int(first), [int(number) for number in arguments[1].split(",")])
        _say("it holds")
        return 0
    seeds = range(int(first), int(last or first) + 1)
    began = monotonic()
    found: Counter[str] = Counter()
    failed = 0
    for some, failures in run_in_processes(seeds):
        found += some
        failed += len(failures)
        for seed, failure in failures:
            _say(f"seed {seed} failed, {Kind.of(seed)}: {failure}")
            events = ",".join(map(str, shorten(seed, failure)))
            _say(f"again: {sys.executable} -m tests.simulation {seed} {events}")
    for what, count in sorted(found.items()):
        _say(f"{count:>12,}  {what}")
    missed = find_missed(found) if len(seeds) >= _AUDITED else []
    if missed:
        _say(f"never come to, so the scripts are not worth much: {', '.join(missed)}")
    _say(f"{len(seeds)} seeds, {failed} failed, {monotonic() - began:.0f} s")
    return 1 if failed or missed else 0


def run_in_processes(seeds: Sequence[int]) -> Iterator[Some]:
    """Run seeds in as many processes as there are cores, some at a time."""
    chunks = [seeds[start : start + _CHUNK] for start in range(0, len(seeds), _CHUNK)]
    with ProcessPoolExecutor() as pool:
        yield from pool.map(run_some, chunks)


def run_here(seeds: Sequence[int]) -> Iterator[Some]:
    """Run seeds in this process."""
    yield run_some(seeds)


def find_missed(found: Counter[str]) -> list[str]:
    """Return what many seeds should have come to, and did not."""
    wanted = [f"operation: {tag}" for tag in OPERATIONS if tag not in _SELDOM]
    wanted += [fate.value for fate in Fate]
    wanted += [f"network: {what}" for what in BEFALLS]
    wanted += EVILS
    return [what for what in wanted if not found[what]]


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
