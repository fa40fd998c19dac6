"""The one gate into a replica, for every way in: links, bundles, and this node's own appends.

Admits only what was verified, and holds nothing that is not durable first. What is admitted
together is written in one transaction. No local clock and no rule of the market decides here; the
membership of a feed is asked of a predicate that the node hands in, monotone and without verdicts.

An own feed that comes back longer than it is held here (a restored backup) is admitted like any
other: its seals are this device's.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from synaptic_crdt.state.checkpoints import KEPT
from synaptic_crdt.state.feeds import Piece
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.state.statements import Statement
from synaptic_crdt.sync.inspection import Admission, Found, Inspection, IssuerFinder
from synaptic_crdt.sync.news import News


class Writer(Protocol):
    """Makes things durable in one transaction before it returns: what a store does."""

    def write(
        self,
        *,
        pieces: Sequence[Piece] = (),
        statements: Sequence[tuple[bytes, bytes]] = (),
        replaced_seals: Sequence[tuple[bytes, int]] = (),
    ) -> None:
        """Write pieces, statements as (id, bytes), and drop seals at (device, position)."""
        ...


class KeepNothing:
    """A writer for replicas that live in memory alone, as an auditor's does."""

    def write(
        self,
        *,
        pieces: Sequence[Piece] = (),
        statements: Sequence[tuple[bytes, bytes]] = (),
        replaced_seals: Sequence[tuple[bytes, int]] = (),
    ) -> None:
        """Write nothing."""


class Gate:
    """Judges what is offered to one replica, makes it durable, holds it, and tells the news."""

    def __init__(self, replica: Replica, writer: Writer, find_issuer: IssuerFinder) -> None:
        self.replica: Final = replica
        self.news: Final = News()
        self._writer: Final = writer
        self._find_issuer: Final = find_issuer

    def inspect(self) -> Inspection:
        """Return a new inspection, which judges as this gate does and admits nothing."""
        return Inspection(self.replica, self._find_issuer)

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
        found: list[Found] = []
        try:
            for piece in pieces:
                # What an inspection found is not in the replica yet, so a piece that overlaps
                # it is judged after it has been admitted.
                if inspection.overlaps(piece):
                    batch, found = found, []
                    self._take_pieces(batch)
                    inspection = self.inspect()
                judged = inspection.inspect_piece(piece)
                if isinstance(judged, Found):
                    found.append(judged)
                    judged = Admission.ACCEPT
                admissions.append(judged)
        finally:
            self._take_pieces(found)
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
                if judgement in KEPT:
                    found.append((statement, data))
                admissions.append(_ADMISSION_BY_JUDGEMENT[judgement])
        finally:
            self._take_statements(found)
        return admissions

    def _take_pieces(self, batch: Sequence[Found]) -> None:
        if not batch:
            return
        found = _join(batch)
        replaced: list[tuple[bytes, int]] = []
        for device in dict.fromkeys(item.piece.device for item in found):
            position = self.replica.get_feed(device).get_passing_seal()
            if position is not None:
                replaced.append((device, position))
        self._writer.write(pieces=[item.piece for item in found], replaced_seals=replaced)
        for item in found:
            feed = self.replica.get_feed(item.piece.device)
            self.replica.extend(feed, item.entries, item.tip, item.piece.signature)
        self.news.publish(tuple(dict.fromkeys(item.piece.device for item in found)))

    def _take_statements(self, found: Sequence[tuple[Statement, bytes]]) -> None:
        if not found:
            return
        self._writer.write(statements=[(statement.id, data) for statement, data in found])
        for statement, _ in found:
            self.replica.add_statement(statement)
        self.news.publish(())


_ADMISSION_BY_JUDGEMENT: Final = {
    "counts": Admission.ACCEPT,
    "kept": Admission.ACCEPT,
    "known": Admission.IGNORE,
    "void": Admission.IGNORE,
    "too early": Admission.HOLD,
    "conflict": Admission.FORK,
}


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
    return Found(piece, front.entries + rest.entries, front.before, rest.tip)
