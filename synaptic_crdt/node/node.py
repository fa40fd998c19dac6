"""The one place that wires the rooms together: store, replica, contract, gate and key.

A ``Node`` is an open home. It has no task and no loop of its own: commands and services call it,
one at a time, from the thread that opened it. Own entries are durable before anything shows them.
"""

import gc
import time
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Final

from synaptic_crdt.errors import ForkSeen, MalformedInput, Refused, StoreDamaged, UsageError
from synaptic_crdt.exec.leaks import check_operation
from synaptic_crdt.node.board import Board
from synaptic_crdt.node.home import Home
from synaptic_crdt.node.links import LinkTable
from synaptic_crdt.node.membership import MarketMembership
from synaptic_crdt.node.place import PlaceGuard
from synaptic_crdt.node.readiness import Readiness, has_cause
from synaptic_crdt.node.resealing import reseal
from synaptic_crdt.rules.contract import MarketContract
from synaptic_crdt.rules.genesis import Genesis, compute_market_id, decode_genesis
from synaptic_crdt.rules.membership import get_issuer
from synaptic_crdt.rules.operations import (
    AccountOpen,
    Certificate,
    DeviceJoin,
    DeviceRevoke,
    Operation,
    encode_operation,
    parse_operation,
)
from synaptic_crdt.rules.verdicts import Verdict
from synaptic_crdt.state.clock import get_ms, next_timestamp
from synaptic_crdt.state.codec import Value
from synaptic_crdt.state.contract import Timers
from synaptic_crdt.state.feeds import Entry, encode_body, seal_bodies
from synaptic_crdt.state.heads import Heads
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.loading import Damage, load_replica
from synaptic_crdt.state.machine import PREVIEW_ID
from synaptic_crdt.state.outcomes import Outcome
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.state.statements import Checkpoint, encode_statement, find_cosigned
from synaptic_crdt.state.store import Store
from synaptic_crdt.state.tables import Tables
from synaptic_crdt.sync.blobs import NO_BLOBS, Blobs
from synaptic_crdt.sync.gate import Gate, Writer
from synaptic_crdt.sync.quotas import Quota

# An entry whose cause has not arrived is left out of checkpoints this long.
_CAUSE_WAIT_MS: Final = 600_000


class Market:
    """A genesis, its replica and the contract that folds it: what needs no key and no disk."""

    def __init__(self, genesis_bytes: bytes) -> None:
        self.genesis_bytes: Final = genesis_bytes
        self.genesis: Final[Genesis] = decode_genesis(genesis_bytes)
        self.id: Final = compute_market_id(genesis_bytes)
        self.replica: Final = Replica(
            self.id,
            sequencer=None if self.genesis.sandbox else self.genesis.sequencer,
            opened_ms=self.genesis.created_ms,
            make_contract=self._make_contract,
            witnesses=self.genesis.witnesses,
            recovery=self.genesis.recovery,
        )
        self._heads: Final = Heads(self.id, genesis_bytes)
        self._contract: MarketContract

    @property
    def contract(self) -> MarketContract:
        """The contract, its tables folded up to the newest entry held."""
        self.replica.machine.fold()
        return self._contract

    @property
    def heads(self) -> Heads:
        """The heads of the document as they were counted so far."""
        return self._heads

    def compute_heads(self) -> tuple[bytes, ...]:
        """Return the heads of the Automerge document that all feeds held make, sorted."""
        return self._heads.compute_heads(self.replica.feeds.values())

    def find_heads(self, heads: Collection[bytes]) -> Mapping[bytes, tuple[bytes, int]]:
        """Return device and position of the entries whose changes have these hashes."""
        return self._heads.find(self.replica.feeds.values(), heads)

    def get_account(self, device: bytes) -> bytes:
        """Return the account a device writes for; its own name when it opened none yet."""
        row = self.contract.market.devices.get(device)
        return device if row is None else row.account

    def make_gate(self, writer: Writer, own_device: bytes | None = None) -> Gate:
        """Return the gate into this market that makes what it admits durable with ``writer``.

        A device lets its own feed in unasked: it may have joined without its inviter's feed.
        """

        def find_issuer(device: bytes, operation: list[Value]) -> bytes | None:
            if device == own_device:
                return None
            return get_issuer(self.genesis, self.id, device, operation)

        # Who replays takes everything; and in a sandbox nothing ever counts, so that what is left
        # out there would be for ever.
        is_bounded = own_device is not None and not self.genesis.sandbox
        quota = Quota() if is_bounded else None
        return Gate(self.replica, writer, find_issuer, own_device, quota)

    def _make_contract(self, tables: Tables, timers: Timers) -> MarketContract:
        self._contract = MarketContract(self.genesis, self.id, tables, timers)
        return self._contract


