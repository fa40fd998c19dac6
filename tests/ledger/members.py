"""What members say, a second time: their conditions for working, and their words for others."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from tests.ledger.form import DAY, need


@dataclass
class Word:
    """A verifier's word for an account."""

    verifier: bytes
    account: bytes
    claim: str
    state: str = "STANDING"


class Members:
    """Consents by account, words by entry, and who took how much on which day."""

    def __init__(self) -> None:
        self.consents: Final[dict[bytes, list[Any]]] = {}
        self.words: Final[dict[bytes, Word]] = {}
        self.taken: Final[Counter[tuple[bytes, int]]] = Counter()

    def get_terms(self, account: bytes) -> bytes | None:
        """Return the terms that an account opted in to."""
        return self.consents[account][0] if account in self.consents else None

    def check_caps(self, account: bytes, kind: str, units: int, owed: int, now: int) -> None:
        """Is a seat within what the account wants at most?"""
        _, (a_day, a_task, at_once, kinds), _, _ = self.consents[account]
        need(kinds is None or kind in kinds, "OWN_CAP_KINDS")
        need(a_task is None or units <= a_task, "OWN_CAP_UNITS")
        need(at_once is None or owed < at_once, "OWN_CAP_OPEN")
        need(a_day is None or self.taken[account, now // DAY] < a_day, "OWN_CAP_DAY")

    def check_requester(self, account: bytes, requester: bytes, score: int) -> None:
        """Does the account work for this one?"""
        _, _, least, blocked = self.consents[account]
        need(requester not in blocked, "REQUESTER_BLOCKED")
        need(score >= least, "REQUESTER_BELOW_MIN")

    def attest(self, name: bytes, verifier: bytes, fields: list[Any], now: int) -> None:
        """A verifier says something of an account, instead of what it said before."""
        account, claim, expiry, _ = fields
        need(account != verifier, "ATTESTS_ITSELF")
        need(expiry > now, "ATTESTATION_TOO_SHORT")
        need(expiry <= now + 366 * DAY, "ATTESTATION_TOO_LONG")
        for word in self.words.values():
            said = (word.verifier, word.account, word.claim, word.state)
            if said == (verifier, account, claim, "STANDING"):
                word.state = "RENEWED"
        self.words[name] = Word(verifier, account, claim)

    def revoke(self, name: bytes, account: bytes) -> None:
        """A word is taken back by who gave it."""
        need(name in self.words, "ATTESTATION_UNKNOWN")
        word = self.words[name]
        need(word.verifier == account, "NOT_THE_ATTESTER")
        need(word.state == "STANDING", "ATTESTATION_ENDED")
        word.state = "REVOKED"
