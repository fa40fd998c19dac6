"""The cosignatures that matter still: of the newest counted checkpoint, of what may follow, and of
what a sequencer is proved by to have signed twice.

Says what a majority stands behind, and who cosigned two checkpoints of one index. Whether a
cosignature has any business to be kept is the chain's to say. Who lied is remembered when the two
that show it matter no more: each replica knows of those whose lies it has seen.
"""

from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Final

from synaptic_crdt.state.statements import Checkpoint, Cosignature
from synaptic_crdt.state.views import View, Views

# What a cosignature is of: view, index and id.
Place = tuple[int, int, bytes]


class Cosignatures:
    """Cosignatures by what they are of and who signed them, and who is proved to have signed two."""

    __slots__ = ("_by_place", "_liars")

    def __init__(self) -> None:
        self._by_place: Final[dict[Place, dict[bytes, Cosignature]]] = {}
        self._liars: Final[set[bytes]] = set()

    @property
    def liars(self) -> Sequence[bytes]:
        """The witnesses that are proved to have cosigned two checkpoints of one index."""
        return sorted(self._liars)

    def get_all(self) -> list[Cosignature]:
        """Return all that is kept, by index and id."""
        kept = [each for signed in self._by_place.values() for each in signed.values()]
        return sorted(kept, key=lambda each: (each.index, each.id))

    def get_signers(self, checkpoint: Checkpoint) -> list[bytes]:
        """Return who cosigned a checkpoint, sorted."""
        return sorted(self._by_place.get(_get_place(checkpoint), ()))

    def get_signed_by(self, device: bytes) -> list[Cosignature]:
        """Return what a witness cosigned, by index and id."""
        found = [signed[device] for signed in self._by_place.values() if device in signed]
        return sorted(found, key=lambda each: (each.index, each.id))

    def get_ahead(self, device: bytes, view: int, index: int) -> list[Cosignature]:
        """Return what a witness cosigned beyond an index of a view, by id."""
        found = [
            each for each in self.get_signed_by(device) if (each.view, each.index) > (view, index)
        ]
        return sorted(found, key=lambda each: each.id)

    def is_known(self, cosignature: Cosignature) -> bool:
        """Is this cosignature kept?"""
        return cosignature.signer in self._by_place.get(_get_place(cosignature), {})

    def is_new_lie(self, cosignature: Cosignature) -> bool:
        """Would this one be the first proof that its signer cosigned two of one index?"""
        return cosignature.signer not in self._liars and self._contradicts(cosignature)

    def has_quorum(self, view: View, place: Place) -> bool:
        """Did a majority of a view's witnesses cosign this?"""
        signed = self._by_place.get(place, {})
        return place[0] == view.number and 0 < view.quorum <= sum(
            device in signed for device in view.witnesses
        )

    def get_with_quorum(self, view: View) -> Iterator[Place]:
        """Yield what a majority of a view's witnesses cosigned, in order."""
        for place in sorted(self._by_place):
            if self.has_quorum(view, place):
                yield place

    def add(self, cosignature: Cosignature) -> None:
        """Keep a cosignature, and its signer's name if it shows that one to have signed two."""
        if self._contradicts(cosignature):
            self.note_liar(cosignature.signer)
        self._by_place.setdefault(_get_place(cosignature), {})[cosignature.signer] = cosignature

    def note_liar(self, device: bytes) -> None:
        """Remember that a witness is proved to have cosigned two of one index."""
        self._liars.add(device)

    def note_lies(self, cosignatures: Iterable[Cosignature]) -> None:
        """Remember who is proved by any two of these, kept or not, to have cosigned two."""
        signed: dict[tuple[bytes, int, int], bytes] = {}
        for each in cosignatures:
            place = each.signer, each.view, each.index
            if signed.setdefault(place, each.checkpoint) != each.checkpoint:
                self.note_liar(each.signer)

    def drop(self, cosignature: Cosignature) -> None:
        """Forget one that is kept."""
        signed = self._by_place[_get_place(cosignature)]
        del signed[cosignature.signer]
        if not signed:
            del self._by_place[_get_place(cosignature)]

    def drop_strangers(self, views: Views) -> None:
        """Forget those by who is no witness of their view, or is not known to be one."""
        for each in self.get_all():
            view = views.get(each.view)
            if view is None or each.signer not in view.witnesses:
                self.drop(each)

    def prune(self, view: int, index: int, kept: Container[tuple[int, bytes]]) -> None:
        """Forget those of older views, and of ``view`` up to ``index`` those not of ``kept``.

        What is kept is named by index and id.
        """
        for place in list(self._by_place):
            if place[0] < view or (place[:2] <= (view, index) and place[1:] not in kept):
                del self._by_place[place]

    def copy(self) -> "Cosignatures":
        """Return a book of its own."""
        copied = Cosignatures()
        for place, signed in self._by_place.items():
            copied._by_place[place] = dict(signed)
        copied._liars.update(self._liars)
        return copied

    def _contradicts(self, cosignature: Cosignature) -> bool:
        """Is another one kept by the same signer under the same index?"""
        return any(
            place[:2] == (cosignature.view, cosignature.index)
            and place[2] != cosignature.checkpoint
            and cosignature.signer in signed
            for place, signed in self._by_place.items()
        )


def _get_place(statement: Checkpoint | Cosignature) -> Place:
    if isinstance(statement, Checkpoint):
        return statement.view, statement.index, statement.id
    return statement.view, statement.index, statement.checkpoint
