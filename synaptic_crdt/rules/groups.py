"""Groups: which accounts count as one where scores and prices are made.

Whoever invites itself again is still in its own group: an account belongs to the group of its
inviter, unless the founder invited it. In an open market everybody stands alone, since nobody
vouches for anybody there, and whoever trades with itself has to be found by other means.

Kept in the account's row when it opens, so that asking costs one look.
"""

from synaptic_crdt.rules.market import Market


def get_group(market: Market, account: bytes) -> bytes:
    """Return the group of an account that is open."""
    row = market.accounts.get(account)
    assert row is not None, account
    return row.group


def compute_group(market: Market, account: bytes, inviter: bytes) -> bytes:
    """Return the group of an account that is about to open, invited by nobody when empty."""
    if market.genesis.is_open or inviter in (b"", market.genesis.founder):
        return account
    return get_group(market, inviter)
