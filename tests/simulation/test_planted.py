"""Mistakes that are planted on purpose, each found by the check that is there for it."""

from typing import Final

import pytest

from tests.simulation.__main__ import find_failure
from tests.simulation.planted import PLANTS, Plant, find

# Mistakes that take more seeds are left to `make plants`.
SEEDS_MAX: Final = 24
QUICK: Final = [plant for plant in PLANTS if plant.seeds <= SEEDS_MAX]


@pytest.mark.untraced
@pytest.mark.parametrize("plant", QUICK, ids=lambda plant: plant.name)
def test_a_planted_mistake_is_found(plant: Plant) -> None:
    found = find(plant, range(plant.seeds))
    assert found is not None
    assert plant.pattern in found.failure


def test_a_mistake_lasts_as_long_as_it_is_planted() -> None:
    plant = PLANTS[0]
    assert find(plant, range(plant.seeds)) is not None
    assert find_failure(0) is None
