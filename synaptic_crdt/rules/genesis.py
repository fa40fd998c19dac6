"""The genesis: who founded the market and under which parameters. Its hash is the market's id.

``decode_genesis`` guarantees that every field is within its bounds, so the rules never ask again.
A field that a later rules version adds goes to the end of its group under a new ``version``.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import msgspec

from synaptic_crdt.errors import MalformedInput
from synaptic_crdt.rules import limits
from synaptic_crdt.rules.fields import Hash, has_length, is_slug, is_symbol
from synaptic_crdt.rules.terms import DEFAULT_TERMS_HASH
from synaptic_crdt.state import codec
from synaptic_crdt.state.hashes import compute_hash
from synaptic_crdt.state.limits import GENESIS_BYTES, WITNESSES

GENESIS_VERSION: Final = 1
RULES_VERSION: Final = 1


class Kind(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A kind of task, and what one unit of it is: an amount of work, never a model token."""

    slug: str
    unit: str


class Genesis(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, kw_only=True
):
    """The first record of a market. Durations in ms, ratios in ppm, tokens in the smallest unit."""

    # Which rules.
    version: int
    rules: int
    # What it is.
    name: str
    symbol: str
    created_ms: int
    terms: Hash
    # Who comes in: by invitation only when the rate is 0.
    founder: Hash
    openings_per_day: int
    # Money.
    supply: int
    mint_cap: int
    treasury_day_cap: int
    fee_ppm: int
    deposit_ppm: int
    gain_floor: int
    # Work.
    kinds: tuple[Kind, ...]
    window_ms: int
    priority_ms: int
    reveal_ms: int
    review_ms: int
    contest_ms: int
    arbitration_ms: int
    slot_ms: int
    redispatch: int
    # Order and finality.
    sequencer: Hash
    witnesses: tuple[Hash, ...]
    recovery: Hash
    sandbox: bool
    finality_wait_ms: int
    # Who decides: so many of these accounts.
    council: tuple[Hash, ...]
    council_needed: int
    # Who rules in disputes: a quorum of these. Who vouches for providers.
    arbiters: tuple[Hash, ...]
    quorum: int
    verifiers: tuple[Hash, ...]

    @property
    def is_open(self) -> bool:
        """May anybody open an account, within the daily rate?"""
        return self.openings_per_day > 0


DEFAULT_KINDS: Final = (
    Kind("code.review", "one file of up to 500 lines"),
    Kind("text.answer", "one question"),
    Kind("text.summarize", "one page of 3,000 characters"),
    Kind("text.translate", "one page of 3,000 characters"),
)
DEFAULT_SUPPLY: Final = 10**9
_DAY_CAP_DIVISOR: Final = 1_000


def make_genesis(
    *,
    name: str,
    symbol: str,
    founder: bytes,
    recovery: bytes,
    created_ms: int,
    sandbox: bool = False,
    openings_per_day: int = 0,
    supply: int = DEFAULT_SUPPLY,
    mint_cap: int = 0,
    treasury_day_cap: int | None = None,
    fee_ppm: int = 0,
    deposit_ppm: int = 100_000,
    gain_floor: int = 10,
    kinds: Sequence[Kind] = DEFAULT_KINDS,
    window_ms: int = 15 * limits.MINUTE_MS,
    priority_ms: int = 5 * limits.SECOND_MS,
    reveal_ms: int = limits.HOUR_MS,
    review_ms: int = limits.DAY_MS,
    contest_ms: int = limits.DAY_MS,
    arbitration_ms: int = 3 * limits.DAY_MS,
    slot_ms: int = 5 * limits.MINUTE_MS,
    redispatch: int = 3,
    finality_wait_ms: int = limits.DAY_MS,
    witnesses: Sequence[bytes] = (),
    council: Sequence[bytes] = (),
    council_needed: int = 1,
    arbiters: Sequence[bytes] = (),
    quorum: int = 1,
    verifiers: Sequence[bytes] = (),
    terms: bytes = DEFAULT_TERMS_HASH,
) -> Genesis:
    """Return a genesis with the defaults; the founder is sequencer and, unless named, council and arbiter.

    Raises ``MalformedInput`` when a value is out of its bounds.
    """
    genesis = Genesis(
        version=GENESIS_VERSION,
        rules=RULES_VERSION,
        name=name,
        symbol=symbol,
        created_ms=created_ms,
        terms=terms,
        founder=founder,
        openings_per_day=openings_per_day,
        supply=supply,
        mint_cap=mint_cap,
        treasury_day_cap=supply // _DAY_CAP_DIVISOR
        if treasury_day_cap is None
        else treasury_day_cap,
        fee_ppm=fee_ppm,
        deposit_ppm=deposit_ppm,
        gain_floor=gain_floor,
        kinds=tuple(sorted(kinds, key=lambda kind: kind.slug)),
        window_ms=window_ms,
        priority_ms=priority_ms,
        reveal_ms=reveal_ms,
        review_ms=review_ms,
        contest_ms=contest_ms,
        arbitration_ms=arbitration_ms,
        slot_ms=slot_ms,
        redispatch=redispatch,
        sequencer=founder,
        witnesses=tuple(sorted(witnesses)),
        recovery=recovery,
        sandbox=sandbox,
        finality_wait_ms=finality_wait_ms,
        council=tuple(sorted(council)) or (founder,),
        council_needed=council_needed,
        arbiters=tuple(sorted(arbiters)) or (founder,),
        quorum=quorum,
        verifiers=tuple(sorted(verifiers)),
    )
    return decode_genesis(encode_genesis(genesis))


