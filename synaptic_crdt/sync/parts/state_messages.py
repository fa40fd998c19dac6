"""What a newcomer and a peer say to each other about a checkpoint's state, all of it bounded."""

from typing import Annotated

from msgspec import Meta

from synaptic_crdt.state import limits
from synaptic_crdt.sync.messages import Count, Hash, Message, Row


class StateAsk(Message, frozen=True, tag="state ask"):
    """Said in place of hello: the sender holds nothing, and would begin at a checkpoint."""


class Section(Row, frozen=True):
    """A part of a state file, which is fetched as a blob."""

    blob: Hash
    size: Annotated[int, Meta(ge=1, le=limits.BLOB_BYTES)]


class StateOffer(Message, frozen=True, tag="state offer"):
    """Answers it: the sections, in order, of a file with the state of a checkpoint; or none.

    It has all that comes with a state, as ``bundle write --state`` writes it.
    """

    epoch: Count
    sections: Annotated[tuple[Section, ...], Meta(max_length=limits.STATE_SECTIONS)]
