"""Who may be at the other end of a link: asked of the node, which knows the market's rules.

A device is let in when its feed is held here, or when the *openings* that it shows, the first
entries of its own feed, of its inviter's, and so on, lead to a feed that is. So a newcomer and an
old member know each other before either has synced. An opening proves nothing about who shows it:
that the device at the other end holds its key is the channel's business.
"""

from collections.abc import Sequence
from enum import Enum
from typing import Annotated, Protocol

from msgspec import Meta

from synaptic_crdt.state import limits
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.sync.messages import Hash, Row


class Opening(Row, frozen=True):
    """The first entry of a device's feed, which says who vouches for the device."""

    device: Hash
    body: Annotated[bytes, Meta(min_length=1, max_length=limits.OPENING_BYTES)]


class Access(Enum):
    """What a device that is let in may do over a link that it made."""

    MEMBER = "member"
    READER = "reader"  # an auditor: of entries it brings its own feed's alone


class Refusal(Enum):
    """Why an end of a link does not let the other one in, as it is told there."""

    STRANGER = 1
    REVOKED = 2
    FULL = 3
    WAIT = 4


class Membership(Protocol):
    """One device of one market: what it shows of itself, and what it thinks of others."""

    @property
    def key(self) -> DeviceKey:
        """The key of the device at this end."""
        ...

    def get_openings(self) -> Sequence[Opening]:
        """Return what shows that this device belongs to the market."""
        ...

    def judge(self, device: bytes, openings: Sequence[Opening]) -> Access | Refusal:
        """Return what the device at the other end may do, or why it is not let in."""
        ...
