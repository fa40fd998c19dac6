"""Verifying pieces and statements against a replica and against each other, changing nothing.

What an inspection found sound may be admitted as it stands, in the order it was inspected. It
knows what it has seen, so that a whole bundle is judged before anything of it is admitted.

Answers forged, moved and replayed pieces, lies about predecessors (a fork is believed only when
the device sealed it), and feeds that no admitted device vouches for.
"""

from collections.abc import Iterable
from enum import Enum
from typing import Final

import msgspec

from synaptic_crdt.errors import Forged, MalformedInput
from synaptic_crdt.state import limits
from synaptic_crdt.state.checkpoints import KEPT, CheckpointChain, Judgement
from synaptic_crdt.state.feeds import Entry, Piece, Tip, make_seal_message, verify_piece
from synaptic_crdt.state.forks import cut_piece
from synaptic_crdt.state.hashes import compute_body_hash, compute_entry_id
from synaptic_crdt.state.held import Feed
from synaptic_crdt.state.keys import verify_signature
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.state.statements import ChainStatement, ForkProof, Statement, verify_statement
from synaptic_crdt.sync.issuers import IssuerFinder
from synaptic_crdt.sync.quotas import Quotas


class Admission(Enum):
    """What became of something that was offered."""

    ACCEPT = "accept"  # durable and held
    IGNORE = "ignore"  # known, or beyond the end of a closed feed
    HOLD = "hold"  # sound, but what it stands on is not held yet; nothing is kept
    OVER = "over"  # over quota, so not looked at; nothing is kept until more of its feed is named
    FORK = "fork"  # its signer signed two histories; what proves it is kept

    @property
    def is_to_wait(self) -> bool:
        """May the same be admitted later?"""
        return self in {Admission.HOLD, Admission.OVER}


class Found(msgspec.Struct, frozen=True):
    """New entries that continue a feed at ``before``, and the piece that brought them.

    ``issuer`` is the device on whose admission a feed that begins depends, if it does.
    """

    piece: Piece
    entries: list[Entry]
    before: Tip
    tip: Tip
    issuer: bytes | None


