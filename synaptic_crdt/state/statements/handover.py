"""A handover: who sequences and witnesses the next view, and from which checkpoint it goes on.

The recovery key hands over alone. A witness's handover is its word for a proposal (everything but
what it states and who signs), and its promise to sign nothing of an older view from then on; a
proposal takes effect once a majority gave it, see ``state.views``. It states the newest
checkpoint that the witness cosigned, so that none that counted is left behind.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from synaptic_crdt.errors import MalformedInput
from synaptic_crdt.state import limits
from synaptic_crdt.state.codec import Value, encode_trusted
from synaptic_crdt.state.hashes import compute_hash
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.statements.form import (
    check_counts,
    check_hashes,
    check_signed,
    compute_statement_id,
)

TAG: Final = "handover"


class Proposal(msgspec.Struct, frozen=True):
    """What a handover says: from checkpoint ``origin`` at ``index`` on, ``view`` is these.

    Index 0 with the market's id is the beginning, before any checkpoint.
    """

    view: int
    index: int
    origin: bytes
    sequencer: bytes
    witnesses: tuple[bytes, ...]
    id: bytes


class Handover(msgspec.Struct, frozen=True):
    """One signer's word for a proposal, and the newest checkpoint it cosigned (0: none)."""

    proposal: Proposal
    newest_index: int
    newest: bytes
    signer: bytes
    signature: bytes
    id: bytes

    @property
    def view(self) -> int:
        """The view that it begins."""
        return self.proposal.view


def make_proposal(
    market: bytes,
    *,
    view: int,
    index: int,
    origin: bytes,
    sequencer: bytes,
    witnesses: Sequence[bytes],
) -> Proposal:
    """Return a proposal; its id is what its signers have in common."""
    named = tuple(sorted(witnesses))
    fields = [view, index, origin, sequencer, list(named)]
    proposal_id = compute_hash("proposal", market, encode_trusted(fields))
    return Proposal(view, index, origin, sequencer, named, proposal_id)


def sign_handover(
    market: bytes, key: DeviceKey, proposal: Proposal, *, newest_index: int, newest: bytes
) -> Handover:
    """Return the word of a witness, or of the recovery key, for a proposal."""
    fields = _make_fields(proposal, newest_index, newest, key.public)
    statement_id = compute_statement_id(TAG, market, fields)
    signature = key.sign(TAG, statement_id)
    return Handover(proposal, newest_index, newest, key.public, signature, statement_id)


def get_fields(statement: Handover) -> list[object]:
    """Return the fields of a handover as they are encoded."""
    fields = _make_fields(
        statement.proposal, statement.newest_index, statement.newest, statement.signer
    )
    return [*fields, statement.signature]


def verify_handover(market: bytes, fields: list[Value]) -> Handover:
    """Return the handover of decoded fields. Raises ``MalformedInput`` or ``Forged``."""
    match fields:
        case [
            _,
            int(view),
            int(index),
            bytes(origin),
            bytes(sequencer),
            list(witnesses),
            int(newest_index),
            bytes(newest),
            bytes(signer),
            bytes(signature),
        ]:
            pass
        case _:
            raise MalformedInput("a handover of another shape")
    check_counts(TAG, view=view, index=index, newest_index=newest_index)
    check_hashes(TAG, origin=origin, sequencer=sequencer, newest=newest, signer=signer)
    if view < 1:
        raise MalformedInput("handover: view 0 is begun by the genesis")
    named = _read_witnesses(witnesses)
    if newest_index > index:
        raise MalformedInput(
            f"handover: goes on from checkpoint {index}, its signer cosigned {newest_index}"
        )
    statement_id = compute_statement_id(TAG, market, fields[:-1])
    check_signed(TAG, statement_id, signer, signature)
    proposal = make_proposal(
        market, view=view, index=index, origin=origin, sequencer=sequencer, witnesses=named
    )
    return Handover(proposal, newest_index, newest, signer, signature, statement_id)


def _read_witnesses(values: list[Value]) -> tuple[bytes, ...]:
    if len(values) > limits.WITNESSES:
        raise MalformedInput(f"handover: {len(values)} witnesses, limit {limits.WITNESSES}")
    witnesses: list[bytes] = []
    for value in values:
        check_hashes(TAG, witness=value)
        assert isinstance(value, bytes)
        if witnesses and value <= witnesses[-1]:
            raise MalformedInput("handover: the witnesses are not strictly ascending")
        witnesses.append(value)
    return tuple(witnesses)


def _make_fields(
    proposal: Proposal, newest_index: int, newest: bytes, signer: bytes
) -> list[object]:
    return [
        TAG,
        proposal.view,
        proposal.index,
        proposal.origin,
        proposal.sequencer,
        list(proposal.witnesses),
        newest_index,
        newest,
        signer,
    ]
