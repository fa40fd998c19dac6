"""The judgement of verified checkpoints, from the chain alone."""

from collections.abc import Callable

import pytest

from synaptic_crdt.errors import Forged, MalformedInput
from synaptic_crdt.state.checkpoints import CheckpointChain
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.statements import Checkpoint, FrontierItem, sign_checkpoint
from tests.state.conftest import MARKET, OPENED_MS

KEY = DeviceKey(bytes([9]) * 32)
A, B = bytes([1]) * 32, bytes([2]) * 32


def sign(
    chain: CheckpointChain,
    *,
    view: int = 0,
    step: int = 1,
    previous: bytes | None = None,
    later: int = 10,
    frontier: tuple[tuple[bytes, int], ...] = (),
    key: DeviceKey = KEY,
    root: bytes = bytes(32),
) -> Checkpoint:
    return sign_checkpoint(
        MARKET,
        key,
        view=view,
        index=chain.index + step,
        previous=chain.head if previous is None else previous,
        time=chain.time_ms + later,
        frontier=[FrontierItem(device, position, bytes(32)) for device, position in frontier],
        root=root,
    )


@pytest.fixture
def chain() -> CheckpointChain:
    """Two counted checkpoints, which fix feed A at 5."""
    chain = CheckpointChain(MARKET, KEY.public, OPENED_MS)
    chain.add(sign(chain, frontier=((A, 3),)))
    chain.add(sign(chain, frontier=((A, 5),)))
    return chain


def test_a_new_chain_begins_with_the_market() -> None:
    chain = CheckpointChain(MARKET, KEY.public, OPENED_MS)
    assert (chain.index, chain.head, chain.time_ms) == (0, MARKET, OPENED_MS)
    assert chain.sequencer == KEY.public
    assert chain.get(0) is None
    assert chain.get(1) is None
    assert chain.judge(sign(chain)) == "counts"
    assert chain.index == 0  # judging takes nothing


def test_a_chain_grows(chain: CheckpointChain) -> None:
    newest = chain.get(2)
    assert newest is not None
    assert (chain.index, chain.head, chain.time_ms) == (2, newest.id, OPENED_MS + 20)
    assert chain.get(-1) is None
    assert chain.get(3) is None
    assert chain.get_fixed_position(A) == 5
    assert chain.get_fixed_position(B) == 0


Make = Callable[[CheckpointChain], Checkpoint]
JUDGED: dict[str, tuple[Make, str]] = {
    "next": (sign, "counts"),
    "next at the same time": (lambda chain: sign(chain, later=0), "counts"),
    "next with feeds": (lambda chain: sign(chain, frontier=((A, 6), (B, 1))), "counts"),
    "counted before": (lambda chain: chain.get(1) or sign(chain), "known"),
    "counted last": (lambda chain: chain.get(2) or sign(chain), "known"),
    "one is missing": (lambda chain: sign(chain, step=2), "too early"),
    "many are missing": (lambda chain: sign(chain, step=2**40), "too early"),
    "next to another than is counted": (lambda c: sign(c, previous=MARKET), "too early"),
    "a view that nothing began": (lambda chain: sign(chain, view=1), "too early"),
    "an index of a view that nothing began": (lambda c: sign(c, view=1, step=0), "too early"),
    "another of the last index": (lambda chain: sign(chain, step=0), "conflict"),
    "another of an older index": (lambda chain: sign(chain, step=-1), "conflict"),
}


@pytest.mark.parametrize(("make", "judgement"), JUDGED.values(), ids=JUDGED.keys())
def test_a_checkpoint_is_judged(chain: CheckpointChain, make: Make, judgement: str) -> None:
    assert chain.judge(make(chain)) == judgement


REFUSED: dict[str, tuple[Make, type[Exception], str]] = {
    "another signer": (lambda c: sign(c, key=DeviceKey(bytes(32))), Forged, "sequencer"),
    "going back in time": (lambda c: sign(c, later=-1), MalformedInput, "is before"),
    "a feed stands still": (lambda c: sign(c, frontier=((A, 5),)), MalformedInput, "fixed"),
    "a feed goes back": (lambda c: sign(c, frontier=((A, 4),)), MalformedInput, "fixed"),
}


@pytest.mark.parametrize(("make", "error", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_a_lie_about_the_chain_is_refused(
    chain: CheckpointChain, make: Make, error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        chain.judge(make(chain))


def test_a_sandbox_has_no_sequencer() -> None:
    chain = CheckpointChain(MARKET, None, OPENED_MS)
    with pytest.raises(Forged):
        chain.judge(sign(chain))


def test_one_proof_of_signing_twice_halts_the_chain(chain: CheckpointChain) -> None:
    proof = sign(chain, step=0)
    assert chain.judge(proof) == "conflict"
    assert not chain.conflicts
    assert chain.add(proof) == "conflict"
    assert chain.conflicts == (proof,)
    assert chain.judge(proof) == "known"
    newest = chain.get(2)
    assert newest is not None
    assert chain.judge(newest) == "known"
    # Nothing else counts from here on, and of the proofs that of the least id is kept.
    assert chain.judge(sign(chain)) == "too early"
    for root in range(1, 9):
        other = sign(chain, step=0, root=bytes([root]) * 32)
        assert chain.judge(other) == ("conflict" if other.id < proof.id else "too early")


def test_a_copy_goes_its_own_way(chain: CheckpointChain) -> None:
    copied = chain.copy()
    copied.add(sign(copied, frontier=((B, 1),)))
    copied.add(sign(copied, step=0))
    assert (chain.index, chain.get_fixed_position(B), chain.conflicts) == (2, 0, ())
    assert copied.copy().conflicts == copied.conflicts
