"""Mistakes to put into the program on purpose: ``planted`` says what finds each.

Each is one that somebody could make: a check or a step left out, an order taken for granted. They
last as long as the context that plants them.
"""

import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from sqlite3 import Connection
from typing import Any
from unittest.mock import patch

import msgspec

from synaptic_crdt.rules import holds
from synaptic_crdt.rules.limits import MILLION
from synaptic_crdt.rules.market import ONLY, TREASURY, Market
from synaptic_crdt.rules.rows import Purpose
from synaptic_crdt.rules.seats import ending
from synaptic_crdt.rules.seats.seat import Cause
from synaptic_crdt.rules.settlement import Settlement, compute_settlement
from synaptic_crdt.state import clock, feeds, folding, order, store, tail
from synaptic_crdt.state.counted import Counted
from synaptic_crdt.state.feeds import Piece, verify_piece
from synaptic_crdt.state.folding import Fold
from synaptic_crdt.state.forks import ForkBook
from synaptic_crdt.state.held import Feed
from synaptic_crdt.state.limits import HASH_BYTES
from synaptic_crdt.state.machine import Machine
from synaptic_crdt.state.merkle import Node, compute_leaf, compute_row_key, update_tree
from synaptic_crdt.state.outcomes import Outcome
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.state.saved import RowChange
from synaptic_crdt.state.statements import Checkpoint, Statement
from synaptic_crdt.state.tables import Key, Record, Table
from synaptic_crdt.state.tail import Tail
from synaptic_crdt.state.views import View
from synaptic_crdt.sync import gate, inspection
from synaptic_crdt.sync.gate import Gate
from synaptic_crdt.sync.inspection import Admission, Found, Inspection
from synaptic_crdt.sync.issuers import IssuerFinder
from synaptic_crdt.sync.messages import Wanted
from synaptic_crdt.sync.quotas import Quota, Quotas
from synaptic_crdt.sync.wants import Wants

Planted = AbstractContextManager[object]


def _replace(*changes: tuple[object, str, object]) -> Planted:
    planted = ExitStack()
    for owner, name, value in changes:
        planted.enter_context(patch.object(owner, name, value))
    return planted


def _replace_all(**functions: Callable[..., Any]) -> Planted:
    """Replace functions in every module of the program that knows them."""
    modules = [each for name, each in sys.modules.items() if name.startswith("synaptic_crdt.")]
    return _replace(
        *(
            (module, name, function)
            for module in modules
            for name, function in functions.items()
            if hasattr(module, name)
        )
    )


def _always(value: object) -> Callable[..., Any]:
    def answer(*what: object) -> object:
        del what
        return value

    return answer


# -- orders ------------------------------------------------------------------------------------


def swap_the_tie() -> Planted:
    """Of equal timestamps the greater hash comes first."""
    compute = order.compute_tie

    def swap(time: int, device: bytes) -> bytes:
        return bytes(255 - each for each in compute(time, device))

    return _replace((order, "compute_tie", swap))


def leave_ties_to_arrival() -> Planted:
    """Entries of equal timestamps stay in the order in which they came."""
    return _replace((tail, "has_equal_times", _always(value=False)))


def leave_late_entries_behind() -> Planted:
    """A late entry is folded behind what is folded already, which is not rolled back."""

    def merge(self: Tail) -> None:
        added, self._added = self._added, []
        self.entries.extend(sorted(added, key=tail.get_order))

    return _replace((Tail, "merge", merge))


# -- times -------------------------------------------------------------------------------------


def believe_timestamps() -> Planted:
    """Effective time is the entry's own, whatever checkpoints came before."""

    def get(time: int, opened_ms: int, closed_ms: int | None) -> int:
        del opened_ms, closed_ms
        return clock.get_ms(time)

    return _replace((folding, "compute_effective_ms", get))


def look_at_a_clock() -> Planted:
    """Effective time is not before what a clock of the machine says, here one that ticks at each fold."""
    compute, ticks = folding.compute_effective_ms, [0]

    def look(time: int, opened_ms: int, closed_ms: int | None) -> int:
        ticks[0] += 1
        return compute(time, opened_ms, closed_ms) + ticks[0]

    return _replace((folding, "compute_effective_ms", look))


