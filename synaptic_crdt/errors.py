"""Every exception that bytes from outside, storage or a local choice can cause.

A refusal by the market's rules is a verdict, not an exception; a mistake of ours is an ``assert``.
Each class carries the exit code of the command line; each message names the value, the rule it
breaks and, where there is one, the next step.
"""

from typing import ClassVar


class SynapticError(Exception):
    """Base of all errors that are meant to reach a person."""

    exit_code: ClassVar[int] = 3


class MalformedInput(SynapticError):
    """Bytes that break the frozen format: size, encoding, shape or order. The sender lied."""

    exit_code = 4


class Forged(SynapticError):
    """Well-formed bytes whose hash chain, seal or signature does not verify."""

    exit_code = 4


class WrongMarket(SynapticError):
    """The other side, a bundle or a ticket belongs to another market."""


class ProtocolViolation(SynapticError):
    """A peer that broke the order or the limits of the session; its link ends."""


class VersionMismatch(SynapticError):
    """A peer, a bundle or a store that speaks a version we do not know."""


class LinkFailed(SynapticError):
    """A link that could not be made, or was cut before both ends were done."""


class ChannelFailed(SynapticError):
    """The secure channel could not be made, or what came through it does not verify."""


class NotAdmitted(SynapticError):
    """One end of a link does not let the other one in: it is no member here, or was revoked."""


class ForkSeen(SynapticError):
    """Two sealed branches of one feed: its device signed two histories."""

    exit_code = 4


class StoreDamaged(SynapticError):
    """Stored bytes that no longer verify, named by feed and position."""

    exit_code = 4


class BodyArchived(SynapticError):
    """The body of a final entry that this home moved to an archive."""

    exit_code = 4


class StoreFailed(SynapticError):
    """The disk refused: full, read-only, or gone. Nothing was acknowledged."""

    exit_code = 4


class KeyLocked(SynapticError):
    """A device key that needs its passphrase, or was given a wrong one."""

    exit_code = 2


class NoReadKey(SynapticError):
    """A file that is encrypted by a read key that this home lacks."""

    exit_code = 2


class UsageError(SynapticError):
    """An argument that cannot mean anything here."""

    exit_code = 2


class Refused(SynapticError):
    """The contract would not apply the operation; carries the verdict's name."""

    exit_code = 1

    def __init__(self, verdict: str, explanation: str) -> None:
        super().__init__(f"{verdict}: {explanation}")
        self.verdict = verdict
        self.explanation = explanation


class PolicyRefused(SynapticError):
    """This machine's own policy said no; the market was not asked."""

    exit_code = 5


class AuditFailed(SynapticError):
    """A replay that ended in something else than was claimed."""

    exit_code = 4