class Inspection:
    """Judges what is offered as if all that it found sound before were held already."""

    def __init__(
        self, replica: Replica, find_issuer: IssuerFinder, quotas: Quotas | None = None
    ) -> None:
        self._replica: Final = replica
        self._find_issuer: Final = find_issuer
        self._quotas: Final = quotas
        self._tips: Final[dict[bytes, Tip]] = {}
        self._chain: CheckpointChain | None = None
        self._taken: Final[list[ChainStatement]] = []

    def overlaps(self, piece: Piece) -> bool:
        """Does a piece begin within what this inspection found sound?"""
        tip = self._tips.get(piece.device)
        return tip is not None and piece.first <= tip.position

    def inspect_piece(self, piece: Piece) -> Found | Admission:
        """Return what is new in a piece, or why it is not to be admitted.

        A piece that begins below our end is cut to what is new. Raises ``MalformedInput`` or
        ``Forged`` when whoever sent it lied.
        """
        if not piece.bodies or not 1 <= piece.first <= limits.POSITION_MAX - len(piece.bodies):
            raise MalformedInput(
                f"{_name(piece)}: {len(piece.bodies)} bodies from position {piece.first} on"
            )
        if self._quotas is not None and self._quotas.is_over(piece):
            return Admission.OVER
        tip = self._tips.get(piece.device)
        if tip is None:
            feed = self._replica.get_feed(piece.device)
            if feed.closed_position is not None:
                return self._judge_closed(feed, piece)
            feed.verify_end()
            tip = feed.tip
            rest = self._cut(feed, piece) if piece.first <= tip.position else piece
            if isinstance(rest, Admission):
                return rest
            piece = rest
        # What cannot be placed must be sealed by the device all the same, or the sender lied.
        if piece.first > tip.position + 1:
            self._check_sealed(piece)
            return Admission.HOLD
        if piece.first == tip.position + 1 and piece.predecessor != tip.head:
            self._check_sealed(piece)
            return Admission.FORK
        entries, new_tip = verify_piece(self._replica.market, tip, piece)
        found = Found(piece, entries, tip, new_tip, None)
        judged = found if tip.position else self._judge_opening(found)
        if isinstance(judged, Found):
            self._tips[piece.device] = new_tip
        return judged

    def inspect_replacement(self, piece: Piece, position: int) -> Found | Admission:
        """Return what a piece brings in place of what is held from ``position`` in it on.

        Raises ``MalformedInput`` or ``Forged`` when whoever sent it lied.
        """
        market = self._replica.market
        rest = cut_piece(piece, position)
        tip = self._replica.get_feed(piece.device).get_tip(position - 1)
        entries, new_tip = verify_piece(market, tip, rest)
        found = Found(rest, entries, tip, new_tip, None)
        judged = found if tip.position else self._judge_opening(found)
        if isinstance(judged, Found):
            self._tips[piece.device] = new_tip
        return judged

    def inspect_statement(self, data: bytes) -> tuple[Statement, Judgement]:
        """Return the statement in ``data`` and what it is to the replica.

        Raises ``MalformedInput`` or ``Forged``.
        """
        statement = verify_statement(self._replica.market, data)
        if isinstance(statement, ForkProof):
            return statement, self._judge_proof(statement)
        judgement = self._get_chain().judge(statement)
        if judgement in KEPT:
            self._taken.append(statement)
        return statement, judgement

    def _judge_proof(self, proof: ForkProof) -> Judgement:
        """Judge a proof by what is held alone: what else an inspection found may make it news."""
        if proof.device not in self._replica.feeds:
            return "too early"
        return "kept" if self._replica.branches.forks.is_news(proof) else "known"

    def _get_chain(self) -> CheckpointChain:
        """Return the chain with what was found sound; a copy only from the second one on."""
        if self._taken:
            self._chain = self._chain or self._replica.chain.copy()
            for statement in self._taken:
                self._chain.add(statement)
            self._taken.clear()
        return self._chain or self._replica.chain

    def _cut(self, feed: Feed, piece: Piece) -> Piece | Admission:
        """Return what of a piece that begins within a held feed lies beyond it."""
        if _is_held(feed, piece):
            return Admission.IGNORE
        overlap = min(len(piece.bodies), feed.position - piece.first + 1)
        head = _compute_end(piece.predecessor, piece.bodies[:overlap])
        if head != feed.get_id(piece.first + overlap - 1):
            self._check_sealed(piece)
            return Admission.FORK
        if overlap == len(piece.bodies):
            # What is known may come again, with a seal of its own, but not with a false one.
            self._check_sealed(piece)
            return Admission.IGNORE
        bodies = piece.bodies[overlap:]
        return Piece(piece.device, feed.position + 1, head, bodies, piece.signature)

    def _judge_closed(self, feed: Feed, piece: Piece) -> Admission:
        """Take nothing more of a closed feed; whoever has more of it does not lie."""
        self._check_sealed(piece)
        overlap = min(len(piece.bodies), feed.end - piece.first + 1)
        if overlap > 0:
            head = _compute_end(piece.predecessor, piece.bodies[:overlap])
            if head != feed.get_id(piece.first + overlap - 1):
                return Admission.FORK
        return Admission.IGNORE

    def _check_sealed(self, piece: Piece) -> None:
        end = _compute_end(piece.predecessor, piece.bodies)
        message = make_seal_message(self._replica.market, piece.last, end)
        if not verify_signature(piece.device, "seal", message, piece.signature):
            raise Forged(f"{_name(piece)}: the seal at position {piece.last} does not verify")

    def _judge_opening(self, found: Found) -> Found | Admission:
        """Return the beginning of a feed with its issuer, or why it is not to be admitted."""
        first = found.entries[0]
        issuer = self._find_issuer(first.device, first.operation)
        is_admitted = issuer is None or issuer in self._tips or issuer in self._replica.feeds
        if not is_admitted:
            return Admission.HOLD
        if self._quotas is not None and self._quotas.is_over_to_begin(first.device, issuer):
            return Admission.OVER
        return msgspec.structs.replace(found, issuer=issuer)


def _is_held(feed: Feed, piece: Piece) -> bool:
    """Is a piece held as it stands, its seal included, so that nothing of it is to be verified?

    Where many links meet, most of what comes over one has just come over another.
    """
    before = piece.first - 1
    return (
        piece.last <= feed.position
        and feed.seals.get(piece.last) == piece.signature
        and feed.get_id(before) == piece.predecessor
        and feed.entries.has_bodies(before, piece.last)
        and tuple(feed.entries.get_bodies(before, piece.last)) == piece.bodies
    )


def _compute_end(predecessor: bytes, bodies: Iterable[bytes]) -> bytes:
    """Return the chain id after ``bodies`` that follow ``predecessor``."""
    chain_id = predecessor
    for body in bodies:
        chain_id = compute_entry_id(chain_id, compute_body_hash(body))
    return chain_id


def _name(piece: Piece) -> str:
    return f"feed {piece.device.hex()[:16]}"
