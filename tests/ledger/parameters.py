"""What the council can change, a second time: in force, and decided with a day's notice."""

from typing import Any, Final

from tests.ledger.form import DAY, need

# In the order of the operation's fields; each is the name under which its timer is known, too.
NAMES: Final = ("kinds", "terms", "fee_ppm", "arbiters", "verifiers", "rules")


class Parameters:
    """The figures in force, and by name (when, what) of those that follow."""

    def __init__(self, *, sandbox: bool, supply: int, mint_cap: int, **figures: Any) -> None:  # noqa: ANN401 - of all types
        self.sandbox: Final = sandbox
        self.supply = supply
        self.most: Final = supply + mint_cap
        self.figures: Final[dict[str, Any]] = {**figures, "rules": 1}
        self.pending: Final[dict[str, tuple[int, Any]]] = {}
        self.next_rules = 0

    def decide(self, fields: list[Any], now: int) -> None:
        """Arbiters at once, all else tomorrow."""
        for name, value in zip(NAMES, fields[:-1], strict=True):
            if value is not None and name == "arbiters":
                self.figures[name] = value
            elif value is not None:
                self.pending[name] = (now + DAY, value)

    def get_deadlines(self) -> list[tuple[int, bytes]]:
        """Return when each pending change is due."""
        return [(due, name.encode()) for name, (due, _) in self.pending.items()]

    def pass_deadline(self, name: bytes) -> None:
        """A notice is over; rules wait for the end of an epoch, where there are any."""
        _, value = self.pending.pop(name.decode())
        if name != b"rules":
            self.figures[name.decode()] = value
        elif self.sandbox:
            self.figures["rules"] = value
        else:
            self.next_rules = value

    def close_epoch(self) -> None:
        """The next rules begin."""
        if self.next_rules:
            self.figures["rules"] = self.next_rules
            self.next_rules = 0

    def mint(self, amount: int) -> None:
        """There are more tokens now."""
        self.supply += amount

    def check_mint(self, amount: int) -> None:
        """Is there room for so many?"""
        need(self.supply + amount <= self.most, "MINT_OVER_CAP")
