"""The one gate into a replica, for every way in: links, bundles, and this node's own appends.

Admits only what was verified, and holds nothing that is not durable first. What is admitted
together is written in one transaction, of bounded size. No local clock and no rule of the market
decides here; the membership of a feed is asked of a predicate that the node hands in, monotone and
without verdicts. Quotas, if there are any, bound what is taken of what no checkpoint names.

An own feed that comes back longer than it is held here (a restored backup) is admitted like any
other: its seals are this device's.

A feed whose end turns out to be damaged in storage waits, alone, until the home is opened again.

Two histories of one feed are never both held. What shows a second one becomes a fork proof, which
is kept and passed on like any statement; where a checkpoint fixed the other history, the one that
is held gives way to it once it is offered, in one transaction, and its entries are kept apart.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from synaptic_crdt.errors import StoreDamaged
from synaptic_crdt.state import limits
from synaptic_crdt.state.checkpoints import KEPT
from synaptic_crdt.state.feeds import Piece, Truncation
from synaptic_crdt.state.forks import find_fork, prove_fork
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.state.statements import ForkProof, Statement, encode_statement
from synaptic_crdt.sync.allowance import Pace
from synaptic_crdt.sync.budget import Budget
from synaptic_crdt.sync.differences import Differences
from synaptic_crdt.sync.inspection import Admission, Found, Inspection
from synaptic_crdt.sync.issuers import IssuerFinder
from synaptic_crdt.sync.news import News
from synaptic_crdt.sync.quotas import Quota, Quotas


class Writer(Protocol):
    """Makes things durable in one transaction before it returns: what a store does."""

    def write(
        self,
        *,
        pieces: Sequence[Piece] = (),
        statements: Sequence[tuple[bytes, bytes]] = (),
        replaced_seals: Sequence[tuple[bytes, int]] = (),
        truncations: Sequence[Truncation] = (),
        dropped_statements: Sequence[bytes] = (),
    ) -> None:
        """Write pieces, statements as (id, bytes), and drop seals at (device, position).

        Truncated feeds lose their entries, which are kept apart; statements are dropped by id.
        """
        ...


class KeepNothing:
    """A writer for replicas that live in memory alone, as an auditor's does."""

    def write(
        self,
        *,
        pieces: Sequence[Piece] = (),
        statements: Sequence[tuple[bytes, bytes]] = (),
        replaced_seals: Sequence[tuple[bytes, int]] = (),
        truncations: Sequence[Truncation] = (),
        dropped_statements: Sequence[bytes] = (),
    ) -> None:
        """Write nothing."""


