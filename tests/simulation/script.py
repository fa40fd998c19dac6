"""What a seed stands for: which evils a run has, and its events, each with dice of its own."""

from random import Random
from typing import Any, Final, NamedTuple

from tests.simulation.scenario import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, make_key

# Events of a script; most of what goes wrong takes few.
_LENGTHS: Final = (10, 20, 40, 60, 90)
_WITNESSES: Final = tuple(make_key(number).public for number in (3, 4, 5))
GENESES: Final[tuple[dict[str, Any], ...]] = (
    {"verifiers": (make_key(1).public,)},
    {"witnesses": _WITNESSES, "verifiers": (make_key(1).public,)},
    {"fee_ppm": 30_000, "openings_per_day": 1, "redispatch": 0},
    {"witnesses": _WITNESSES[:1], "fee_ppm": 333_333, "contest_ms": HOUR_MS},
    {"sandbox": True},
    {"witnesses": _WITNESSES, "mint_cap": 700, "council_needed": 1},
)
_PAUSES_MS: Final = (0, 0, 0, 1, 10, 100, SECOND_MS, SECOND_MS, 5 * SECOND_MS, 30 * SECOND_MS)
_LONG_MS: Final = (2 * MINUTE_MS, 11 * MINUTE_MS, HOUR_MS, 6 * HOUR_MS, DAY_MS)
# How often each happens.
_ACTIONS: Final = {
    "act": 40,
    "judge": 20,
    "press_on": 8,
    "meet_deadline": 3,
    "connect": 30,
    "pull": 6,
    "tell_statements": 3,
    "carry_bundle": 2,
    "carry_document": 2,
    "copy_home": 1,
    "insist": 2,
    "close_epoch": 8,
    "cosign": 8,
    "hand_over": 2,
    "set_clock": 2,
}


class Event(NamedTuple):
    """Something that happens, so many milliseconds after what happened before; dice say how."""

    pause_ms: int
    action: str
    dice: int


class Kind(NamedTuple):
    """What a seed is about: which of the sometimes contradictory evils it has."""

    genesis: int
    is_stormy: bool
    loses_power: bool
    has_liars: bool
    has_grave_liars: bool
    # Do people meet and carry things to each other, so that more comes about?
    is_close: bool

    @classmethod
    def of(cls, seed: int) -> "Kind":
        """Return the kind of a seed."""
        chance = Random(f"kind {seed}")
        has_liars = chance.random() < 0.6
        return cls(
            genesis=seed % len(GENESES),
            is_stormy=chance.random() < 0.6,
            loses_power=chance.random() < 0.6,
            has_liars=has_liars,
            has_grave_liars=has_liars and chance.random() < 0.3,
            is_close=chance.random() < 0.4,
        )


def make_script(seed: int) -> list[Event]:
    """Return the events of a seed."""
    kind, chance = Kind.of(seed), Random(f"script {seed}")
    length = chance.choice(_LENGTHS)
    weights = dict(_ACTIONS)
    if kind.loses_power:
        weights |= {"lose_power": 6, "fill_disk": 2}
    if kind.is_stormy:
        weights |= {"part": 2, "stop": 3}
    if kind.has_liars:
        weights["lie"] = 16
    actions = chance.choices(list(weights), list(weights.values()), k=length)
    return [
        Event(
            chance.choice(_LONG_MS) if chance.random() < 0.02 else chance.choice(_PAUSES_MS),
            action,
            chance.getrandbits(48),
        )
        for action in actions
    ]
