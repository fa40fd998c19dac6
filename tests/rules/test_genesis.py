from typing import Any

import pytest
from msgspec.structs import replace

from synaptic_crdt.errors import MalformedInput
from synaptic_crdt.rules.genesis import (
    Genesis,
    Kind,
    compute_market_id,
    decode_genesis,
    encode_genesis,
    make_genesis,
)
from synaptic_crdt.rules.limits import DAY_MS
from synaptic_crdt.state import codec
from synaptic_crdt.state.limits import WITNESSES

FOUNDER, RECOVERY = b"f" * 32, b"r" * 32
OVER = 30 * DAY_MS + 1


def make(**changes: Any) -> Genesis:  # noqa: ANN401 - any of the fields
    fields: dict[str, Any] = {"name": "market", "symbol": "TOK", "created_ms": 5} | changes
    return make_genesis(founder=FOUNDER, recovery=RECOVERY, **fields)


def test_defaults() -> None:
    genesis = make()
    assert (genesis.supply, genesis.treasury_day_cap, genesis.fee_ppm) == (10**9, 10**6, 0)
    assert (genesis.council, genesis.council_needed) == ((FOUNDER,), 1)
    assert (genesis.window_ms, genesis.review_ms) == (900_000, DAY_MS)
    assert (genesis.redispatch, genesis.sandbox, genesis.is_open) == (3, False, False)
    assert genesis.sequencer == FOUNDER
    assert make(openings_per_day=3).is_open


def test_round_trip_and_id() -> None:
    genesis = make(council=[b"b" * 32, b"a" * 32], council_needed=2)
    data = encode_genesis(genesis)
    assert decode_genesis(data) == genesis
    assert genesis.council == (b"a" * 32, b"b" * 32)
    assert compute_market_id(data) != compute_market_id(encode_genesis(make()))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": ""}, "name"),
        ({"name": "é" * 33}, "name"),
        ({"symbol": ""}, "symbol"),
        ({"symbol": "tok"}, "symbol 'tok' must be 1 to 8 of A-Z and 0-9"),
        ({"symbol": "ABCDEFGHI"}, "symbol"),
        ({"created_ms": -1}, "created_ms -1"),
        ({"created_ms": 2**47}, "created_ms"),
        ({"openings_per_day": -1}, "openings_per_day"),
        ({"openings_per_day": 10**6 + 1}, "openings_per_day"),
        ({"supply": 0}, "supply 0 must be from 1 to"),
        ({"supply": 2**53}, "supply"),
        ({"treasury_day_cap": -1}, "treasury_day_cap"),
        ({"treasury_day_cap": 10**9 + 1}, "treasury_day_cap"),
        ({"fee_ppm": 10**6 + 1}, "fee_ppm"),
        ({"kinds": ()}, "number of kinds 0"),
        ({"kinds": tuple(Kind(f"k{n}", "u") for n in range(65))}, "number of kinds 65"),
        ({"kinds": (Kind("Code", "u"),)}, "kind 'Code' must be"),
        ({"kinds": (Kind("", "u"),)}, "kind '' must be"),
        ({"kinds": (Kind("a", "u"), Kind("a", "u"))}, "must come once"),
        ({"kinds": (Kind("a", ""),)}, "unit"),
        ({"kinds": (Kind("a", "u" * 65),)}, "unit"),
        ({"window_ms": 999}, "window_ms"),
        ({"review_ms": OVER}, "review_ms"),
        ({"contest_ms": 0}, "contest_ms"),
        ({"finality_wait_ms": OVER}, "finality_wait_ms"),
        ({"redispatch": 17}, "redispatch"),
        ({"council": [b"a" * 32] * 2}, "council account 6161"),
        ({"council": [bytes([n]) * 32 for n in range(16)]}, "number of council accounts 16"),
        ({"council_needed": 0}, "council_needed"),
        ({"council_needed": 2}, "council_needed 2 must be from 1 to 1"),
        ({"terms": b"short"}, "genesis: Expected `bytes` of length >= 32"),
    ],
)
def test_out_of_bounds(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(MalformedInput) as caught:
        make(**changes)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("field", "low", "high"),
    [
        ("created_ms", 0, 2**47 - 1),
        ("openings_per_day", 0, 10**6),
        ("supply", 1, 2**53 - 1),
        # Supply and what may be made beside it are exact together.
        ("mint_cap", 0, 2**53 - 1 - 10**9),
        ("treasury_day_cap", 0, 10**9),
        ("fee_ppm", 0, 10**6),
        ("deposit_ppm", 0, 10**6),
        ("gain_floor", 0, 2**53 - 1),
        ("window_ms", 1_000, 30 * DAY_MS),
        ("priority_ms", 0, 3_600_000),
        ("reveal_ms", 1_000, 30 * DAY_MS),
        ("review_ms", 1_000, 30 * DAY_MS),
        ("contest_ms", 1_000, 30 * DAY_MS),
        ("arbitration_ms", 1_000, 30 * DAY_MS),
        ("slot_ms", 60_000, DAY_MS),
        ("finality_wait_ms", 1_000, 30 * DAY_MS),
        ("redispatch", 0, 16),
        ("council_needed", 1, 1),
        ("quorum", 1, 1),
    ],
)
def test_every_figure_has_its_bounds(field: str, low: int, high: int) -> None:
    # A small cap a day, so that the supply alone is asked for.
    others = {} if field == "treasury_day_cap" else {"treasury_day_cap": 0}
    for value in (low, high):
        assert getattr(make(**others, **{field: value}), field) == value
    for value in (low - 1, high + 1):
        with pytest.raises(MalformedInput, match=f"genesis: {field} {value} must be from"):
            make(**others, **{field: value})