class Gate:
    """Judges what is offered to one replica, makes it durable, holds it, and tells the news."""

    def __init__(
        self,
        replica: Replica,
        writer: Writer,
        find_issuer: IssuerFinder,
        own_device: bytes | None = None,
        quota: Quota | None = None,
    ) -> None:
        self.replica: Final = replica
        # None: everything is taken, as whoever replays a history needs it.
        self.quotas = None if quota is None else Quotas(replica, find_issuer, quota, own_device)
        self.own_device: Final = own_device
        self.news: Final = News()
        # By device, what is wrong with its feed in storage; it waits, and the others go on.
        self.flaws: Final[dict[bytes, str]] = {}
        # How many entries were new here; what a fork made void since then counts, too.
        self.entries_admitted = 0
        self._writer: Final = writer
        self._find_issuer: Final = find_issuer
        # Of all links that lead here: what they may bring at a time, where they stay apart, and how
        # fast they bring what quotas count.
        self.budget: Final = Budget(limits.LINKS_BYTES)
        self.differences: Final = Differences()
        self.pace: Final = Pace()
        # Proofs that came before their feeds, by device; the first few are kept in memory.
        self._early: Final[dict[bytes, bytes]] = {}

    def inspect(self) -> Inspection:
        """Return a new inspection, which judges as this gate does and admits nothing."""
        return Inspection(self.replica, self._find_issuer, self.quotas)

    def admit_piece(self, piece: Piece) -> Admission:
        """Admit one piece; see ``admit_pieces``."""
        return self.admit_pieces([piece])[0]

    def admit_pieces(self, pieces: Sequence[Piece]) -> list[Admission]:
        """Admit pieces in order, and say of each what became of it.

        Raises ``MalformedInput`` or ``Forged`` at the first one that is a lie; what came before
        it is admitted. Raises ``StoreFailed`` when nothing could be made durable.
        """
        admissions: list[Admission] = []
        inspection = self.inspect()
        batch = _Batch()
        try:
            for piece in pieces:
                # What an inspection found is not in the replica yet, so a piece that overlaps
                # it is judged after it has been admitted, and quotas do not count it.
                if inspection.overlaps(piece) or (self.quotas is not None and batch.is_full):
                    self._take_pieces(batch.take())
                    inspection = self.inspect()
                judged = self._inspect(inspection, piece)
                if judged is Admission.FORK:
                    self._take_pieces(batch.take())
                    inspection = self.inspect()
                    judged = self._judge_fork(inspection, piece)
                if isinstance(judged, Found):
                    batch.add(judged)
                    judged = Admission.ACCEPT
                admissions.append(judged)
        finally:
            self._take_pieces(batch.take())
        return admissions

    def admit_statement(self, data: bytes) -> Admission:
        """Admit one statement; see ``admit_statements``."""
        return self.admit_statements([data])[0]

    def admit_statements(self, statements: Sequence[bytes]) -> list[Admission]:
        """Admit statements in order, and say of each what became of it; errors as for pieces.

        What proves that its signer signed two histories is kept as evidence.
        """
        admissions: list[Admission] = []
        inspection = self.inspect()
        found: list[tuple[Statement, bytes]] = []
        try:
            for data in statements:
                statement, judgement = inspection.inspect_statement(data)
                if isinstance(statement, ForkProof):
                    # What it is depends on all that counts, so that goes first.
                    batch, found = found, []
                    self._take_statements(batch)
                    inspection = self.inspect()
                    admissions.append(self._admit_proof(statement, data))
                    continue
                if judgement in KEPT:
                    found.append((statement, data))
                admissions.append(_ADMISSION_BY_JUDGEMENT[judgement])
        finally:
            self._take_statements(found)
        return admissions

    def explain_waiting(self, device: bytes) -> str | None:
        """Return why more of a feed has to wait, if it is for a quota or for damage."""
        over = None if self.quotas is None else self.quotas.left_out.get(device)
        return self.flaws.get(device, None if over is None else f"it is over its quota: {over}")

    def _inspect(self, inspection: Inspection, piece: Piece) -> Found | Admission:
        try:
            return inspection.inspect_piece(piece)
        except StoreDamaged as error:
            self.flaws[piece.device] = str(error)
            return Admission.HOLD

    def _judge_fork(self, inspection: Inspection, piece: Piece) -> Found | Admission:
        """Keep the proof that a piece parts from what is held, which gives way if it is to stay."""
        feed = self.replica.get_feed(piece.device)
        position = find_fork(feed, piece)
        if position is None:
            return Admission.FORK
        proof = prove_fork(self.replica.market, feed, piece, position)
        if proof is not None:
            self._admit_proof(proof, encode_statement(proof))
        if not self.replica.branches.is_to_yield(piece, position):
            return Admission.FORK
        judged = inspection.inspect_replacement(piece, position)
        # Nothing is let go for what cannot be taken.
        if isinstance(judged, Found):
            self.replica.branches.give_way(piece.device, position)
        return judged

    def _admit_proof(self, proof: ForkProof, data: bytes) -> Admission:
        if proof.device not in self.replica.feeds:
            if len(self._early) < limits.EARLY_PROOFS:
                self._early[proof.device] = data
            return Admission.HOLD
        if not self.replica.branches.forks.is_news(proof):
            return Admission.IGNORE
        self._take_statements([(proof, data)])
        return Admission.ACCEPT

    def _follow_statements(self) -> None:
        """Make durable what follows from what was taken, and tell of it."""
        self._drop_statements()
        self.replica.keep_closed()
        self.news.publish(())

    def _drop_statements(self) -> None:
        """Forget what became superfluous."""
        if dropped := self.replica.branches.forks.take_dropped():
            self._writer.write(dropped_statements=dropped)

    def _take_pieces(self, batch: Sequence[Found]) -> None:
        if not batch:
            return
        found = _join(batch)
        replaced: list[tuple[bytes, int]] = []
        for device in dict.fromkeys(item.piece.device for item in found):
            position = self.replica.get_feed(device).get_passing_seal()
            if position is not None:
                replaced.append((device, position))
        # What gave way to them leaves with them, so that a seal vouches for all that is held.
        truncations = self.replica.branches.take_truncations()
        self._writer.write(
            pieces=[item.piece for item in found],
            replaced_seals=replaced,
            truncations=truncations,
        )
        if truncations and self.quotas is not None:
            self.quotas.forget()
        for item in found:
            feed = self.replica.get_feed(item.piece.device)
            self.replica.extend(feed, item.entries, item.tip, item.piece.signature)
            self.entries_admitted += len(item.entries)
            if self.quotas is not None:
                self.quotas.note_taken(feed, item.issuer, begins=item.before.position == 0)
        self._drop_statements()
        self.replica.keep_closed()
        devices = tuple(dict.fromkeys(item.piece.device for item in found))
        self.news.publish(devices)
        if self._early:
            early = [self._early.pop(device) for device in devices if device in self._early]
            self.admit_statements(early)

    def _take_statements(self, found: Sequence[tuple[Statement, bytes]]) -> None:
        if not found:
            return
        self._writer.write(statements=[(statement.id, data) for statement, data in found])
        for statement, _ in found:
            self.replica.add_statement(statement)
        self._follow_statements()


