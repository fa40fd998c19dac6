"""The cosignatures that matter still: those of the newest counted checkpoint and of what may follow.

Says what a majority stands behind, and who cosigned two checkpoints of one index. Whether a
cosignature has any business to be kept is the chain's to say.
"""

from collections.abc import Container, Iterator, Sequence
from typing import Final

from synaptic_crdt.state.statements import Checkpoint, Cosignature
from synaptic_crdt.state.views import View

# What a cosignature is of: view, index and id.
Place = tuple[int, int, bytes]


class Cosignatures:
    """Cosignatures by what they are of and who signed them, and the proofs of signing two."""

    __slots__ = ("_by_place", "_proofs")

    def __init__(self) -> None:
        self._by_place: Final[dict[Place, dict[bytes, Cosignature]]] = {}
        self._proofs: Final[dict[bytes, tuple[Cosignature, Cosignature]]] = {}

    @property
    def liars(self) -> Sequence[bytes]:
        """The witnesses that are proved to have cosigned two checkpoints of one index."""
        return sorted(self._proofs)

    def get_all(self) -> list[Cosignature]:
        """Return all that is kept, by index and id."""
        kept = {each.id: each for signed in self._by_place.values() for each in signed.values()}
        kept.update((each.id, each) for proof in self._proofs.values() for each in proof)
        return sorted(kept.values(), key=lambda each: (each.index, each.id))

    def get_signers(self, checkpoint: Checkpoint) -> list[bytes]:
        """Return who cosigned a checkpoint, sorted."""
        return sorted(self._by_place.get(_get_place(checkpoint), ()))

    def get_signed_by(self, device: bytes) -> list[Cosignature]:
        """Return what a witness cosigned, by index and id."""
        found = [signed[device] for signed in self._by_place.values() if device in signed]
        return sorted(found, key=lambda each: (each.index, each.id))

    def is_known(self, cosignature: Cosignature) -> bool:
        """Is this cosignature kept, be it as evidence?"""
        signed = self._by_place.get(_get_place(cosignature), {})
        proof = self._proofs.get(cosignature.signer, ())
        return cosignature.signer in signed or any(each.id == cosignature.id for each in proof)

    def is_new_lie(self, cosignature: Cosignature) -> bool:
        """Would this one be the first proof that its signer cosigned two of one index?"""
        return cosignature.signer not in self._proofs and self._find_other(cosignature) is not None

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
        """Keep a cosignature, and the proof if it shows its signer to have signed two."""
        other = self._find_other(cosignature)
        if other is not None:
            self._proofs.setdefault(cosignature.signer, (other, cosignature))
        self._by_place.setdefault(_get_place(cosignature), {})[cosignature.signer] = cosignature

    def prune(self, view: int, index: int, kept: Container[bytes]) -> None:
        """Forget those of older views, and of ``view`` up to ``index`` those not of ``kept``."""
        for place in list(self._by_place):
            if place[0] < view or (place[:2] <= (view, index) and place[2] not in kept):
                del self._by_place[place]

    def copy(self) -> "Cosignatures":
        """Return a book of its own."""
        copied = Cosignatures()
        for place, signed in self._by_place.items():
            copied._by_place[place] = dict(signed)
        copied._proofs.update(self._proofs)
        return copied

    def _find_other(self, cosignature: Cosignature) -> Cosignature | None:
        """Return what its signer cosigned beside it under the same index, if anything held."""
        for place, signed in sorted(self._by_place.items()):
            is_rival = place[:2] == (cosignature.view, cosignature.index)
            if is_rival and place[2] != cosignature.checkpoint and cosignature.signer in signed:
                return signed[cosignature.signer]
        return None


def _get_place(statement: Checkpoint | Cosignature) -> Place:
    if isinstance(statement, Checkpoint):
        return statement.view, statement.index, statement.id
    return statement.view, statement.index, statement.checkpoint
