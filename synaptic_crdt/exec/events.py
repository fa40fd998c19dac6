"""What a worker tells its owner while it works.

Events are for people and logs; nothing decides by them. Their text is bounded and free of control
characters, whoever wrote it.
"""

from typing import Final

import msgspec

from synaptic_crdt.exec.display import clean_text

_TEXT_CHARACTERS: Final = 300


class Accepted(msgspec.Struct, frozen=True, tag="accepted"):
    """A seat was asked for; whose it is, a checkpoint makes final."""

    task: bytes
    assignment: bytes
    ask: int


class Waiting(msgspec.Struct, frozen=True, tag="waiting"):
    """Accepted work that cannot be begun or go on yet."""

    assignment: bytes
    reason: str


class Started(msgspec.Struct, frozen=True, tag="started"):
    """An executor is at work."""

    assignment: bytes
    executor: str
    seconds: float


class Resumed(msgspec.Struct, frozen=True, tag="resumed"):
    """Work that was in hand when the worker ended goes on from what is on record of it."""

    assignment: bytes
    how: str


class Delivered(msgspec.Struct, frozen=True, tag="delivered"):
    """A result was handed over; it is paid by approval, or by silence when the review ends.

    ``blob`` names what has to reach the requester on its own; empty when the entry carries it all.
    """

    assignment: bytes
    delivery: bytes
    size: int
    blob: bytes = b""


class Working(msgspec.Struct, frozen=True, tag="working"):
    """An executor is on its way: the size of its result so far, and tokens read and written."""

    assignment: bytes
    size: int
    tokens: int


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """Begun work was given up; the detail is told on this machine alone."""

    assignment: bytes
    reason: str
    detail: str = ""


class Declined(msgspec.Struct, frozen=True, tag="declined"):
    """Accepted work was given back before it was begun."""

    assignment: bytes
    reason: str


class Lost(msgspec.Struct, frozen=True, tag="lost"):
    """An assignment ended, or went to somebody else, without our doing."""

    assignment: bytes
    reason: str


class Renewed(msgspec.Struct, frozen=True, tag="renewed"):
    """A standing offer is in the book again after an absence."""

    offer: bytes


class PassedOver(msgspec.Struct, frozen=True, tag="passed over"):
    """A task, or an accepted assignment, that is left alone; said once for each."""

    subject: bytes
    by: str
    reason: str


class PolicyUnreadable(msgspec.Struct, frozen=True, tag="policy unreadable"):
    """The policy was damaged while the worker ran: nothing new is begun until it is mended."""

    reason: str


Event = (
    Accepted
    | Waiting
    | Started
    | Working
    | Resumed
    | Delivered
    | Failed
    | Declined
    | Lost
    | Renewed
    | PassedOver
    | PolicyUnreadable
)


def encode_event(event: Event) -> dict[str, str | int | float]:
    """Return an event as JSON fields: ``event``, then its own, ids in hex and texts cleaned."""
    fields: dict[str, str | int | float] = {"event": str(event.__struct_config__.tag)}
    for key, value in msgspec.structs.asdict(event).items():
        if isinstance(value, bytes):
            fields[key] = value.hex()
        elif isinstance(value, str):
            fields[key] = clean_text(value, _TEXT_CHARACTERS)
        else:
            fields[key] = value
    return fields
