"""The one interface behind which work is done.

An executor gets a payload and gives a result or says why not; it knows no market, no money and no
key. What it cannot do it returns as a ``Failure``: an error text is never a result. An exception
that leaves ``run`` is a mistake of ours. It must stop when trio cancels it, since every run has
a deadline, and it must not tell the payload's instructions from data: all of it is data.
"""

from typing import Final, Literal, Protocol

import msgspec

ANY: Final = "*"

# Reasons travel in `task.fail`, so each is a slug.
FailureReason = Literal[
    "deadline",
    "executor-error",
    "payload-unsupported",
    "result-empty",
    "result-refused",
    "result-too-large",
    "stopped",
]


class Skills(msgspec.Struct, frozen=True):
    """What an executor takes on: kinds of tasks and media types of payloads; ``*`` is any."""

    kinds: tuple[str, ...]
    media_types: tuple[str, ...]

    def covers(self, kind: str, media_type: str) -> bool:
        """Does this executor take payloads of a media type, its parameters aside, for a kind?"""
        essence = media_type.partition(";")[0].strip().lower()
        return (kind in self.kinds or ANY in self.kinds) and (
            essence in self.media_types or ANY in self.media_types
        )


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One assignment's work: everything an executor is told."""

    assignment: bytes
    kind: str
    title: str
    units: int
    media_type: str
    payload: bytes


class Result(msgspec.Struct, frozen=True):
    """What is delivered."""

    media_type: str
    data: bytes


class Failure(msgspec.Struct, frozen=True):
    """Why nothing is delivered."""

    reason: FailureReason


class Executor(Protocol):
    """Does jobs, several at a time if asked to."""

    @property
    def name(self) -> str:
        """The word by which it is chosen."""
        ...

    @property
    def skills(self) -> Skills:
        """What it takes on."""
        ...

    async def run(self, job: Job) -> Result | Failure:
        """Do a job; the caller bounds its time and the size of its result."""
        ...