def fire_late() -> Planted:
    """A deadline that is due in the very millisecond of an entry fires behind it."""
    go_on, fire = Fold.go_on, Fold.fire_deadlines
    folding_entries: list[bool] = []

    def fold(self: Fold, entries: Sequence[Outcome], closed_ms: int | None) -> None:
        folding_entries.append(True)
        try:
            go_on(self, entries, closed_ms)
        finally:
            folding_entries.pop()

    def fire_before(self: Fold, up_to_ms: int) -> None:
        fire(self, up_to_ms - len(folding_entries))

    return _replace((Fold, "go_on", fold), (Fold, "fire_deadlines", fire_before))


def lose_a_timer() -> Planted:
    """A seat that is opened again gets no deadline."""
    reopen = ending.reopen

    def forget(market: Market, seat_id: bytes, provider: bytes, cause: Cause) -> None:
        reopen(market, seat_id, provider, cause)
        market.timers.clear(seat_id)

    return _replace((ending, "reopen", forget))


# -- money -------------------------------------------------------------------------------------


def round_twice() -> Planted:
    """A payout is rounded down by itself, instead of being what the fee leaves."""

    def compute(*what: int) -> Settlement:
        right = compute_settlement(*what)
        earned, fee_ppm = right.provider + right.fee, what[-1]
        return msgspec.structs.replace(right, provider=earned * (MILLION - fee_ppm) // MILLION)

    return _replace((ending, "compute_settlement", compute))


def lose_fees() -> Planted:
    """A fee leaves the escrow and arrives nowhere."""
    pay = holds.pay

    def lose(market: Market, subject: bytes, purpose: Purpose, to: bytes, amount: int) -> None:
        before = market.get_money()
        pay(market, subject, purpose, to, amount)
        if to == TREASURY and amount:
            after = market.get_money()
            lost = msgspec.structs.replace(after, treasury=before.treasury)
            market.money.set(ONLY, lost)

    return _replace((holds, "pay", lose))


def keep_bonds() -> Planted:
    """What is left of a bond is not given back when its assignment ends."""
    release = holds.release

    def keep(market: Market, subject: bytes, purpose: Purpose) -> None:
        if purpose != "bond":
            release(market, subject, purpose)

    return _replace((holds, "release", keep))


# -- signatures, histories ---------------------------------------------------------------------


def take_seals_unseen() -> Planted:
    """The signature of a seal is not verified."""
    return _replace((feeds, "verify_signature", _always(value=True)))


def bind_to_no_market() -> Planted:
    """Neither seals nor the beginnings of feeds name their market."""
    nowhere = bytes(HASH_BYTES)
    make, begin = feeds.make_seal_message, feeds.compute_origin
    return _replace_all(
        make_seal_message=lambda *what: make(nowhere, *what[1:]),
        compute_origin=lambda *what: begin(nowhere, *what[1:]),
    )


def take_any_predecessor() -> Planted:
    """That a piece follows in position is enough; which history it continues is not asked."""
    inspect = Inspection.inspect_piece

    def take(self: Inspection, piece: Piece) -> Found | Admission:
        feed = self._replica.get_feed(piece.device)
        tip = self._tips.get(piece.device, feed.tip)
        is_other = piece.first == tip.position + 1 and piece.predecessor != tip.head
        if not is_other or feed.closed_position is not None or not tip.position:
            return inspect(self, piece)
        follows = msgspec.structs.replace(tip, head=piece.predecessor)
        entries, new_tip = verify_piece(self._replica.market, follows, piece)
        self._tips[piece.device] = new_tip
        return Found(piece, entries, tip, new_tip, None)

    return _replace((Inspection, "inspect_piece", take))


def see_no_fork() -> Planted:
    """What ends where ours ends is taken for ours, whatever it is."""

    def is_held(feed: Feed, piece: Piece) -> bool:
        return piece.last <= feed.position

    return _replace(
        (inspection, "_is_held", is_held),
        (gate, "prove_fork", _always(None)),
    )


def suspend_nothing() -> Planted:
    """The proof of a fork is kept as evidence, and the branch that is held goes on."""
    return _replace((ForkBook, "get_open", _always(None)))


# -- checkpoints, handovers --------------------------------------------------------------------


def count_one_witness_less() -> Planted:
    """One witness less than a majority is enough."""
    return _replace(
        (View, "quorum", property(lambda self: len(self.witnesses) // 2)),
    )


def let_frontiers_go_back() -> Planted:
    """A checkpoint need not go beyond what is fixed."""

    def find_flaw(self: Counted, checkpoint: Checkpoint) -> str | None:
        return "another head" if checkpoint.previous != self.head else None

    return _replace((Counted, "find_flaw", find_flaw))


def keep_what_was_handed_over() -> Planted:
    """A handover does not take back what counted beyond the checkpoint it goes on from."""
    return _replace((Counted, "go_back", _always(())))


def leave_a_table_out() -> Planted:
    """A table is left out of the root."""

    def compute(self: Fold) -> Node:
        changes: dict[bytes, bytes | None] = {}
        for table in self.tables.get_tables():
            for key in table.take_changed():
                row_key = compute_row_key(table.name, key)
                row = table.get(key)
                if table.name != "balances":
                    changes[row_key] = None if row is None else compute_leaf(row_key, row)
        self._tree = update_tree(self._tree, changes)
        return self._tree

    return _replace((Fold, "compute_tree", compute))


# -- tables ------------------------------------------------------------------------------------


def undo_without_indexes() -> Planted:
    """What undoing brings back or takes away is not told to the indexes."""

    def undo(self: Table[Any], key: Key, old: Record | None) -> None:
        if old is None:
            self._rows.pop(key, None)
        else:
            self._rows[key] = old
        self._changed.add(key)

    return _replace((Table, "undo", undo))


# -- disks -------------------------------------------------------------------------------------


def acknowledge_early() -> Planted:
    """What is written is committed with the next write."""

    @contextmanager
    def begin(connection: Connection) -> Generator[None]:
        if connection.in_transaction:
            connection.execute("COMMIT")
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            connection.execute("ROLLBACK")
            raise

    return _replace((store, "transaction", begin))


def hold_before_writing() -> Planted:
    """A statement is held in memory before it is on the disk."""

    def take(self: Gate, found: Sequence[tuple[Statement, bytes]]) -> None:
        if found:
            for statement, _ in found:
                self.replica.add_statement(statement)
            self._writer.write(statements=[(each.id, data) for each, data in found])
            self._follow_statements()

    return _replace((Gate, "_take_statements", take))


def save_one_row_less() -> Planted:
    """Of every epoch one changed row is not saved."""
    get = Machine.get_staged_changes

    def get_less(self: Machine) -> Sequence[RowChange]:
        return get(self)[:-1]

    return _replace((Machine, "get_staged_changes", get_less))


# -- links -------------------------------------------------------------------------------------


def end_too_early() -> Planted:
    """A link is done while pieces are still asked for."""
    return _replace((Wants, "is_settled", property(lambda self: not self._lacking)))


def ask_beyond() -> Planted:
    """One piece more is asked for than was announced."""
    ask = Wants._ask

    def more(self: Wants, device: bytes) -> Wanted:
        wanted = ask(self, device)
        return Wanted(wanted.device, wanted.first, wanted.pieces + 1)

    return _replace((Wants, "_ask", more))


def let_in_one_newcomer() -> Planted:
    """A gate lets in one new feed of each sponsor until it is named, and so each home another one."""
    begin = Quotas.__init__

    def strictly(
        self: Quotas, replica: Replica, find: IssuerFinder, quota: Quota, own: bytes | None = None
    ) -> None:
        begin(self, replica, find, quota._replace(feeds=1), own)

    return _replace((Quotas, "__init__", strictly))
