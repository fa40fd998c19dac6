"""From what a person types to what it names: unique prefixes of ids, and names of accounts."""

from collections.abc import Iterable, Iterator

from synaptic_crdt.errors import UsageError
from synaptic_crdt.node.node import Node
from synaptic_crdt.rules.market import Market
from synaptic_crdt.rules.rows import AssignmentRow
from synaptic_crdt.state import limits

_HEX_DIGITS = frozenset("0123456789abcdef")
_DEVICE_DIGITS = 64


def find_account(node: Node, text: str) -> bytes:
    """Return the account that a prefix of its id, or its name, names uniquely."""
    market = node.market.contract.market
    by_name = [
        account
        for account in get_accounts(market)
        if (row := market.accounts.get(account)) is not None and row.name == text
    ]
    return by_name[0] if len(by_name) == 1 else find_id("account", text, get_accounts(market))


def find_task(node: Node, text: str) -> bytes:
    """Return the task that a prefix of its id names uniquely."""
    return find_id("task", text, get_tasks(node.market.contract.market))


def find_assignment(node: Node, text: str, provider: bytes | None = None) -> bytes:
    """Return the assignment that a prefix of its id, or of its task's, names uniquely.

    For a task, only what lives counts, of ``provider`` if one is given.
    """
    market = node.market.contract.market
    ids = [key for key, _ in get_assignments(market)]
    if any(key.hex().startswith(text.lower()) for key in ids):
        return find_id("assignment", text, ids)
    task = find_task(node, text)
    living = [
        key
        for key, row in get_assignments(market)
        if row.seat.startswith(task) and not row.end and provider in {None, row.provider}
    ]
    if len(living) != 1:
        raise UsageError(
            f"task {task.hex()[:12]} has {len(living)} assignments that this could mean; name one"
            f" (`synaptic-crdt task show {task.hex()[:12]}` lists them)"
        )
    return living[0]


def find_offer(node: Node, text: str) -> bytes:
    """Return the offer that a prefix of its id names uniquely."""
    offers = node.market.contract.market.offers
    ids = [key for _, key in offers.index("number").ascend() if isinstance(key, bytes)]
    return find_id("offer", text, ids)


def read_device(text: str) -> bytes:
    """Return the device that 64 hexadecimal digits name."""
    device = text.lower()
    if len(device) != _DEVICE_DIGITS or not _HEX_DIGITS.issuperset(device):
        raise UsageError(
            f"{text!r:.80} is no device: give all 64 digits, as `whoami` and `key` show them"
        )
    return bytes.fromhex(device)


def find_device(node: Node, text: str) -> bytes:
    """Return the device that all its digits, or a prefix of a known one's, name."""
    if len(text) == _DEVICE_DIGITS:
        return read_device(text)
    return find_id("device", text, node.replica.feeds)


def find_id(what: str, text: str, ids: Iterable[bytes]) -> bytes:
    """Return the one id that begins with the hexadecimal digits of ``text``."""
    prefix = text.lower()
    if not prefix or not _HEX_DIGITS.issuperset(prefix):
        raise UsageError(f"{text!r:.80} is no {what}: give its id, or the beginning of it, in hex")
    found = [candidate for candidate in ids if candidate.hex().startswith(prefix)]
    if len(found) != 1:
        many = "none" if not found else str(len(found))
        plural = "entries" if what == "entry" else f"{what}s"
        raise UsageError(f"{many} of the {plural} held here begin with {prefix[:64]}, expected one")
    return found[0]


def read_hash(what: str, text: str) -> bytes:
    """Return a hash that was given in full, in hexadecimal."""
    if len(text) != 2 * limits.HASH_BYTES or not _HEX_DIGITS.issuperset(text.lower()):
        raise UsageError(f"{text!r:.80} is no {what}: give all 64 digits of it")
    return bytes.fromhex(text)


def get_accounts(market: Market) -> Iterator[bytes]:
    """Yield all accounts in the order in which they opened."""
    for _, key in market.accounts.index("number").ascend():
        assert isinstance(key, bytes)
        yield key


def get_tasks(market: Market) -> Iterator[bytes]:
    """Yield all tasks in the order in which they were posted."""
    for _, key in market.tasks.index("number").ascend():
        assert isinstance(key, bytes)
        yield key


def get_assignments(market: Market) -> Iterator[tuple[bytes, AssignmentRow]]:
    """Yield all assignments, task by task and seat by seat."""
    for _, key in market.assignments.index("seat").ascend():
        row = market.assignments.get(key)
        assert isinstance(key, bytes)
        assert row is not None
        yield key, row
