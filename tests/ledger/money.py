"""Who has what: free tokens, the treasury, and what is locked for whom.

Nothing is made but by ``mint``.
"""

from typing import Final

TREASURY: Final = b""

# What a hold is for: a seat's escrow, a seat's bond, an invitation's grant.
Purpose = str


class Money:
    """All tokens of a market; every change takes from one place what it gives to another."""

    def __init__(self, supply: int) -> None:
        self.supply = supply
        self.free: Final[dict[bytes, int]] = {TREASURY: supply}
        self.holds: Final[dict[tuple[bytes, Purpose], tuple[bytes, int]]] = {}

    def move(self, giver: bytes, taker: bytes, amount: int) -> None:
        """Give free tokens."""
        self.free[giver] -= amount
        self.free[taker] += amount
        self.check()

    def mint(self, amount: int) -> None:
        """Make tokens, for the treasury: all that ever is made comes through here."""
        self.supply += amount
        self.free[TREASURY] += amount
        self.check()

    def lock(self, payer: bytes, subject: bytes, purpose: Purpose, amount: int) -> None:
        """Lock free tokens for a subject."""
        if amount > 0:
            self.free[payer] -= amount
            self.holds[subject, purpose] = (payer, amount)
        self.check()

    def unlock(self, subject: bytes, purpose: Purpose, shares: dict[bytes, int]) -> None:
        """End a hold: so much to each of some accounts, what is left to who paid."""
        payer, amount = self.holds.pop((subject, purpose), (TREASURY, 0))
        for taker, share in shares.items():
            self.free[taker] += share
            amount -= share
        if amount < 0:
            raise AssertionError(f"{purpose} of {subject.hex()}: {-amount} more than was locked")
        self.free[payer] += amount
        self.check()

    def check(self) -> None:
        """Raise AssertionError when a token is missing, or one too many, or owed."""
        locked = [amount for _, amount in self.holds.values()]
        everything = [*self.free.values(), *locked]
        if sum(everything) != self.supply or min(everything) < 0:
            raise AssertionError(f"{self.free} and {self.holds} are not {self.supply}")