class Node:
    """An open home: reads, writes and admits. Close it to let another process open it."""

    def __init__(self, home: Home, key: DeviceKey, store: Store) -> None:
        self.home: Final = home
        self.key: Final = key
        self.store: Final = store
        self.market: Final = Market(store.genesis)
        self.replica: Final = self.market.replica
        with _garbage_left_alone():
            damages = load_replica(store, self.replica)
            # What is admitted later can only reverse what was seen to apply before.
            self.replica.machine.fold()
        self.damages: Final[tuple[Damage, ...]] = reseal(store, self.replica, key, damages)
        self.market.heads.resume(store.saved.read_heads())
        self.gate: Final = self.market.make_gate(store, key.public)
        self.membership: Final = MarketMembership(
            self.market.genesis, self.market.id, self.replica, key
        )
        # What links may bring and take beside the entries, once somebody owns the home for them.
        self.blobs: Blobs = NO_BLOBS
        self.place: Final = PlaceGuard(home, key.public)
        self._known_reversals: Final = store.read_reversals()
        # What only this process knows: since when entries wait, and how far off peers' clocks are.
        self.readiness: Final = Readiness()
        self.skews: Final[dict[str, int]] = {}
        self.links: Final = LinkTable()
        # Did its owner say, since this process began, that this machine's clock is right?
        self.is_clock_trusted = False
        self.board: Final = Board(self.get_wall_ms)
        # The fields in which the command in hand may write what looks like a secret.
        self.allowed_secrets: Sequence[str] = ()

    @classmethod
    def open(cls, home: Home, passphrase: str) -> "Node":
        """Open a complete home whose lock this process holds."""
        home.check_complete()
        key = home.read_key(passphrase)
        home.sync_what_is_left()
        store = Store.open(home.store_path)
        try:
            return cls(home, key, store)
        except BaseException:
            store.close()
            raise

    def close(self) -> None:
        """Close the store; what was acknowledged is on disk."""
        self.keep_reversals()
        self._keep_heads()
        self.store.close()

    # -- reading -----------------------------------------------------------------------------

    @property
    def account(self) -> bytes:
        """The account this device writes for, or joined without having seen it yet."""
        device = self.key.public
        if self.market.contract.market.devices.get(device) is None:
            # Its first entry was not applied, or not seen yet with what it stands on.
            opening = self.replica.get_feed(device).entries[:1]
            operation = parse_operation(opening[0].operation) if opening else None
            if isinstance(operation, DeviceJoin):
                return operation.account
        return self.market.get_account(device)

    @property
    def is_sequencer(self) -> bool:
        """Does this device sign the market's checkpoints?"""
        return self.replica.chain.sequencer == self.key.public

    @property
    def may_close(self) -> bool:
        """Is nothing in the way of the next checkpoint: another one, a halt, a handover, damage?"""
        chain = self.replica.chain
        is_blocked = chain.is_halted or chain.awaited is not None or chain.get_candidates()
        return not is_blocked and all(damage.kind != "statement" for damage in self.damages)

    @property
    def is_whole(self) -> bool:
        """Is everything held that counted checkpoints include?"""
        return self.replica.machine.epoch == self.replica.chain.index

    @property
    def reversals(self) -> dict[bytes, bytes]:
        """By entry that was applied and no longer is: the entry that took its place."""
        self.keep_reversals()
        return self._known_reversals

    @cached_property
    def cosigned(self) -> dict[tuple[int, int], bytes]:
        """By view and index: the checkpoint that this device cosigned, as its store remembers.

        The replica forgets what a handover made void; the store does not. Everything in it was
        verified when it was opened, or is named among ``damages``.
        """
        return find_cosigned(self.key.public, (data for _, data in self.store.read_statements()))

    def get_wall_ms(self) -> int:
        """Return this machine's clock, in ms since 1970; it stamps, and decides nothing."""
        return time.time_ns() // 1_000_000

    # -- writing -----------------------------------------------------------------------------

    def append(self, operation: Operation, key: DeviceKey | None = None) -> Outcome:
        """Sign an operation, make it durable, and return what became of it.

        ``key`` is another device's, whose paper lies before its owner; else it is this device's.
        Raises ``Refused`` when the contract would not apply it: then nothing is written.
        """
        # First: without the entries that are damaged, the contract might refuse it for nothing.
        self.check_may_write((key or self.key).public)
        self.preview(operation, key)
        return self.append_unasked(operation, key)

    def append_unasked(self, operation: Operation, key: DeviceKey | None = None) -> Outcome:
        """Sign and keep an operation whose cause may not be held here yet, as when joining.

        Raises ``PolicyRefused`` when a field holds what looks like a secret of its author's.
        """
        key = key or self.key
        self.check_may_write(key.public)
        check_operation(operation, self.allowed_secrets)
        fields = encode_operation(operation)
        try:
            body = encode_body(self._next_timestamp(key.public, operation, fields), fields)
        except MalformedInput as error:
            # Typed operations can only be too long; and here it is our own user who asked.
            raise UsageError(f"too much for one entry: {error}") from error
        tip = self.replica.get_feed(key.public).tip
        for piece in seal_bodies(self.market.id, key, tip, [body]):
            self.gate.admit_piece(piece)
        outcome = self.replica.machine.get_outcome(self.replica.get_feed(key.public).head)
        assert outcome is not None
        return outcome

    def preview(self, operation: Operation, key: DeviceKey | None = None) -> None:
        """Raise ``Refused`` when the contract would not apply an operation now; write nothing."""
        device = (key or self.key).public
        fields = encode_operation(operation)
        position = self.replica.get_feed(device).position + 1
        timestamp = self._next_timestamp(device, operation, fields)
        typed = self.market.contract.read(fields)
        verdict = self.replica.machine.preview(timestamp, device, position, typed)
        if verdict != Verdict.APPLIED:
            explanation = self.market.contract.explain(PREVIEW_ID, verdict)
            raise Refused(Verdict(verdict).name, explanation)

    def make_checkpoint(self) -> Checkpoint:
        """Close an epoch with everything that is ready, as this market's sequencer.

        With witnesses it counts once a majority of them cosigned it. Raises ``UsageError`` when
        this device is not the sequencer, another one is under way, or the market is halted; and
        ``StoreDamaged`` while anything is missing here that was signed or counted before.
        """
        if not self.is_sequencer:
            raise UsageError(
                "this device does not sign this market's checkpoints; sync with the one that does"
            )
        self._check_may_close()
        if not self.is_whole:
            # A root without them would be wrong for everybody, and for ever.
            raise StoreDamaged(
                f"checkpoint {self.replica.machine.epoch + 1} includes entries that are not held"
                " here; sync with a peer that has them before another one is signed"
            )
        self.check_place()
        checkpoint = self.replica.make_checkpoint(self.key, self.get_wall_ms(), self._is_ready)
        self.gate.admit_statement(encode_statement(checkpoint))
        return checkpoint

    def is_checkpoint_due(self) -> bool:
        """Is something ready that no checkpoint includes, or a deadline over?"""
        machine = self.replica.machine
        # With the branches that wait to be fixed, which is done by including them.
        with self.replica.branches.held_branches():
            if any(self._is_ready(outcome) for outcome in machine.get_tail()):
                return True
        deadline = machine.get_next_deadline()
        return deadline is not None and deadline <= self.get_wall_ms()

    def _check_may_close(self) -> None:
        chain = self.replica.chain
        if chain.is_halted:
            raise UsageError(
                "the market is halted: two checkpoints of one index were signed; `doctor` says more"
            )
        if chain.awaited is not None:
            raise UsageError(
                f"the handover to view {chain.awaited.number} goes on from checkpoint"
                f" {chain.awaited.index}, which is not held here; sync first"
            )
        for waiting in chain.get_candidates():
            signers = chain.cosignatures.get_signers(waiting)
            raise UsageError(
                f"checkpoint {waiting.index} waits for cosignatures, {len(signers)} of"
                f" {chain.view.quorum} are here; sync with the witnesses"
            )
        for damage in self.damages:
            if damage.kind == "statement":
                # What this device signed may be among what was lost, and must not be signed twice.
                raise StoreDamaged(
                    f"{damage}; no checkpoint is signed until a sync with a peer has repaired it"
                )

    def keep_reversals(self) -> None:
        """Remember durably which outcomes were taken back, so that later commands can say so."""
        new = {
            entry: cause
            for entry, cause in self.replica.machine.get_reversals().items()
            if entry not in self._known_reversals
        }
        if new:
            self.store.write(reversals=list(new.items()))
            self._known_reversals.update(new)

    def _keep_heads(self) -> None:
        """Keep how far heads were counted, if anybody asked for them, so that it is done once."""
        machine = self.replica.machine
        kept = self.market.heads.get_counted(machine.get_settled_position)
        if kept:
            self.store.saved.save_heads(kept)
            self.market.heads.resume(kept)

    def check_may_write(self, device: bytes) -> None:
        """Raise what stands against the next entry of a device of this home.

        ``StoreDamaged`` or ``ForkSeen`` when its feed is not held, or not agreed upon, to its
        end; ``UsageError`` when this home may be a copy that does not know its own end.
        """
        for damage in self.damages:
            if damage.forbids_writing(device):
                is_entry = damage.kind == "entry" and damage.device == device
                if is_entry and self.replica.get_feed(device).position >= damage.position:
                    # What else it signed is only known once all of it has been verified.
                    raise StoreDamaged(
                        f"{damage}; a peer has repaired it since, so end the process that owns this"
                        " home, and write once it was opened and verified again"
                    )
                raise StoreDamaged(
                    f"{damage}; this is your own feed, so nothing is written until a sync with a"
                    " peer has repaired it"
                )
        branches = self.replica.branches
        if suspended_from := branches.get_suspended_from(device):
            raise ForkSeen(
                f"this device signed two histories from position {suspended_from} on: another copy"
                " of this home writes too, so stop using one of them; " + self._explain_settling()
            )
        if branches.is_awaiting(device):
            awaited = branches.get_awaited(device)
            assert awaited is not None
            raise ForkSeen(
                f"a checkpoint includes this device's entries up to position {awaited.position},"
                " which are not all held here; sync with a peer that has them before you write"
            )
        self.check_place()

    def check_place(self) -> None:
        """Raise ``UsageError`` when this home may be a copy that does not know what it signed."""
        self.place.check(self.replica.chain.sequencer, self._get_others())

    @property
    def is_in_place(self) -> bool:
        """Is this home where it was last used, or known there by now to whoever knows it?"""
        return self.place.find_objection(self.replica.chain.sequencer, self._get_others()) is None

    def _get_others(self) -> list[bytes]:
        return [device for device in self.replica.feeds if device != self.key.public]

    def _explain_settling(self) -> str:
        if self.replica.chain.sequencer is None:
            return "a sandbox has no checkpoints to settle it: join again with a new device"
        return (
            "sync until a checkpoint has settled which of them goes on, then see what was lost"
            " with `synaptic-crdt log --void` and write again what you still want with"
            " `synaptic-crdt reissue`"
        )

    def _next_timestamp(self, device: bytes, operation: Operation, fields: list[Value]) -> int:
        wall_ms = self.get_wall_ms()
        named = (entry.time for entry in self._get_named_entries(fields))
        return next_timestamp(
            wall_ms,
            own_last=self.replica.get_feed(device).tip.time,
            newest_seen=self.replica.get_newest_time(wall_ms),
            newest_named=max(self._get_cause_time(operation), *named, 0),
        )

    def _get_cause_time(self, operation: Operation) -> int:
        """Return the time of what an operation follows without naming it as an entry."""
        match operation:
            # The cause may not have arrived here yet; what it begot must still follow it.
            case AccountOpen(certificate=Certificate(issued=issued)):
                return issued
            case DeviceJoin(account=account, voucher=voucher):
                # A paper device's voucher is as old as the opening of its account.
                return max(voucher.issued, self._get_first_time(account))
            case DeviceRevoke(device=device):
                return self._get_first_time(device)
            case _:
                return 0

    def _get_first_time(self, device: bytes) -> int:
        # What is included comes before whatever is written now.
        if self.replica.machine.get_settled_position(device):
            return 0
        entries = self.replica.get_feed(device).entries
        return entries[0].time if entries else 0

    def _get_named_entries(self, value: Value) -> Iterator[Entry]:
        if isinstance(value, list):
            for item in value:
                yield from self._get_named_entries(item)
        elif isinstance(value, bytes):
            place = self.replica.machine.get_place(value)
            # What is included comes before whatever is written now.
            if place is not None and not place.epoch:
                yield self.replica.get_feed(place.device).entries[place.position - 1]

    def _is_ready(self, outcome: Outcome) -> bool:
        """May the sequencer include this entry, or does it wait for its cause to arrive?"""
        if has_cause(outcome):
            return True
        return self.get_wall_ms() - get_ms(outcome.entry.time) > _CAUSE_WAIT_MS


@contextmanager
def _garbage_left_alone() -> Generator[None]:
    """Do not look for cycles among what is loaded: it has none, and all of it stays.

    Looking again and again takes a fifth of the time that it takes to open a home.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
