"""The built-in executor that does no work: deterministic, offline, and open about it.

For demonstrations, tests and sandbox markets. Its result says that it is a rehearsal, and shows by
kind, size, digest and excerpt that the payload arrived whole.
"""

from hashlib import blake2b
from typing import Final

from synaptic_crdt.exec.display import clean_bytes
from synaptic_crdt.exec.executors.base import ANY, Failure, Job, Result, Skills, Tell

_DIGEST_BYTES: Final = 8
_EXCERPT_CHARACTERS: Final = 200


class RehearsalExecutor:
    """Takes on everything, and answers at once with what it was given."""

    def __init__(self) -> None:
        self.name: Final = "rehearsal"
        self.skills: Final = Skills(kinds=(ANY,), media_types=(ANY,), is_free=True)

    async def run(self, job: Job, _: Tell) -> Result | Failure:
        """Return a text about the payload."""
        return Result("text/plain", compose_text(job).encode())


def compose_text(job: Job) -> str:
    """Return the text that a rehearsal delivers: printable lines of bounded length."""
    digest = blake2b(job.payload, digest_size=_DIGEST_BYTES).hexdigest()
    lines = (
        "This is a rehearsal: no model and no person did this work.",
        f"Task kind: {job.kind}, units: {job.units}",
        f"Payload: {len(job.payload)} bytes, digest {digest}",
        f"It begins: {clean_bytes(job.payload, _EXCERPT_CHARACTERS)}",
    )
    return "\n".join(lines) + "\n"
