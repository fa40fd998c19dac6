"""A day of a market, played through the command line alone, and what it should come to.

A private task has three shards and two providers. One of them delivers a shard late and abandons
another, which the other provider does instead; her own shard she starts late, is scored low,
contests it, and two of three arbiters rule. What is expected is computed here, from the written
rules, by plain arithmetic.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.cli.conftest import Json, run_line, tell

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
NAMES = ("fay", "rita", "paul", "pia", "ann", "bob", "cyd")
GRANTS = {"rita": 1_000, "paul": 200, "pia": 200, "ann": 0, "bob": 0, "cyd": 0}
EVIDENCE = "ab" * 32

# What the task says: two units a shard at up to 100, and what a fault costs.
UNITS, PRICE_MAX, BOND, PENALTY = 2, 100, 20, 30
FEE_PPM, MILLION = 20_000, 1_000_000
POST = (
    *("task", "post", "--kind", "text.answer", "--title", "Three letters", "--private"),
    *("--text", "Dear Ana", "--text", "Dear Bea", "--text", "Dear Cleo"),
    *("--units", str(UNITS), "--price", str(PRICE_MAX), "--bond", str(BOND)),
    *("--penalty", str(PENALTY), "--metric", "accuracy=90", "--priority", "0s"),
    *("--response", "10m", "--execution", "1h", "--window", "6h"),
    *("--arbiter", "ann", "--arbiter", "bob", "--arbiter", "cyd", "--quorum", "2"),
)

# Seat 0: Paul asks 90 a unit and is an hour late: one violation; the share is full.
LATE_PRICE = 90 * UNITS
LATE_EARNED = LATE_PRICE - PENALTY
LATE_FEE = LATE_EARNED * FEE_PPM // MILLION
LATE_PAID = LATE_EARNED - LATE_FEE
# Seat 1: Paul abandons it, his bond is Rita's; then Pia asks 80 a unit and does it well.
AGAIN_PRICE = 80 * UNITS
AGAIN_FEE = AGAIN_PRICE * FEE_PPM // MILLION
AGAIN_PAID = AGAIN_PRICE - AGAIN_FEE
# Seat 2: Pia asks 100 a unit and starts late. Rulings of 50 and 70 % make the lower median 50 %;
# a ruling contains quality, so the missed metric costs nothing beside it.
RULED_PRICE = 100 * UNITS
RULED_EARNED = (RULED_PRICE - PENALTY) * 500_000 // MILLION
RULED_FEE = RULED_EARNED * FEE_PPM // MILLION
# A tenth of the price is at stake; the half that was not ruled hers is Rita's.
DEPOSIT = -(-RULED_PRICE // 10)
STAKED = min(DEPOSIT * (MILLION - 500_000) // MILLION, RULED_EARNED - RULED_FEE)
RULED_PAID = RULED_EARNED - RULED_FEE - STAKED
# Every seat locked the same; what was not earned is Rita's again.
ESCROW = PRICE_MAX * UNITS
FEES = LATE_FEE + AGAIN_FEE + RULED_FEE
BALANCES = {
    "fay": 0,
    "rita": GRANTS["rita"]
    - 3 * ESCROW
    + (ESCROW - LATE_EARNED)
    + BOND
    + (ESCROW - AGAIN_PRICE)
    + (ESCROW - RULED_EARNED + STAKED),
    "paul": GRANTS["paul"] - BOND + LATE_PAID,
    "pia": GRANTS["pia"] + AGAIN_PAID + RULED_PAID,
    "ann": 0,
    "bob": 0,
    "cyd": 0,
}


def pick(row: Json, *fields: str) -> tuple[object, ...]:
    return tuple(row[field] for field in fields)


# What each of the three who trade has: available, in escrow, bonded.
Wallets = dict[str, tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Story:
    """Where the homes are, and the ids of what happened in them."""

    folder: Path
    accounts: dict[str, str]
    task: str
    late: str
    abandoned: str
    again: str
    ruled: str
    treasury: int
    wallets: dict[str, Wallets]
    refused: Json


class Market:
    """Homes that meet at the founder's, who sequences."""

    def __init__(self, wait: Callable[[int], None]) -> None:
        self._wait = wait

    def found(self) -> None:
        fund = sum(GRANTS.values())
        tell("fay", "init", "--account-name", "fay", "--fund", str(fund))
        for name, grant in GRANTS.items():
            invited = tell("fay", "invite", "--grant", str(grant))
            tell(name, "join", invited["ticket"], "--account-name", name)
        self.meet()
        for name in ("paul", "pia"):
            tell(name, "consent", "on")
        tell("fay", "market", "set", "--fee-ppm", str(FEE_PPM))
        self.pass_time(DAY_MS)

    def meet(self, *names: str) -> None:
        """Let all learn what these wrote, and make it final."""
        for name in names or NAMES[1:]:
            tell(name, "bundle", "write", "stick")
            tell("fay", "bundle", "read", "stick")
        tell("fay", "checkpoint")
        tell("fay", "bundle", "write", "stick")
        for name in NAMES[1:]:
            tell(name, "bundle", "read", "stick")

    def pass_time(self, ms: int) -> None:
        self._wait(ms)
        self.meet()

    def read_wallets(self) -> Wallets:
        told = {name: tell("bob", "wallet", "--account", name) for name in ("rita", "paul", "pia")}
        return {
            name: pick(wallet, "available", "escrow", "bonded") for name, wallet in told.items()
        }

    def accept(self, name: str, task: str, ask: int) -> str:
        """Accept; the assignment."""
        return tell(name, "task", "accept", task, "--ask", str(ask))["assignment"]


