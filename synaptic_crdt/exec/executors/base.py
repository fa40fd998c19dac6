"""The one interface behind which work is done.

An executor gets a payload and gives a result or says why not; it knows no market, no money and no
key. What it cannot do it returns as a ``Failure``: an error text is never a result. An exception
that leaves ``run`` is a mistake of ours. It must stop when trio cancels it, since every run has
a deadline, and it must not tell the payload's instructions from data: all of it is data.

What a run has cost is told while it runs, not returned at its end: a run that is cancelled has
cost something too.
"""

from collections.abc import Callable
from typing import Final, Literal, Protocol

import msgspec

ANY: Final = "*"

# Reasons travel in `task.fail`, so each is a slug, and none tells the world about its provider's
# account: what is the matter with that stays in the failure's detail.
FailureReason = Literal[
    "deadline",
    "executor-error",
    "interrupted",
    "link-failed",
    "model-refused",
    "over-budget",
    "overloaded",
    "payload-too-large",
    "payload-unsupported",
    "rate-limited",
    "result-empty",
    "result-refused",
    "result-too-large",
    "result-truncated",
    "result-unusable",
    "stopped",
]


class Skills(msgspec.Struct, frozen=True):
    """What an executor takes on: kinds of tasks and media types of payloads; ``*`` is any.

    A metered one spends tokens of a model, which the policy counts. One that ``is_free`` costs
    nothing and changes nothing, so that a run that was cut off is simply run again.
    """

    kinds: tuple[str, ...]
    media_types: tuple[str, ...]
    is_metered: bool = False
    is_free: bool = False

    def covers(self, kind: str, media_type: str) -> bool:
        """Does this executor take payloads of a media type, its parameters aside, for a kind?"""
        return (kind in self.kinds or ANY in self.kinds) and (
            get_essence(media_type) in self.media_types or ANY in self.media_types
        )


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one run may take; its time the caller bounds.

    ``output_tokens`` is the most that a model may write, thoughts included, ``tokens`` the most
    that it may read and write together, ``result_bytes`` the size of the largest result.
    """

    result_bytes: int
    output_tokens: int = 0
    tokens: int = 0


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One assignment's work: everything an executor is told. Ids have 32 bytes."""

    assignment: bytes
    task: bytes
    requester: bytes
    kind: str
    title: str
    criteria: str
    units: int
    media_type: str
    payload: bytes
    limits: Limits
    model: str = ""


class Usage(msgspec.Struct, frozen=True):
    """What a run has cost so far: tokens a model read and wrote, by the vendor's own count.

    It is exact once the model has ended; until then it may have written more than was told.
    """

    model: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    is_exact: bool = False


class Progress(msgspec.Struct, frozen=True):
    """How far a run is: its cost, and the size of the result so far in bytes."""

    usage: Usage
    size: int


class Result(msgspec.Struct, frozen=True):
    """What is delivered."""

    media_type: str
    data: bytes


class Failure(msgspec.Struct, frozen=True):
    """Why nothing is delivered.

    ``detail`` is for the owner of this machine alone. ``retry_seconds`` is how long to wait before
    the same run may be tried again; it is None when trying again would change nothing, or might be
    paid for twice. A lasting failure is one of this machine: no other job would fare better before
    its owner acts. A free one is known to have cost nothing.
    """

    reason: FailureReason
    detail: str = ""
    retry_seconds: float | None = None
    is_lasting: bool = False
    is_free: bool = False


Tell = Callable[[Progress], None]


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

    async def run(self, job: Job, tell: Tell, /) -> Result | Failure:
        """Do a job, telling how far it is; the caller bounds its time and checks its result."""
        ...


def get_essence(media_type: str) -> str:
    """Return a media type without its parameters, in lower case."""
    return media_type.partition(";")[0].strip().lower()
