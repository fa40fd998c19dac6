"""What the fuzzer found once is refused, or taken, for good: every kept input, and every seed."""

from random import Random

import pytest

from tests.fuzzing.corpora import FOLDER, get_room, read_corpus
from tests.fuzzing.targets import TARGETS

NAMES = sorted(TARGETS)


@pytest.mark.parametrize("name", NAMES)
def test_every_kept_input_is_dealt_with(name: str) -> None:
    kept = read_corpus(name)
    assert kept
    for data in kept:
        TARGETS[name].run(data)


@pytest.mark.parametrize("name", NAMES)
def test_every_seed_and_a_few_changes_of_it_are_dealt_with(name: str) -> None:
    target = TARGETS[name]
    for seed in target.make_seeds():
        target.run(seed)
        random = Random(1)
        for _ in range(2):
            target.run(target.change(seed, random))


def test_what_is_kept_stays_small() -> None:
    for name, target in TARGETS.items():
        text = (FOLDER / f"{name}.txt").read_text("ascii")
        assert len(text) // 2 <= get_room(target)
