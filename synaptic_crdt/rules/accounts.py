"""Accounts: opened by the first entry of a feed, renamed at will.

Nothing depends on a name: an account is named by the key that opened it, and names may be equal.
"""

from msgspec.structs import replace

from synaptic_crdt.rules import devices, invitations
from synaptic_crdt.rules.account_operations import AccountUpdate
from synaptic_crdt.rules.groups import compute_group
from synaptic_crdt.rules.market import ONLY, Act, Market
from synaptic_crdt.rules.operations import AccountOpen, Role
from synaptic_crdt.rules.rows import AccountRow, BalanceRow, TodayRow
from synaptic_crdt.rules.verdicts import Refusal, Verdict


def open_account(market: Market, op: AccountOpen, act: Act) -> Refusal | None:
    """Open the account that is named by the writing device."""
    # So that the feed gate can judge a feed by its first entry.
    if act.position != 1:
        if market.devices.get(act.device) is not None:
            return Refusal(Verdict.ACCOUNT_EXISTS)
        return Refusal(Verdict.NOT_FIRST_ENTRY, (act.position,))
    if op.certificate is not None:
        refusal = invitations.check_certificate(market, op, act)
    else:
        refusal = _check_uninvited(market, act)
    if refusal is not None:
        return refusal
    # From here on the operation must succeed.
    role, inviter = _admit(market, op, act)
    market.accounts.set(
        act.device,
        AccountRow(
            number=len(market.accounts) + 1,
            name=op.name,
            role=role,
            paper=None if op.paper is None else op.paper.device,
            inviter=inviter,
            group=compute_group(market, act.device, inviter),
            opened_ms=act.now,
        ),
    )
    return None


def update_account(market: Market, op: AccountUpdate, act: Act) -> Refusal | None:
    """Take another name, from here on; what was signed before stays as it is."""
    row = market.accounts.get(act.account)
    assert row is not None, act.account
    market.accounts.set(act.account, replace(row, name=op.name))
    return None


def _check_uninvited(market: Market, act: Act) -> Refusal | None:
    if act.device == market.genesis.founder:
        return None
    rate = market.genesis.openings_per_day
    if rate == 0:
        return Refusal(Verdict.CERTIFICATE_MISSING)
    if market.get_today(act.now).opened >= rate:
        return Refusal(Verdict.OPENINGS_OVER_RATE, (rate,))
    return None


def _admit(market: Market, op: AccountOpen, act: Act) -> tuple[Role, bytes]:
    """Make device and balance; spend the invitation or the day's rate."""
    devices.open_first(market, op, act)
    market.balances.set(act.device, BalanceRow(0))
    if op.certificate is not None:
        inviter = invitations.use_invitation(market, op.certificate, act.device)
        return op.certificate.role, inviter
    if act.device != market.genesis.founder:
        today = market.get_today(act.now)
        market.today.set(ONLY, TodayRow(today.day, today.paid, today.opened + 1))
    return "member", b""
