"""A toy market for tests of the fold, which knows no rule: order, deadlines and epochs matter.

Accounts are devices. ``mint n`` gives oneself tokens; ``pay to n`` is refused when the balance is
short; ``take from n`` moves another's tokens, as a second device of one owner would; ``lock to n delay`` sets tokens aside until a deadline, when they go to ``to``; ``unlock``
takes back a lock in time; ``promise n`` moves tokens at the epoch's end, as far as they are there;
``after id`` is refused unless the entry of that id was applied before, so causes must come first;
``end device`` ends the feed of a device that has an account, once the epoch is closed.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import pytest

from synaptic_crdt.state import clock
from synaptic_crdt.state.codec import Value
from synaptic_crdt.state.contract import APPLIED, Timers
from synaptic_crdt.state.feeds import Piece, encode_body, seal_bodies, verify_piece
from synaptic_crdt.state.held import Feed
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.machine import Machine
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.state.tables import Record, Table, Tables

MARKET: Final = bytes(range(32))
OPENED_MS: Final = 1_000_000

UNKNOWN, SHORT, NO_LOCK, NO_CAUSE, NO_OWNER, ENDED = 1, 2, 3, 4, 5, 6


class AccountRow(Record, frozen=True):
    balance: int
    promised: int


class LockRow(Record, frozen=True):
    owner: bytes
    to: bytes
    amount: int


class SeenRow(Record, frozen=True):
    now: int
    position: int


class EndRow(Record, frozen=True):
    by: bytes
    is_closed: bool


class ToyContract:
    def __init__(self, tables: Tables, timers: Timers) -> None:
        self.timers: Final = timers
        self.accounts: Final[Table[AccountRow]] = tables.declare(
            "accounts",
            AccountRow,
            {
                "rich": lambda key, row: (-row.balance, key),
                "promised": lambda key, row: (key,) if row.promised else None,
            },
        )
        self.locks: Final[Table[LockRow]] = tables.declare(
            "locks", LockRow, {"owner": lambda key, row: (row.owner, key)}
        )
        self.seen: Final[Table[SeenRow]] = tables.declare("seen", SeenRow)
        self.ends: Final[Table[EndRow]] = tables.declare(
            "ends", EndRow, {"open": lambda key, row: None if row.is_closed else (key,)}
        )

    def read(self, operation: list[Value]) -> object:
        return tuple(operation)

    def apply(
        self, now: int, device: bytes, position: int, entry_id: bytes, operation: object
    ) -> int:
        if self.ends.get(device) is not None:
            return ENDED
        match operation:
            case ("end", bytes(ended)):
                verdict = self.end(ended, entry_id)
            case _:
                verdict = self.decide(now, device, entry_id, operation)
        if verdict == APPLIED:
            self.seen.set(entry_id, SeenRow(now, position))
        return verdict

    def decide(self, now: int, device: bytes, entry_id: bytes, operation: object) -> int:
        match operation:
            case ("mint", int(amount)):
                self.give(device, amount)
            case ("pay", bytes(to), int(amount)):
                return self.move(device, to, amount)
            case ("take", bytes(owner), int(amount)):
                known = self.accounts.get(owner) is not None
                return self.move(owner, device, amount) if known else NO_OWNER
            case ("lock", bytes(to), int(amount), int(delay)):
                return self.lock(device, entry_id, LockRow(device, to, amount), now + delay)
            case ("unlock",):
                if not self.unlock(device):
                    return NO_LOCK
            case ("promise", int(amount)):
                account = self.get_account(device)
                self.accounts.set(device, AccountRow(account.balance, account.promised + amount))
            case ("after", bytes(cause)):
                if self.seen.get(cause) is None:
                    return NO_CAUSE
            case _:
                return UNKNOWN
        return APPLIED

    def move(self, owner: bytes, to: bytes, amount: int) -> int:
        if not self.take(owner, amount):
            return SHORT
        self.give(to, amount)
        return APPLIED

    def lock(self, device: bytes, lock_id: bytes, lock: LockRow, deadline: int) -> int:
        if not self.take(device, lock.amount):
            return SHORT
        self.locks.set(lock_id, lock)
        self.timers.set(lock_id, deadline)
        return APPLIED

    def unlock(self, device: bytes) -> bool:
        own = next(self.locks.index("owner").ascend((device,)), None)
        if own is None or own[0][0] != device:
            return False
        lock_id = own[1]
        lock = self.locks.get(lock_id)
        assert lock is not None
        assert isinstance(lock_id, bytes)
        self.locks.delete(lock_id)
        self.timers.clear(lock_id)
        self.give(device, lock.amount)
        return True

    def fire(self, now: int, subject: bytes) -> None:
        lock = self.locks.get(subject)
        assert lock is not None
        self.locks.delete(subject)
        self.give(lock.to, lock.amount - now % 2)
        self.give(lock.owner, now % 2)

    def close_epoch(self, now: int, epoch: int) -> dict[bytes, bytes]:
        for _, device in list(self.accounts.index("promised").ascend()):
            assert isinstance(device, bytes)
            account = self.get_account(device)
            moved = min(account.promised, account.balance)
            self.accounts.set(device, AccountRow(account.balance - moved, 0))
            self.give(bytes(32), moved + epoch + now % 2)
        return self.end_feeds()

    def end(self, device: bytes, entry_id: bytes) -> int:
        if self.accounts.get(device) is None or self.ends.get(device) is not None:
            return NO_OWNER
        self.ends.set(device, EndRow(entry_id, is_closed=False))
        return APPLIED

    def end_feeds(self) -> dict[bytes, bytes]:
        ended: dict[bytes, bytes] = {}
        for _, device in list(self.ends.index("open").ascend()):
            row = self.ends.get(device)
            assert isinstance(device, bytes)
            assert row is not None
            self.ends.set(device, EndRow(row.by, is_closed=True))
            ended[device] = row.by
        return ended

    def get_account(self, device: bytes) -> AccountRow:
        return self.accounts.get(device) or AccountRow(0, 0)

    def give(self, device: bytes, amount: int) -> None:
        account = self.get_account(device)
        self.accounts.set(device, AccountRow(account.balance + amount, account.promised))

    def take(self, device: bytes, amount: int) -> bool:
        account = self.get_account(device)
        if account.balance < amount:
            return False
        self.accounts.set(device, AccountRow(account.balance - amount, account.promised))
        return True


class Writer:
    """A device and its own feed, from which pieces of any cut can be had."""

    def __init__(self, seed: int, market: bytes = MARKET) -> None:
        self.key: Final = DeviceKey(bytes([seed]) * 32)
        self.market: Final = market
        self.feed: Final = Feed(market, self.key.public)

    @property
    def device(self) -> bytes:
        return self.key.public

    def write(self, *operations: tuple[int, Sequence[Value]]) -> list[Piece]:
        """Append (time in ms, operation) each, and return the sealed pieces."""
        bodies: list[bytes] = []
        last = self.feed.tip.time
        for ms, operation in operations:
            last = max(last + 1, clock.pack_timestamp(ms))
            bodies.append(encode_body(last, operation))
        return self.append(bodies)

    def append(self, bodies: Sequence[bytes]) -> list[Piece]:
        pieces = list(seal_bodies(self.market, self.key, self.feed.tip, bodies))
        for piece in pieces:
            entries, tip = verify_piece(self.market, self.feed.tip, piece)
            self.feed.extend(entries, tip, piece.signature)
        return pieces


def make_replica(sequencer: bytes | None = None, market: bytes = MARKET) -> Replica:
    return Replica(market, sequencer=sequencer, opened_ms=OPENED_MS, make_contract=ToyContract)


def make_machine() -> Machine:
    return Machine(MARKET, OPENED_MS, ToyContract)


def admit(replica: Replica, pieces: Iterable[Piece]) -> None:
    for piece in pieces:
        feed = replica.get_feed(piece.device)
        entries, tip = verify_piece(replica.market, feed.tip, piece)
        replica.extend(feed, entries, tip, piece.signature)


def dump_tables(tables: Tables) -> object:
    """Return everything that tables hold: rows, indexes, and both in order."""
    return [
        (
            table.name,
            sorted(table._rows.items(), key=lambda item: repr(item[0])),
            [list(index.ascend()) for index in table._indexes.values()],
            [index.first() for index in table._indexes.values()],
        )
        for table in tables.get_tables()
    ]


def dump_machine(machine: Machine) -> object:
    """Return all that a reader of a machine can see."""
    return (
        machine.root,
        machine.now,
        machine.epoch,
        machine.epoch_ms,
        machine.get_next_deadline(),
        dump_tables(machine.tables),
        [(o.entry.id, o.verdict, o.now, o.epoch) for o in machine.get_settled()],
        [(o.entry.id, o.verdict, o.now, o.epoch) for o in machine.get_tail()],
        dict(machine.get_reversals()),
    )


@pytest.fixture
def writers() -> list[Writer]:
    return [Writer(seed) for seed in (1, 2, 3)]
