"""Writing with the paper device: its key is typed or read in for one act, and kept nowhere.

The paper device has a feed like any other, and this home knows only as much of it as it has seen.
Two homes that both write to it without having met fork it; so the key is for rare acts, each to be
followed by a sync.
"""

from typing import Final

from synaptic_crdt.errors import UsageError
from synaptic_crdt.node.lookup import get_accounts
from synaptic_crdt.node.node import Node
from synaptic_crdt.rules.certificates import get_paper_voucher
from synaptic_crdt.rules.operations import AccountOpen, DeviceJoin, Operation, parse_operation
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.outcomes import Outcome

_KEY_BYTES: Final = 32


def read_paper_key(text: str) -> DeviceKey:
    """Return the key printed as ``paper key``. Raises ``UsageError``, never showing the text."""
    try:
        seed = bytes.fromhex("".join(text.split()))
    except ValueError:
        seed = b""
    if len(seed) != _KEY_BYTES:
        raise UsageError(
            "this is no paper key; it is the 64 hexadecimal digits that `init` or `join` printed"
        )
    return DeviceKey(seed)


def find_account(node: Node, paper: DeviceKey) -> bytes:
    """Return the account that named this paper device. Raises ``UsageError``."""
    market = node.market.contract.market
    for account in get_accounts(market):
        row = market.accounts.get(account)
        if row is not None and row.paper == paper.public:
            return account
    raise UsageError(
        "no account held here names this paper key; check the digits, or get a newer bundle or"
        " sync first"
    )


def append_as_paper(node: Node, paper: DeviceKey, account: bytes, operation: Operation) -> Outcome:
    """Append an operation as the paper device of an account, which joins it when it has not."""
    if node.replica.get_feed(paper.public).position == 0:
        node.append(_make_join(node, account), paper)
    return node.append(operation, paper)


def _make_join(node: Node, account: bytes) -> DeviceJoin:
    opening = parse_operation(node.replica.get_feed(account).entries[0].operation)
    # The account is open, so this is the entry that opened it, and it named the paper device.
    assert isinstance(opening, AccountOpen)
    assert opening.paper is not None
    return DeviceJoin(
        account=account,
        exchange=opening.paper.exchange,
        voucher=get_paper_voucher(account, opening.paper),
    )