_ADMISSION_BY_JUDGEMENT: Final = {
    "counts": Admission.ACCEPT,
    "kept": Admission.ACCEPT,
    "known": Admission.IGNORE,
    "void": Admission.IGNORE,
    "too early": Admission.HOLD,
    "conflict": Admission.FORK,
}


class _Batch:
    """What was found sound and is taken together."""

    def __init__(self) -> None:
        self._found: list[Found] = []
        self._entries = self._size = 0
        # Is it to be taken before more is inspected, so that quotas hold?
        self.is_full = False

    def add(self, found: Found) -> None:
        """Take one more in."""
        self._found.append(found)
        self._entries += len(found.entries)
        self._size += sum(map(len, found.piece.bodies))
        # Of openings that nobody vouches for, each is counted before the next one.
        is_opening = found.before.position == 0 and found.issuer is None
        is_window = self._entries >= limits.WINDOW_ENTRIES or self._size >= limits.WINDOW_BYTES
        self.is_full = is_opening or is_window

    def take(self) -> Sequence[Found]:
        """Return what is in here, and begin anew."""
        found, self._found = self._found, []
        self._entries = self._size = 0
        self.is_full = False
        return found


def _join(batch: Sequence[Found]) -> list[Found]:
    """Join what continues one window of one feed, so that only the seal at its end is stored."""
    joined: list[Found] = []
    places: dict[bytes, int] = {}
    for item in batch:
        place = places.get(item.piece.device)
        if place is None or item.before.is_window_end:
            places[item.piece.device] = len(joined)
            joined.append(item)
        else:
            joined[place] = _join_two(joined[place], item)
    return joined


def _join_two(front: Found, rest: Found) -> Found:
    piece = Piece(
        device=front.piece.device,
        first=front.piece.first,
        predecessor=front.piece.predecessor,
        bodies=front.piece.bodies + rest.piece.bodies,
        signature=rest.piece.signature,
    )
    return Found(piece, front.entries + rest.entries, front.before, rest.tip, front.issuer)
