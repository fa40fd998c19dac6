"""A market's sequencer, witnesses and recovery key, for tests of what counts."""

from collections.abc import Iterable, Sequence
from typing import Final

from synaptic_crdt.state.checkpoints import CheckpointChain
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.statements import (
    ChainStatement,
    Checkpoint,
    Cosignature,
    FrontierItem,
    Handover,
    cosign_checkpoint,
    make_proposal,
    sign_checkpoint,
    sign_handover,
)
from tests.state.conftest import MARKET, OPENED_MS


def make_key(number: int) -> DeviceKey:
    return DeviceKey(bytes([number]) * 32)


SEQUENCER, NEXT, RECOVERY = make_key(100), make_key(101), make_key(99)
WITNESSES: Final = tuple(sorted((make_key(n) for n in (111, 112, 113)), key=lambda k: k.public))
A, B, C = WITNESSES


def make_chain(*witnesses: DeviceKey) -> CheckpointChain:
    return CheckpointChain(
        MARKET,
        SEQUENCER.public,
        OPENED_MS,
        witnesses=[key.public for key in witnesses],
        recovery=RECOVERY.public,
    )


def follow(
    previous: Checkpoint | None = None,
    *,
    view: int = 0,
    key: DeviceKey = SEQUENCER,
    later: int = 10,
    frontier: Sequence[tuple[bytes, int]] = (),
    root: int = 0,
) -> Checkpoint:
    """Return a checkpoint that continues another, or the market's first; ``root`` tells apart."""
    return sign_checkpoint(
        MARKET,
        key,
        view=view,
        index=1 if previous is None else previous.index + 1,
        previous=MARKET if previous is None else previous.id,
        time=(OPENED_MS if previous is None else previous.time) + later,
        frontier=[FrontierItem(device, position, bytes(32)) for device, position in frontier],
        root=bytes([root]) * 32,
    )


def follow_all(
    count: int, previous: Checkpoint | None = None, **fields: object
) -> list[Checkpoint]:
    made: list[Checkpoint] = []
    for _ in range(count):
        previous = follow(previous, **fields)  # type: ignore[arg-type]
        made.append(previous)
    return made


def cosign(checkpoint: Checkpoint, key: DeviceKey) -> Cosignature:
    return cosign_checkpoint(MARKET, key, checkpoint)


def cosign_all(checkpoint: Checkpoint, *keys: DeviceKey) -> list[Cosignature]:
    return [cosign(checkpoint, key) for key in keys]


def hand_over(
    origin: Checkpoint | None,
    key: DeviceKey = RECOVERY,
    *,
    view: int = 1,
    sequencer: DeviceKey = NEXT,
    witnesses: Sequence[DeviceKey] = (),
    newest: Checkpoint | None = None,
) -> Handover:
    proposal = make_proposal(
        MARKET,
        view=view,
        index=0 if origin is None else origin.index,
        origin=MARKET if origin is None else origin.id,
        sequencer=sequencer.public,
        witnesses=[witness.public for witness in witnesses],
    )
    return sign_handover(
        MARKET,
        key,
        proposal,
        newest_index=0 if newest is None else newest.index,
        newest=MARKET if newest is None else newest.id,
    )


def add_all(chain: CheckpointChain, statements: Iterable[ChainStatement]) -> list[str]:
    return [chain.add(statement) for statement in statements]


def add_until_settled(chain: CheckpointChain, statements: Sequence[ChainStatement]) -> None:
    """Offer everything again and again, as peers do that meet again and again."""
    before = None
    while before != (before := describe(chain)):
        add_all(chain, statements)


def describe(chain: CheckpointChain) -> object:
    """What a chain holds, as its reader sees it."""
    return (
        chain.view,
        chain.awaited,
        chain.index,
        chain.head,
        chain.is_halted,
        sorted(statement.id for statement in chain.get_beside()),
    )


def describe_counted(chain: CheckpointChain) -> object:
    return chain.view, chain.awaited, [chain.get_id(n) for n in range(chain.index + 1)]
