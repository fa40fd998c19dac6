"""Locked tokens: the only code that moves them.

A hold belongs to a subject (a seat, an invitation), has one purpose there, and lives no longer
than the subject's timer. Whoever releases or pays names the subject, never a sum it computed on
its own, so that nothing can be paid twice.
"""

from synaptic_crdt.rules.market import ONLY, TREASURY, Market
from synaptic_crdt.rules.rows import BalanceRow, HoldRow, MoneyRow, Purpose


def lock(market: Market, payer: bytes, subject: bytes, purpose: Purpose, amount: int) -> None:
    """Move ``amount`` from the payer's money, which suffices, into a new hold; 0 makes none."""
    if amount == 0:
        return
    key = (subject, purpose)
    assert market.holds.get(key) is None, key
    _add(market, payer, -amount)
    market.holds.set(key, HoldRow(payer=payer, amount=amount))


def add(market: Market, subject: bytes, purpose: Purpose, amount: int) -> None:
    """Move so much more from the payer's money, which suffices, into a hold that exists."""
    if amount == 0:
        return
    key = (subject, purpose)
    hold = market.holds.get(key)
    assert hold is not None, key
    _add(market, hold.payer, -amount)
    market.holds.set(key, HoldRow(payer=hold.payer, amount=hold.amount + amount))


def pay(market: Market, subject: bytes, purpose: Purpose, to: bytes, amount: int) -> None:
    """Move ``amount`` out of a hold to an account or the treasury; the rest stays held."""
    if amount == 0:
        return
    key = (subject, purpose)
    hold = market.holds.get(key)
    assert hold is not None, key
    assert 0 < amount <= hold.amount, (key, amount, hold.amount)
    if amount == hold.amount:
        market.holds.delete(key)
    else:
        market.holds.set(key, HoldRow(payer=hold.payer, amount=hold.amount - amount))
    _add(market, to, amount)


def release(market: Market, subject: bytes, purpose: Purpose) -> None:
    """Give what is left in a hold, if anything, back to its payer."""
    hold = market.holds.get((subject, purpose))
    if hold is not None:
        pay(market, subject, purpose, hold.payer, hold.amount)


def get_held(market: Market, subject: bytes, purpose: Purpose) -> int:
    """Return what is held for a purpose of a subject."""
    hold = market.holds.get((subject, purpose))
    return 0 if hold is None else hold.amount


def _add(market: Market, account: bytes, amount: int) -> None:
    """Add to free money what leaves the holds, or the other way round when negative."""
    money = market.get_money()
    treasury, available = money.treasury, money.available
    if account == TREASURY:
        treasury += amount
        assert treasury >= 0, treasury
    else:
        available += amount
        balance = market.get_available(account) + amount
        assert balance >= 0, (account, balance)
        market.balances.set(account, BalanceRow(balance))
    market.money.set(ONLY, MoneyRow(treasury, available, money.held - amount))