@pytest.mark.parametrize(
    ("field", "what", "least", "most"),
    [
        ("council", "council account", 1, 15),
        ("arbiters", "arbiter", 1, 15),
        ("verifiers", "verifier", 0, 15),
        ("witnesses", "witness device", 0, WITNESSES),
    ],
)
def test_whoever_is_named_is_named_once_and_in_order(
    field: str, what: str, least: int, most: int
) -> None:
    accounts = tuple(bytes([number]) * 32 for number in range(1, most + 2))
    assert getattr(make(**{field: accounts[most - 1 :: -1]}), field) == accounts[:most]
    with pytest.raises(MalformedInput, match=f"number of {what}s {most + 1} must be from {least}"):
        make(**{field: accounts})
    genesis = make()
    for wrong in (accounts[1::-1], accounts[:1] * 2):
        with pytest.raises(MalformedInput, match=rf"{what} \w+ must come once"):
            decode_genesis(encode_genesis(replace(genesis, **{field: wrong})))
    if least:
        with pytest.raises(MalformedInput, match=f"number of {what}s 0"):
            decode_genesis(encode_genesis(replace(genesis, **{field: ()})))


def test_a_market_is_open_from_one_opening_a_day_on() -> None:
    assert make(openings_per_day=1).is_open


def test_a_sandbox_has_no_witnesses() -> None:
    assert make(witnesses=[b"a" * 32]).witnesses == (b"a" * 32,)
    with pytest.raises(MalformedInput, match="a sandbox has no witnesses"):
        make(witnesses=[b"a" * 32], sandbox=True)


def test_lists_must_ascend() -> None:
    genesis = make(council=[b"a" * 32, b"b" * 32], witnesses=[b"c" * 32, b"d" * 32])
    with pytest.raises(MalformedInput, match=r"witness device 63\w+ must come once"):
        decode_genesis(encode_genesis(replace(genesis, witnesses=genesis.witnesses[::-1])))
    with pytest.raises(MalformedInput, match="ascending"):
        decode_genesis(encode_genesis(replace(genesis, council=genesis.council[::-1])))
    with pytest.raises(MalformedInput, match="ascending"):
        decode_genesis(encode_genesis(replace(genesis, kinds=genesis.kinds[::-1])))
    with pytest.raises(MalformedInput, match="council accounts 0"):
        decode_genesis(encode_genesis(replace(genesis, council=())))


@pytest.mark.parametrize("version", [(2, 1), (1, 2), (0, 0)])
def test_other_versions_get_a_clear_word(version: tuple[int, int]) -> None:
    array = codec.decode(encode_genesis(make()), 65_536)
    assert isinstance(array, list)
    # Even when the rest has another shape.
    with pytest.raises(MalformedInput, match="a newer program may read it"):
        decode_genesis(codec.encode([*version, *array[2:], "more"]))


@pytest.mark.parametrize("value", [None, 5, [], [1], [True, True], ["1", 1], [1, True]])
def test_not_a_genesis(value: object) -> None:
    with pytest.raises(MalformedInput, match="begins with its version and rules"):
        decode_genesis(codec.encode(value))


def test_fields_must_be_there_and_of_their_type() -> None:
    array = codec.decode(encode_genesis(make()), 65_536)
    assert isinstance(array, list)
    for place in range(2, len(array)):
        for wrong in ([*array[:place], None, *array[place + 1 :]], array[:place]):
            with pytest.raises(MalformedInput, match="genesis: "):
                decode_genesis(codec.encode(wrong))
    with pytest.raises(MalformedInput, match="genesis: "):
        decode_genesis(codec.encode([*array, 1]))


def test_bytes_after_the_end() -> None:
    with pytest.raises(MalformedInput):
        decode_genesis(encode_genesis(make()) + b"\0")
