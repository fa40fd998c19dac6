"""Who may sequence and witness, view by view: read from the genesis and the handovers alone.

Every view but the first is begun by a proposal that the recovery key signed, or a majority of the
witnesses before it. Of several for one view the recovery key's comes first, then the one that goes
on from the newest checkpoint, then the least id: whoever holds the same handovers follows the same
views, in whatever order they came. Which checkpoints that leaves is the chain's to say.

A majority is enough only while it is certain to go on from what counts: it must state the
checkpoint it goes on from, and no other of that index may have a majority hidden among those who
have not spoken. Answers lost and stolen sequencers, and witnesses that cosigned rivals.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from synaptic_crdt.errors import Forged
from synaptic_crdt.state import limits
from synaptic_crdt.state.statements import Handover, Proposal


class View(msgspec.Struct, frozen=True):
    """A term of one sequencer and its witnesses, from checkpoint ``origin`` at ``index`` on.

    ``sequencer`` is None in a sandbox market. ``proposal`` is what began it, None for view 0.
    """

    number: int
    index: int
    origin: bytes
    sequencer: bytes | None
    witnesses: tuple[bytes, ...]
    proposal: bytes | None = None

    @property
    def quorum(self) -> int:
        """How many witnesses have to cosign what counts; 0 when there are none."""
        return len(self.witnesses) // 2 + 1 if self.witnesses else 0


class Views:
    """The views of one market that are known to be rightly begun, and the handovers held."""

    __slots__ = ("_by_proposal", "_handovers", "_recovery", "_views")

    def __init__(
        self, market: bytes, sequencer: bytes | None, witnesses: Sequence[bytes], recovery: bytes
    ) -> None:
        self._recovery: Final = recovery
        self._views = [View(0, 0, market, sequencer, tuple(sorted(witnesses)))]
        self._handovers: Final[dict[bytes, Handover]] = {}
        # By proposal: who gave their word for it.
        self._by_proposal: Final[dict[bytes, dict[bytes, Handover]]] = {}

    @property
    def newest(self) -> View:
        """The newest view that is rightly begun."""
        return self._views[-1]

    def get(self, number: int) -> View | None:
        """Return a view by its number, or None while it is not known to be begun."""
        return self._views[number] if number < len(self._views) else None

    def get_handovers(self) -> list[Handover]:
        """Return all handovers held, in an order in which each can be placed."""
        return sorted(self._handovers.values(), key=lambda each: (each.view, each.id))

    def get_proposals(self, view: int) -> Iterator[tuple[Proposal, dict[bytes, Handover]]]:
        """Yield the proposals for a view in order, each with the word of its signers."""
        for _, signed in sorted(self._by_proposal.items()):
            proposal = next(iter(signed.values())).proposal
            if proposal.view == view:
                yield proposal, signed

    def has_signed(self, device: bytes, view: int) -> bool:
        """Did a device give its word for this view, and so sign nothing older any more?"""
        return any(each.signer == device and each.view >= view for each in self._handovers.values())

    def is_known(self, handover: Handover) -> bool:
        """Is this handover held?"""
        return handover.id in self._handovers

    def is_acceptable(self, handover: Handover) -> bool | None:
        """May a verified handover be kept? None says that what it stands on is not known yet.

        Raises ``Forged`` when its signer has no say.
        """
        before = self.get(handover.view - 1)
        if before is None:
            return None
        if before.sequencer is None:
            raise Forged("handover: a sandbox market has no views")
        if handover.signer != self._recovery and handover.signer not in before.witnesses:
            # Who witnesses later views depends on handovers that may not all have come.
            if before.number:
                return False
            raise Forged(
                f"handover: signed by {handover.signer.hex()[:16]}, who is neither the recovery"
                " key nor a witness"
            )
        # Whoever gives its word for one proposal twice is held to the word that says most.
        signed_before = self._by_proposal.get(handover.proposal.id)
        if signed_before is not None:
            word = signed_before.get(handover.signer)
            return word is None or _get_rank(handover) > _get_rank(word)
        # And who signs one proposal after the other fills nobody's disk. (One that others signed
        # too has its place above, whatever else its signer signed.)
        signed = sum(
            each.signer == handover.signer and each.view == handover.view
            for each in self._handovers.values()
        )
        return True if signed < limits.PROPOSALS else None

    def add(self, handover: Handover) -> None:
        """Keep an acceptable handover."""
        signed = self._by_proposal.setdefault(handover.proposal.id, {})
        replaced = signed.get(handover.signer)
        if replaced is not None:
            del self._handovers[replaced.id]
        signed[handover.signer] = self._handovers[handover.id] = handover
        self._views = self._views[: handover.view]
        while (view := self._find_next(self._views[-1])) is not None:
            self._views.append(view)

    def copy(self) -> "Views":
        """Return views of their own."""
        first = self._views[0]
        copied = Views(first.origin, first.sequencer, first.witnesses, self._recovery)
        copied._views = list(self._views)
        copied._handovers.update(self._handovers)
        for proposal, signed in self._by_proposal.items():
            copied._by_proposal[proposal] = dict(signed)
        return copied

    def _find_next(self, before: View) -> View | None:
        valid = [
            (self._recovery not in signed, -proposal.index, proposal.id, proposal)
            for proposal, signed in self.get_proposals(before.number + 1)
            if self._is_valid(before, proposal, signed)
        ]
        if not valid:
            return None
        chosen = min(valid, key=lambda item: item[:3])[3]
        return View(
            chosen.view,
            chosen.index,
            chosen.origin,
            chosen.sequencer,
            chosen.witnesses,
            chosen.id,
        )

    def _is_valid(self, before: View, proposal: Proposal, signed: dict[bytes, Handover]) -> bool:
        if proposal.index <= before.index and not _is_at_origin(before, proposal):
            return False
        return self._recovery in signed or _has_majority(before, proposal, signed)


def _is_at_origin(before: View, proposal: Proposal) -> bool:
    return (proposal.index, proposal.origin) == (before.index, before.origin)


def _has_majority(before: View, proposal: Proposal, signed: dict[bytes, Handover]) -> bool:
    words = [signed[device] for device in before.witnesses if device in signed]
    if not words or len(words) < before.quorum:
        return False
    if _is_at_origin(before, proposal):
        # Nobody who spoke cosigned anything beyond, so nothing beyond can count.
        return True
    stated = [word.newest for word in words if word.newest_index == proposal.index]
    if proposal.origin not in stated:
        return False
    # Those who have not spoken may all have cosigned the same rival.
    silent = len(before.witnesses) - len(words)
    rivals = set(stated) - {proposal.origin}
    return all(stated.count(rival) + silent < before.quorum for rival in rivals)


def _get_rank(handover: Handover) -> tuple[int, bytes]:
    return handover.newest_index, handover.id
