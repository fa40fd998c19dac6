"""The parameters in force, and how the council changes them: after a day's notice, but arbiters.

Guarantees that nobody meets a change unannounced: what is decided stands in the table of pending
changes, by parameter, until its timer carries it out. A later decision on the same parameter takes
the place of a pending one, so the council can think better of it. A task keeps the parameters of
its posting; this module knows nothing of tasks. Arbiters change at once, since who is missing or
bribed must be replaceable before the next dispute.

Another version of the rules begins at the end of the first epoch after its notice, so that
everybody changes them between the same two entries; in a sandbox, which has no epochs, at the
notice's end.
"""

from typing import Final, Literal

from msgspec.structs import replace

from synaptic_crdt.rules import council, limits
from synaptic_crdt.rules.council_operations import MarketSet
from synaptic_crdt.rules.genesis import RULES_VERSION
from synaptic_crdt.rules.market import ONLY, Act, Market
from synaptic_crdt.rules.rows import ChangeRow, ParametersRow
from synaptic_crdt.rules.verdicts import Refusal, Verdict

# What has notice. A name is the key of the pending change and of its timer: too short to be
# anybody's key, id or seat.
Parameter = Literal["kinds", "terms", "fee_ppm", "verifiers", "rules"]
PARAMETERS: Final[tuple[Parameter, ...]] = ("kinds", "terms", "fee_ppm", "verifiers", "rules")


def set_parameters(market: Market, op: MarketSet, act: Act) -> Refusal | None:
    """Count one voice of the council; the deciding one announces the change."""
    appointed = [] if op.arbiters is None else [*op.arbiters.accounts]
    for account in [*appointed, *(op.verifiers or ())]:
        if market.accounts.get(account) is None:
            return Refusal(Verdict.APPOINTED_UNKNOWN, (account,))
    refusal = council.check_vote(market, op, act)
    if refusal is not None:
        return refusal
    # From here on the operation must succeed.
    if council.vote(market, op, act).decided:
        _decide(market, op, act)
    return None


def apply_change(market: Market, parameter: bytes) -> None:
    """Put a pending change in force: its notice is over."""
    change = market.changes.get(parameter)
    assert change is not None, parameter
    market.changes.delete(parameter)
    values = {
        field: value
        for field in ("kinds", "terms", "fee_ppm", "verifiers", "rules_due")
        if (value := getattr(change, field)) is not None
    }
    _write(market, replace(market.get_parameters(), **values))
    if market.genesis.sandbox:
        begin_rules(market)


def begin_rules(market: Market) -> None:
    """Let the rules version begin whose notice is over, if one waits for the end of an epoch."""
    parameters = market.get_parameters()
    if parameters.rules_due:
        _write(market, replace(parameters, rules=parameters.rules_due, rules_due=0))


def check_rules(market: Market) -> Refusal | None:
    """Are these still the rules that the market goes by?"""
    rules = market.get_parameters().rules
    return None if rules == RULES_VERSION else Refusal(Verdict.RULES_NEWER, (rules, RULES_VERSION))


def _decide(market: Market, op: MarketSet, act: Act) -> None:
    if op.arbiters is not None:
        accounts, quorum = op.arbiters.accounts, op.arbiters.quorum
        _write(market, replace(market.get_parameters(), arbiters=accounts, quorum=quorum))
    due_ms = act.now + limits.NOTICE_MS
    for parameter in PARAMETERS:
        if getattr(op, parameter) is not None:
            key = parameter.encode()
            market.timers.set(key, due_ms)
            market.changes.set(key, _make_change(op, parameter, act.entry, due_ms))


def _make_change(op: MarketSet, parameter: Parameter, entry: bytes, due_ms: int) -> ChangeRow:
    return ChangeRow(
        entry=entry,
        due_ms=due_ms,
        kinds=op.kinds if parameter == "kinds" else None,
        terms=op.terms if parameter == "terms" else None,
        fee_ppm=op.fee_ppm if parameter == "fee_ppm" else None,
        verifiers=op.verifiers if parameter == "verifiers" else None,
        rules_due=op.rules if parameter == "rules" else None,
    )


def _write(market: Market, parameters: ParametersRow) -> None:
    market.parameters.set(ONLY, parameters)
