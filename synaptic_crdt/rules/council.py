"""What needs the council: applied by the last of the equal entries that the genesis asks for.

Equal means the same operation to the byte. Once decided, the same bytes decide nothing again.
"""

from synaptic_crdt.rules.council_operations import MarketSet, TokenMint
from synaptic_crdt.rules.market import ONLY, Act, Market
from synaptic_crdt.rules.operations import InviteIssue, TreasuryPay, encode_operation
from synaptic_crdt.rules.rows import ProposalRow, TodayRow
from synaptic_crdt.rules.verdicts import Refusal, Verdict
from synaptic_crdt.state.codec import encode_trusted

Paid = TreasuryPay | InviteIssue
Proposed = Paid | TokenMint | MarketSet


def check_vote(market: Market, op: Proposed, act: Act) -> Refusal | None:
    """May this account add its voice to the proposal?"""
    if act.account not in market.genesis.council:
        return Refusal(Verdict.NOT_COUNCIL, (act.account,))
    proposal = _get_proposal(market, op, act)
    if proposal.decided:
        return Refusal(Verdict.ALREADY_DECIDED)
    if act.account in proposal.voters:
        return Refusal(Verdict.ALREADY_VOTED, (len(proposal.voters), market.genesis.council_needed))
    return None


def check_treasury(market: Market, op: Paid, act: Act, amount: int) -> Refusal | None:
    """Can the treasury give ``amount`` today, if this voice is the one that decides?"""
    if not _is_decided_by_next(market, _get_proposal(market, op, act)):
        return None
    cap, paid = market.genesis.treasury_day_cap, market.get_today(act.now).paid
    if paid + amount > cap:
        return Refusal(Verdict.TREASURY_OVER_DAY_CAP, (amount, cap - paid, cap))
    treasury = market.get_money().treasury
    if amount > treasury:
        return Refusal(Verdict.TREASURY_TOO_LOW, (amount, treasury))
    return None


def check_mint(market: Market, op: TokenMint, act: Act) -> Refusal | None:
    """May so many tokens be made, if this voice is the one that decides?"""
    if not _is_decided_by_next(market, _get_proposal(market, op, act)):
        return None
    cap = market.genesis.mint_cap
    left = cap - (market.get_parameters().supply - market.genesis.supply)
    return None if op.amount <= left else Refusal(Verdict.MINT_OVER_CAP, (op.amount, left, cap))


def vote(market: Market, op: Proposed, act: Act) -> ProposalRow:
    """Add a voice that was checked, and return the proposal: to be carried out when decided."""
    before = _get_proposal(market, op, act)
    after = ProposalRow(
        device=before.device,
        voters=(*before.voters, act.account),
        decided=_is_decided_by_next(market, before),
    )
    market.proposals.set(_get_key(op), after)
    return after


def get_proposer(market: Market, op: Paid, act: Act) -> bytes:
    """Return who voted first, or is about to."""
    return (*_get_proposal(market, op, act).voters, act.account)[0]


def count_payment(market: Market, now: int, amount: int) -> None:
    """Count ``amount`` against the day's cap."""
    today = market.get_today(now)
    market.today.set(ONLY, TodayRow(today.day, today.paid + amount, today.opened))


def _get_proposal(market: Market, op: Proposed, act: Act) -> ProposalRow:
    proposal = market.proposals.get(_get_key(op))
    return ProposalRow(act.device, (), decided=False) if proposal is None else proposal


def _get_key(op: Proposed) -> bytes:
    return encode_trusted(encode_operation(op))


def _is_decided_by_next(market: Market, proposal: ProposalRow) -> bool:
    return len(proposal.voters) + 1 >= market.genesis.council_needed
