"""A fork proof: two sealed branches of one feed, shown by nothing but hashes and two seals.

``[fork, device, position, predecessor, hashes, seal, hashes, seal]``: the chain id before the
fork, and of each branch the body hashes from there to the seal, joined. It names exactly the
position where the branches part and verifies by itself; the branches ascend by their first hash,
so that two given branches have one proof. Its id hashes everything but the seals.

Answers devices that sign two histories, of equal or unequal length.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from synaptic_crdt.errors import Forged, MalformedInput
from synaptic_crdt.state import limits
from synaptic_crdt.state.codec import encode_trusted
from synaptic_crdt.state.feeds import make_seal_message
from synaptic_crdt.state.hashes import compute_chain, compute_hash
from synaptic_crdt.state.keys import verify_signature

TAG: Final = "fork"


class Branch(msgspec.Struct, frozen=True):
    """One history from the fork on: its body hashes joined, and the seal at their end."""

    hashes: bytes
    signature: bytes

    @property
    def first(self) -> bytes:
        """The hash of the body at the fork's position."""
        return self.hashes[: limits.HASH_BYTES]

    def compute_ids(self, predecessor: bytes) -> list[bytes]:
        """Return the chain ids of the branch, which follows ``predecessor``."""
        return compute_chain(predecessor, _split(self.hashes))


class Fork(msgspec.Struct, frozen=True):
    """Two branches of ``device``'s feed that part at ``position``, after ``predecessor``.

    The branches ascend by their first hash, so the order says nothing about which came first.
    """

    device: bytes
    position: int
    predecessor: bytes
    branches: tuple[Branch, Branch]


class ForkProof(Fork, frozen=True):
    """A fork whose device is known to have sealed both branches."""

    id: bytes

    @property
    def signer(self) -> bytes:
        """The device, which signed both."""
        return self.device


def make_fork_proof(
    market: bytes, device: bytes, position: int, predecessor: bytes, one: Branch, other: Branch
) -> ForkProof:
    """Return the proof made of two branches, in whichever order they are given."""
    branches = (one, other) if one.first < other.first else (other, one)
    proof_id = _compute_id(market, Fork(device, position, predecessor, branches))
    return ForkProof(device, position, predecessor, branches, proof_id)


def get_fields(statement: ForkProof) -> list[object]:
    """Return the fields of a proof as they are encoded."""
    one, other = statement.branches
    return [
        TAG,
        statement.device,
        statement.position,
        statement.predecessor,
        one.hashes,
        one.signature,
        other.hashes,
        other.signature,
    ]


def verify_fork_proof(market: bytes, fields: Sequence[object]) -> ForkProof:
    """Return the proof of decoded fields, once its form and both its seals hold.

    Raises ``MalformedInput`` or ``Forged``.
    """
    fork = read_fork(fields)
    for branch in fork.branches:
        _check_seal(market, fork, branch)
    proof_id = _compute_id(market, fork)
    return ForkProof(fork.device, fork.position, fork.predecessor, fork.branches, proof_id)


def read_fork(fields: Sequence[object]) -> Fork:
    """Return what decoded fields say, once they have the form of a proof.

    Raises ``MalformedInput``. Whether the device sealed it is not asked.
    """
    match fields:
        case [
            "fork",
            bytes(device),
            int(position),
            bytes(predecessor),
            bytes(hashes),
            bytes(signature),
            bytes(other_hashes),
            bytes(other_signature),
        ]:
            branches = Branch(hashes, signature), Branch(other_hashes, other_signature)
            fork = Fork(device, position, predecessor, branches)
        case _:
            raise MalformedInput(
                "a fork proof is [fork, device, position, predecessor, hashes, seal, hashes, seal]"
            )
    _check_form(fork)
    return fork


def _split(hashes: bytes) -> list[bytes]:
    size = limits.HASH_BYTES
    return [hashes[start : start + size] for start in range(0, len(hashes), size)]


def _check_form(fork: Fork) -> None:
    if len(fork.device) != limits.HASH_BYTES or len(fork.predecessor) != limits.HASH_BYTES:
        raise MalformedInput("fork proof: device and predecessor have 32 bytes each")
    # A bool matches int() in a pattern, so the exact type is asked for.
    if type(fork.position) is not int or not 1 <= fork.position <= limits.POSITION_MAX:
        raise MalformedInput(f"fork proof: position {fork.position!r:.40} is out of bounds")
    for branch in fork.branches:
        count, rest = divmod(len(branch.hashes), limits.HASH_BYTES)
        if rest or not 1 <= count <= limits.WINDOW_ENTRIES:
            raise MalformedInput(
                f"fork proof: a branch of {len(branch.hashes)} bytes, expected 32 for each of 1 to"
                f" {limits.WINDOW_ENTRIES} entries"
            )
        if fork.position + count - 1 > limits.POSITION_MAX:
            raise MalformedInput("fork proof: a branch goes beyond the last position")
    if fork.branches[0].first >= fork.branches[1].first:
        raise MalformedInput("fork proof: the branches' first hashes do not ascend")


def _check_seal(market: bytes, fork: Fork, branch: Branch) -> None:
    ids = branch.compute_ids(fork.predecessor)
    end = fork.position + len(ids) - 1
    message = make_seal_message(market, end, ids[-1])
    if not verify_signature(fork.device, "seal", message, branch.signature):
        raise Forged(f"fork proof of {fork.device.hex()[:16]}: the seal at {end} does not verify")


def _compute_id(market: bytes, fork: Fork) -> bytes:
    one, other = fork.branches
    fields = [TAG, fork.device, fork.position, fork.predecessor, one.hashes, other.hashes]
    return compute_hash("fork", market, encode_trusted(fields))