def encode_genesis(genesis: Genesis) -> bytes:
    """Return the canonical bytes of a genesis; checks nothing but that they can be written."""
    return codec.encode(msgspec.to_builtins(genesis, builtin_types=(bytes,)))


def decode_genesis(data: bytes) -> Genesis:
    """Return the genesis of canonical bytes, every field within its bounds.

    Raises ``MalformedInput`` naming the field, its value and the rule.
    """
    value = codec.decode(data, GENESIS_BYTES)
    match value:
        case [int(version), int(rules), *_] if type(version) is int and type(rules) is int:
            if (version, rules) != (GENESIS_VERSION, RULES_VERSION):
                raise MalformedInput(
                    f"genesis version {version} with rules {rules} is not known here, only"
                    f" {GENESIS_VERSION} with {RULES_VERSION}; a newer program may read it"
                )
        case _:
            raise MalformedInput("a genesis is an array that begins with its version and rules")
    try:
        genesis = msgspec.convert(value, Genesis, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise MalformedInput(f"genesis: {error}") from error
    _check_identity(genesis)
    _check_money(genesis)
    _check_kinds(genesis)
    _check_durations(genesis)
    _check_witnesses(genesis)
    _check_council(genesis)
    _check_judges(genesis)
    return genesis


def compute_market_id(genesis_bytes: bytes) -> bytes:
    """Return ``H("market", genesis)``."""
    return compute_hash("market", genesis_bytes)


def _check_identity(genesis: Genesis) -> None:
    _check(
        has_length(genesis.name, 1, limits.NAME_BYTES),
        f"name {genesis.name!r:.80} must have 1 to {limits.NAME_BYTES} bytes",
    )
    _check(
        is_symbol(genesis.symbol),
        f"symbol {genesis.symbol!r:.40} must be 1 to {limits.SYMBOL_BYTES} of A-Z and 0-9",
    )
    _check_range("created_ms", genesis.created_ms, 0, limits.CREATED_MAX_MS)
    _check_range("openings_per_day", genesis.openings_per_day, 0, limits.OPENINGS_MAX)


def _check_money(genesis: Genesis) -> None:
    _check_range("supply", genesis.supply, 1, limits.SUPPLY_MAX)
    _check_range("mint_cap", genesis.mint_cap, 0, limits.SUPPLY_MAX - genesis.supply)
    _check_range("treasury_day_cap", genesis.treasury_day_cap, 0, genesis.supply)
    _check_range("fee_ppm", genesis.fee_ppm, 0, limits.MILLION)
    _check_range("deposit_ppm", genesis.deposit_ppm, 0, limits.MILLION)
    _check_range("gain_floor", genesis.gain_floor, 0, limits.SUPPLY_MAX)


def _check_kinds(genesis: Genesis) -> None:
    _check_range("number of kinds", len(genesis.kinds), 1, limits.KINDS)
    previous = ""
    for kind in genesis.kinds:
        _check(
            is_slug(kind.slug),
            f"kind {kind.slug!r:.60} must be 1 to {limits.SLUG_BYTES} of a-z, 0-9, '.' and '-',"
            " beginning with a letter or a digit",
        )
        _check(previous < kind.slug, f"kind {kind.slug!r} must come once, in ascending order")
        _check(
            has_length(kind.unit, 1, limits.UNIT_BYTES),
            f"unit {kind.unit!r:.80} of kind {kind.slug!r} must have 1 to {limits.UNIT_BYTES} bytes",
        )
        previous = kind.slug


def _check_durations(genesis: Genesis) -> None:
    low, high = limits.DURATION_MIN_MS, limits.DURATION_MAX_MS
    _check_range("window_ms", genesis.window_ms, low, high)
    _check_range("priority_ms", genesis.priority_ms, 0, limits.PRIORITY_MAX_MS)
    _check_range("reveal_ms", genesis.reveal_ms, low, high)
    _check_range("review_ms", genesis.review_ms, low, high)
    _check_range("contest_ms", genesis.contest_ms, low, high)
    _check_range("arbitration_ms", genesis.arbitration_ms, low, high)
    _check_range("slot_ms", genesis.slot_ms, limits.SLOT_MIN_MS, limits.DAY_MS)
    _check_range("finality_wait_ms", genesis.finality_wait_ms, low, high)
    _check_range("redispatch", genesis.redispatch, 0, limits.REDISPATCH_MAX)


def _check_witnesses(genesis: Genesis) -> None:
    witnesses = genesis.witnesses
    _check_accounts("witness device", witnesses, 0, WITNESSES)
    _check(
        not (genesis.sandbox and witnesses),
        "a sandbox has no witnesses, since nothing in it is ever final",
    )


def _check_council(genesis: Genesis) -> None:
    council = genesis.council
    _check_accounts("council account", council, 1, limits.COUNCIL)
    _check_range("council_needed", genesis.council_needed, 1, len(council))


def _check_judges(genesis: Genesis) -> None:
    _check_accounts("arbiter", genesis.arbiters, 1, limits.JUDGES)
    _check_range("quorum", genesis.quorum, 1, len(genesis.arbiters))
    _check_accounts("verifier", genesis.verifiers, 0, limits.VERIFIERS)


def _check_accounts(what: str, accounts: tuple[bytes, ...], low: int, high: int) -> None:
    _check_range(f"number of {what}s", len(accounts), low, high)
    for before, after in pairwise(accounts):
        _check(before < after, f"{what} {after.hex()} must come once, in ascending order")


def _check_range(field: str, value: int, low: int, high: int) -> None:
    _check(low <= value <= high, f"{field} {value} must be from {low} to {high}")


def _check(holds: bool, message: str) -> None:  # noqa: FBT001 - a condition reads best first
    if not holds:
        raise MalformedInput(f"genesis: {message}")
