"""Forks as one replica knows them: proved from what it holds, and kept as far as they matter.

``ForkBook`` keeps of each device the lowest fork above its fixed head, which suspends it; the lowest
below that and above what is in effect, which says that a branch that is held may not be the fixed
one; and the lowest of the rest, which is evidence alone. So whatever order proofs and checkpoints
came in, two replicas that show each other their proofs end with the same ones, and a device that
forks again and again fills nobody's disk.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from synaptic_crdt.state.feeds import Piece
from synaptic_crdt.state.hashes import compute_body_hash, compute_chain
from synaptic_crdt.state.held import Feed
from synaptic_crdt.state.statements import Branch, ForkProof, make_fork_proof

# Up to where something is so of the feed of a device.
PositionGetter = Callable[[bytes], int]


def get_branch(feed: Feed, position: int) -> Branch | None:
    """Return what is held of a feed from ``position`` to the next seal; None if none follows."""
    piece = feed.get_piece(position)
    return None if piece is None else _make_branch(piece, position)


def find_fork(feed: Feed, piece: Piece) -> int | None:
    """Return where a piece parts from a held feed; None when that is before it, or nowhere.

    The piece begins within the feed or right behind it.
    """
    if piece.predecessor != feed.get_id(piece.first - 1):
        return None
    # By their ids, which are known also of entries whose bodies are archived.
    hashes = [compute_body_hash(body) for body in piece.bodies]
    ids = enumerate(compute_chain(piece.predecessor, hashes), piece.first)
    return next(
        (
            position
            for position, chain_id in ids
            if position <= feed.position and feed.get_id(position) != chain_id
        ),
        None,
    )


def cut_piece(piece: Piece, first: int) -> Piece:
    """Return what a piece has from a position within it on."""
    start = first - piece.first
    hashes = [compute_body_hash(body) for body in piece.bodies[:start]]
    predecessor = compute_chain(piece.predecessor, hashes)[-1] if hashes else piece.predecessor
    return Piece(piece.device, first, predecessor, piece.bodies[start:], piece.signature)


def prove_fork(market: bytes, feed: Feed, piece: Piece, position: int) -> ForkProof | None:
    """Return the proof that a piece parts from a held feed at ``position``.

    None when no seal covers what is held from there on.
    """
    ours = get_branch(feed, position)
    if ours is None:
        return None
    theirs = _make_branch(piece, position)
    return make_fork_proof(market, feed.device, position, feed.get_id(position - 1), ours, theirs)


class ForkBook:
    """The proofs that one replica keeps: of each device at most three."""

    __slots__ = ("_dropped", "_get_fixed", "_get_settled", "_proofs")

    def __init__(self, get_fixed: PositionGetter, get_settled: PositionGetter) -> None:
        """Checkpoints fix a feed up to ``get_fixed``; those in effect up to ``get_settled``."""
        self._get_fixed: Final = get_fixed
        self._get_settled: Final = get_settled
        self._proofs: Final[dict[bytes, tuple[ForkProof, ...]]] = {}
        self._dropped: Final[list[bytes]] = []

    def __iter__(self) -> Iterator[ForkProof]:
        """Yield the kept proofs by device, in the order in which devices were found out."""
        for proofs in self._proofs.values():
            yield from proofs

    def get_devices(self) -> Sequence[bytes]:
        """Return the devices that are known to have forked."""
        return tuple(self._proofs)

    def get_proofs(self, device: bytes) -> Sequence[ForkProof]:
        """Return the kept proofs of one device, the lowest first."""
        return self._proofs.get(device, ())

    def get_open(self, device: bytes) -> ForkProof | None:
        """Return the proof that suspends a device: the lowest above its fixed head."""
        if device not in self._proofs:
            return None
        fixed = self._get_fixed(device)
        return next((proof for proof in self.get_proofs(device) if proof.position > fixed), None)

    def is_news(self, proof: ForkProof) -> bool:
        """Would ``add`` keep this proof, and was it not kept before?"""
        kept = self.get_proofs(proof.device)
        return proof.id not in _get_ids(kept) and proof in self._choose((*kept, proof))

    def covers(self, device: bytes, position: int) -> bool:
        """Is a proof kept that makes another one at ``position`` superfluous?"""
        place = self._get_place(device, position)
        return any(
            proof.position <= position and self._get_place(device, proof.position) == place
            for proof in self.get_proofs(device)
        )

    def add(self, proof: ForkProof) -> None:
        """Keep a verified proof that is news, in place of those that it makes superfluous."""
        self._keep(proof.device, (*self.get_proofs(proof.device), proof))

    def prune(self, device: bytes) -> None:
        """Drop what a device's new fixed head, or what took effect, makes superfluous."""
        if device in self._proofs:
            self._keep(device, self._proofs[device])

    def take_dropped(self) -> list[bytes]:
        """Return the ids of proofs that are no longer kept, once."""
        dropped = list(self._dropped)
        self._dropped.clear()
        return dropped

    def _keep(self, device: bytes, proofs: Sequence[ForkProof]) -> None:
        chosen = self._choose(proofs)
        self._dropped.extend(proof.id for proof in proofs if proof not in chosen)
        self._proofs[device] = chosen

    def _choose(self, proofs: Sequence[ForkProof]) -> tuple[ForkProof, ...]:
        lowest: dict[tuple[bool, bool], ForkProof] = {}
        for proof in sorted(proofs, key=lambda proof: (proof.position, proof.id)):
            lowest.setdefault(self._get_place(proof.device, proof.position), proof)
        return tuple(lowest.values())

    def _get_place(self, device: bytes, position: int) -> tuple[bool, bool]:
        """Return whether a position is beyond what is in effect, and beyond what is fixed."""
        return position > self._get_settled(device), position > self._get_fixed(device)


def _get_ids(proofs: Sequence[ForkProof]) -> list[bytes]:
    return [proof.id for proof in proofs]


def _make_branch(piece: Piece, position: int) -> Branch:
    bodies = piece.bodies[position - piece.first :]
    return Branch(b"".join(compute_body_hash(body) for body in bodies), piece.signature)
