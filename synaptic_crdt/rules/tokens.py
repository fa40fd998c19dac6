"""Transfers between accounts, payments from the treasury, and new tokens for it."""

from msgspec.structs import replace

from synaptic_crdt.rules import council
from synaptic_crdt.rules.council_operations import TokenMint
from synaptic_crdt.rules.market import ONLY, Act, Market
from synaptic_crdt.rules.operations import TokenTransfer, TreasuryPay
from synaptic_crdt.rules.rows import BalanceRow, MoneyRow
from synaptic_crdt.rules.verdicts import Refusal, Verdict


def transfer_tokens(market: Market, op: TokenTransfer, act: Act) -> Refusal | None:
    """Move free tokens; what is locked cannot be spent."""
    recipient = market.balances.get(op.to)
    if recipient is None:
        return Refusal(Verdict.RECIPIENT_UNKNOWN, (op.to,))
    if op.to == act.account:
        return Refusal(Verdict.RECIPIENT_IS_SENDER)
    available = market.get_available(act.account)
    if op.amount > available:
        return Refusal(Verdict.BALANCE_TOO_LOW, (op.amount, available))
    # From here on the operation must succeed.
    market.balances.set(act.account, BalanceRow(available - op.amount))
    market.balances.set(op.to, BalanceRow(recipient.available + op.amount))
    return None


def pay_from_treasury(market: Market, op: TreasuryPay, act: Act) -> Refusal | None:
    """Count one voice of the council; the deciding one pays, within the day's cap."""
    recipient = market.balances.get(op.to)
    if recipient is None:
        return Refusal(Verdict.RECIPIENT_UNKNOWN, (op.to,))
    refusal = council.check_vote(market, op, act) or council.check_treasury(
        market, op, act, op.amount
    )
    if refusal is not None:
        return refusal
    # From here on the operation must succeed.
    if council.vote(market, op, act).decided:
        council.count_payment(market, act.now, op.amount)
        money = market.get_money()
        market.money.set(
            ONLY,
            MoneyRow(money.treasury - op.amount, money.available + op.amount, money.held),
        )
        market.balances.set(op.to, BalanceRow(recipient.available + op.amount))
    return None


def mint_tokens(market: Market, op: TokenMint, act: Act) -> Refusal | None:
    """Count one voice of the council; the deciding one makes tokens for the treasury."""
    refusal = council.check_vote(market, op, act) or council.check_mint(market, op, act)
    if refusal is not None:
        return refusal
    # From here on the operation must succeed.
    if council.vote(market, op, act).decided:
        parameters, money = market.get_parameters(), market.get_money()
        supply = parameters.supply + op.amount
        market.parameters.set(ONLY, replace(parameters, supply=supply))
        market.money.set(ONLY, MoneyRow(money.treasury + op.amount, money.available, money.held))
    return None
