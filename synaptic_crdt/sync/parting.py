"""Finding where two sides' histories of one feed part, and what proves it.

Ids at up to 32 positions are compared at a time, so the place is found in eight rounds at most
however long the feeds are; then the other side's branch comes as body hashes and a seal, at most
one window's. Nothing it says is believed: a proof is verified by the gate, like any statement.

Answers lies in the search (they end in a proof that does not verify, or in none), and floods of
forks (one question at a time on a link, one search for a feed).
"""

from typing import Final

import msgspec

from synaptic_crdt.errors import ProtocolViolation
from synaptic_crdt.state import limits
from synaptic_crdt.state.forks import get_branch
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.state.statements import (
    Branch,
    FrontierItem,
    encode_statement,
    make_fork_proof,
)
from synaptic_crdt.sync.messages import Marks, Probe, Trace, Traced


class Parted(msgspec.Struct, frozen=True):
    """Both histories agree before ``position`` and not there.

    ``proof`` is the proof of it unless one is known; ``fixed`` is up to where the other side's branch
    is known to be the one that a checkpoint fixes and that is awaited here, 0 when it is not. If it
    is, ``position`` may be the one behind our end: theirs goes on from there.
    """

    device: bytes
    position: int
    proof: bytes | None
    fixed: int


class _Search(msgspec.Struct):
    """Ids agree at ``low`` and differ at ``high``; ``asked`` is what the other side is asked.

    Unless they ``is_parted``: then it is not known yet whether they differ.
    """

    device: bytes
    low: int
    high: int
    is_parted: bool
    # Is the other side on the branch that was awaited when it was asked? None: it was not asked.
    is_fixed: bool | None = None
    awaited: FrontierItem | None = None
    asked: Probe | Trace | None = None
    proof: bytes | None = None


