"""Devices that sign two histories, and what proves it, made from nothing but their keys."""

from synaptic_crdt.state.feeds import compute_origin, make_seal_message
from synaptic_crdt.state.hashes import compute_chain, compute_hash
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.statements import Branch, ForkProof, make_fork_proof


def sign_fork(
    market: bytes, key: DeviceKey, position: int = 1, lengths: tuple[int, int] = (1, 1)
) -> ForkProof:
    """Return a proof whose branches have hashes of nothing, and seals that verify."""
    before = compute_origin(market, key.public)
    one, other = (
        sign_branch(market, key, position, before, [make_hash(side, n) for n in range(length)])
        for side, length in enumerate(lengths)
    )
    return make_fork_proof(market, key.public, position, before, one, other)


def sign_branch(
    market: bytes, key: DeviceKey, position: int, before: bytes, hashes: list[bytes]
) -> Branch:
    """Return a branch from ``position`` on, after the chain id ``before``."""
    end = position + len(hashes) - 1
    message = make_seal_message(market, end, compute_chain(before, hashes)[-1])
    return Branch(b"".join(hashes), key.sign("seal", message))


def make_hash(side: int, number: int) -> bytes:
    return compute_hash("body", bytes([side]), number.to_bytes(4, "big"))