def play(market: Market) -> Story:
    market.found()
    treasury = tell("fay", "state")["treasury"]
    wallets: dict[str, Wallets] = {}
    task = tell("rita", *POST)["task"]
    market.meet("rita")
    wallets["posted"] = market.read_wallets()
    late, abandoned = (market.accept("paul", task, 90) for _ in range(2))
    ruled = market.accept("pia", task, 100)
    market.meet("paul", "pia")
    wallets["accepted"] = market.read_wallets()
    for assignment in (late, abandoned, ruled):
        tell("rita", "task", "reveal", assignment)
    market.meet("rita")
    tell("paul", "task", "start", late)
    tell("paul", "task", "start", abandoned)
    market.pass_time(20 * MINUTE_MS)
    tell("pia", "task", "start", ruled)
    market.pass_time(30 * MINUTE_MS)
    tell("pia", "task", "deliver", ruled, "--text", "Yours, C.")
    market.pass_time(70 * MINUTE_MS)
    tell("paul", "task", "deliver", late, "--text", "Yours, A.")
    market.meet("paul")
    tell("rita", "task", "approve", late, "--score", "accuracy=95")
    tell("rita", "task", "approve", ruled, "--score", "accuracy=70")
    market.meet("rita")
    wallets["held"] = market.read_wallets()
    tell("pia", "dispute", "open", ruled, "--reason", "unfair", "--evidence", EVIDENCE)
    market.pass_time(2 * HOUR_MS)
    wallets["abandoned"] = market.read_wallets()
    refused = run_line("--home", "paul", "--json", "task", "accept", task).error
    again = market.accept("pia", task, 80)
    market.meet("pia")
    tell("rita", "task", "reveal", again)
    market.meet("rita")
    tell("pia", "task", "start", again)
    tell("pia", "task", "deliver", again, "--text", "Yours, B.")
    market.meet("pia")
    tell("rita", "task", "approve", again, "--score", "accuracy=90")
    for arbiter in ("ann", "cyd"):
        tell("pia", "task", "share", ruled, arbiter, "--result")
    market.meet("rita", "pia")
    wallets["done again"] = market.read_wallets()
    tell("ann", "dispute", "rule", ruled, "70")
    tell("cyd", "dispute", "rule", ruled, "50")
    market.meet("ann", "cyd")
    tell("rita", "feedback", late, "4")
    tell("rita", "feedback", ruled, "2", "--comment", "late and thin")
    tell("rita", "feedback", again, "5")
    tell("paul", "feedback", late, "5")
    tell("pia", "feedback", ruled, "1")
    market.meet("rita", "paul", "pia")
    return Story(
        folder=Path.cwd(),
        accounts={name: tell(name, "whoami")["account"] for name in NAMES},
        task=task,
        late=late,
        abandoned=abandoned,
        again=again,
        ruled=ruled,
        treasury=treasury,
        wallets=wallets,
        refused=refused,
    )


# Paul: settled 10, begun early 2, late -5; abandoned -20; praised 5.
PAUL = 10 + 2 - 5 - 20 + 5
# Pia: settled 10, begun early 2. Her second settlement with Rita's group counts half: 10 >> 1, late
# in full -5. As both are rated, each has one other beside it: blame 10 >> 1, praise 5 >> 1.
PIA = 10 + 2 + (10 >> 1) - 5 - (10 >> 1) + (5 >> 1)
# Rita: with Paul 2, with Pia 2 and 2 >> 1; praised by Paul 1, blamed by Pia 5 >> 1.
RITA = 2 + 2 + (2 >> 1) + 1 - (5 >> 1)