class Partings:
    """The searches of one link, one after the other."""

    def __init__(self, replica: Replica) -> None:
        self._replica: Final = replica
        self._waiting: Final[dict[bytes, tuple[int, bool]]] = {}
        self._search: _Search | None = None

    @property
    def is_settled(self) -> bool:
        """Is nothing searched for?"""
        return self._search is None and not self._waiting

    @property
    def expected(self) -> tuple[type[Marks] | type[Traced], ...]:
        """What the other side owes."""
        asked = None if self._search is None else self._search.asked
        if asked is None:
            return ()
        return (Marks,) if isinstance(asked, Probe) else (Traced,)

    def add(self, device: bytes, position: int) -> None:
        """Search where a feed parts, whose ids were seen to differ at ``position``."""
        self._waiting[device] = position, True

    def look(self, device: bytes, position: int) -> None:
        """Search where a feed parts if its ids differ at a held position, or theirs is awaited."""
        self._waiting.setdefault(device, (position, False))

    def take_request(self) -> Probe | Trace | None:
        """Return the next question to the other side; None while one is open or none is left."""
        if self._search is None and self._waiting:
            device = next(iter(self._waiting))
            position, is_parted = self._waiting.pop(device)
            self._search = _Search(device, 0, position, is_parted)
        search = self._search
        if search is None or search.asked is not None:
            return None
        if positions := self._choose_positions(search):
            search.asked = Probe(device=search.device, positions=positions)
        else:
            search.asked = Trace(device=search.device, position=search.high)
        return search.asked

    def take_marks(self, message: Marks) -> Parted | None:
        """Take the ids at the positions asked for; return where the feed parts once it is known.

        Raises ``ProtocolViolation`` when they are not what was asked for.
        """
        search = self._search
        assert search is not None
        assert isinstance(search.asked, Probe)
        positions, search.asked = search.asked.positions, None
        if message.device != search.device or len(message.ids) > len(positions):
            raise ProtocolViolation("ids that nobody asked for")
        feed = self._replica.get_feed(search.device)
        marks = dict(zip(positions, message.ids, strict=False))
        self._note_fixed(search, marks)
        if not search.is_parted:
            return self._compare_ends(search, marks)
        between = [position for position in positions if position < search.high]
        if feed.position < search.high or any(position not in marks for position in between):
            return self._give_up()
        for position in between:
            if marks[position] != feed.get_id(position):
                search.high = position
                break
            search.low = position
        if search.high - search.low == 1 and (search.proof or self._is_known(search)):
            return self._end(search)
        return None

    def take_traced(self, message: Traced) -> Parted | None:
        """Take the other side's branch; return where the feed parts, and the proof of it.

        Raises ``ProtocolViolation`` when it is not what was asked for.
        """
        search = self._search
        assert search is not None
        if (message.device, message.position) != (search.device, search.high):
            raise ProtocolViolation("a branch that nobody asked for")
        search.asked = None
        feed = self._replica.get_feed(search.device)
        ours, theirs = get_branch(feed, search.high), Branch(message.hashes, message.signature)
        is_misfit = not theirs.hashes or (ours is not None and ours.first == theirs.first)
        if is_misfit or feed.position < search.high:
            return self._give_up()
        if ours is not None:
            before, market = feed.get_id(search.low), self._replica.market
            proof = make_fork_proof(market, feed.device, search.high, before, ours, theirs)
            search.proof = encode_statement(proof)
        elif not search.is_fixed:
            # No seal vouches for what is held, which is damaged: without one there is no proof.
            return self._give_up()
        return self._end(search)

    def _choose_positions(self, search: _Search) -> tuple[int, ...]:
        """Choose what to ask next; and once whether the other side is on the fixed branch."""
        positions = {search.high}
        if search.is_parted:
            positions = set(_choose(search.low, search.high))
        if search.is_fixed is None:
            search.is_fixed = False
            search.awaited = self._replica.branches.get_awaited(search.device)
            if search.awaited is not None:
                positions.add(search.awaited.position)
        return tuple(sorted(positions))

    def _compare_ends(self, search: _Search, marks: dict[int, bytes]) -> Parted | None:
        """Take the ids at the ends of what both hold: is there anything to search for?"""
        feed = self._replica.get_feed(search.device)
        if feed.position < search.high or search.high not in marks:
            return self._give_up()
        if marks[search.high] == feed.get_id(search.high):
            if not search.is_fixed:
                return self._give_up()
            # Ours is the beginning of theirs.
            search.high += 1
            return self._end(search)
        if not search.is_fixed and self._replica.branches.has_branch(search.device):
            return self._give_up()
        search.is_parted = True
        return None

    def _note_fixed(self, search: _Search, marks: dict[int, bytes]) -> None:
        awaited = search.awaited
        if awaited is not None and marks.get(awaited.position) == awaited.id:
            search.is_fixed = True

    def _is_known(self, search: _Search) -> bool:
        """Does a proof that is held say it already, or say more?"""
        return self._replica.branches.forks.covers(search.device, search.high)

    def _give_up(self) -> None:
        """Leave a search whose answers do not fit, since one of the feeds was cut meanwhile.

        Whatever still differs is seen again on the next link.
        """
        self._search = None

    def _end(self, search: _Search) -> Parted | None:
        """Return what was found, unless there is one thing more to ask."""
        awaited = self._replica.branches.get_awaited(search.device)
        if not search.is_fixed and awaited not in {None, search.awaited}:
            # A checkpoint came meanwhile.
            search.is_fixed = None
            return None
        self._search = None
        theirs = search.awaited if search.is_fixed else None
        fixed = 0 if theirs is None else theirs.position
        return Parted(search.device, search.high, search.proof, fixed)


def make_marks(replica: Replica, probe: Probe) -> Marks:
    """Answer which ids a feed has at some positions, as far as they are held.

    Raises ``ProtocolViolation`` when they do not ascend.
    """
    if any(one >= other for one, other in zip(probe.positions, probe.positions[1:], strict=False)):
        raise ProtocolViolation("positions that do not ascend")
    feed = replica.get_feed(probe.device)
    held = [position for position in probe.positions if position <= feed.position]
    return Marks(device=probe.device, ids=tuple(feed.get_id(position) for position in held))


def make_traced(replica: Replica, trace: Trace) -> Traced:
    """Answer what is held of a feed from a position to the next seal; empty when there is none."""
    branch = get_branch(replica.get_feed(trace.device), trace.position)
    branch = branch or Branch(b"", bytes(limits.SIGNATURE_BYTES))
    return Traced(
        device=trace.device,
        position=trace.position,
        hashes=branch.hashes,
        signature=branch.signature,
    )


def _choose(low: int, high: int) -> tuple[int, ...]:
    """Return positions between two, evenly spread; all of them when they are few."""
    inside = high - low - 1
    count = min(inside, limits.PROBE_POSITIONS)
    return tuple(low + inside * step // count + 1 for step in range(count)) if count else ()
