"""What is killed: a process that opens a home and works on it until it dies.

It does everything that leaves something on the disk, in random order, by the same code as any home:
entries one by one and in batches, sessions with another device, bundles, checkpoints, cosignatures,
blobs, keys, the worker's journal and its record of usage. Whatever is done, is told.
"""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Final

import trio

from synaptic_crdt.errors import Refused
from synaptic_crdt.exec.executors.base import Job, Limits, Result, Usage
from synaptic_crdt.exec.payloads import ContentKey
from synaptic_crdt.exec.policy import Policy, save_policy
from synaptic_crdt.exec.usage import UsageLog
from synaptic_crdt.node.archive import restore_archive, write_archive
from synaptic_crdt.node.arrivals import Arrivals
from synaptic_crdt.node.blobs import BlobStore
from synaptic_crdt.node.bundles import read_bundle, write_bundle
from synaptic_crdt.node.commands import run_command
from synaptic_crdt.node.contents import get_key_ring
from synaptic_crdt.node.home import Home, HomeLock
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.peers import keep_addresses, read_addresses
from synaptic_crdt.node.reading import make_file_end
from synaptic_crdt.node.witness import cosign, is_witness
from synaptic_crdt.rules.consents import make_consent
from synaptic_crdt.rules.operations import Operation, TokenTransfer, encode_operation
from synaptic_crdt.state.codec import Value
from synaptic_crdt.state.limits import BLOB_PIECE_BYTES
from synaptic_crdt.state.outline import make_outline, name_content
from synaptic_crdt.sync.blobs import WantedBlob
from synaptic_crdt.sync.transports import bundle
from synaptic_crdt.sync.transports.folder import FolderExchange
from tests.crashing.promises import NOTHING, Teller
from tests.crashing.records import digest, make_journal
from tests.crashing.scenes import (
    Other,
    Scene,
    found,
    get_files,
    get_home,
    get_shared,
    get_wall_ms,
    make_pieces,
)

# Every so many steps of SQLite's machine somebody may look in.
STEPS: Final = 20
# SQLite's own log is moved into the database after so many pages: early enough to be seen here.
_PAGES: Final = (8, 40, 1_000)
_ADDRESSES: Final = 8


class Fuse:
    """Kills this process within a statement of SQLite: when its machine has gone so many steps."""

    def __init__(self, length: int | None) -> None:
        self._left = length

    def burn(self) -> None:
        """Take note of ``STEPS`` steps."""
        if self._left is not None:
            self._left -= 1
            if self._left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)


class Victim:
    """A home in use; see ``OPERATIONS`` for what can be done with it."""

    def __init__(
        self, scene: Scene, folder: Path, teller: Teller, chance: Random, fuse: Fuse
    ) -> None:
        self.teller: Final = teller
        self.chance: Final = chance
        self.files: Final = get_files(folder)
        self.shared: Final = get_shared(folder)
        self._scene: Final = scene
        self._other: Final[Other | None] = scene.other
        self._home: Final[Home] = get_home(folder)
        self._fuse: Final = fuse
        self._told: Final[dict[bytes, int]] = {}
        self._told_statements: Final[set[bytes]] = set()
        self._lock: HomeLock | None = None
        self.node: Node = self._open()

    def work(self, script: list[str]) -> None:
        """Do things in order; what cannot be done now is left out."""
        for name in script:
            self.teller.begin(name)
            OPERATIONS[name](self)
            self._tell_document()

    # -- the document ----------------------------------------------------------------------------

    def append(self) -> None:
        with suppress(Refused):
            if self.chance.random() < 0.5:
                run_command(self.node, "consent", {"on": self.chance.random() < 0.5})
            else:
                self.node.append(self._make_transfer())

    def append_batch(self) -> None:
        node, chance = self.node, self.chance
        fields: list[list[Value]] = [
            encode_operation(self._make_transfer()) for _ in range(chance.randint(2, 30))
        ]
        if chance.random() < 0.3:
            # Kept like everything that verifies, whatever the rules say of it.
            fields.append(["note", chance.randbytes(chance.randint(1, 50_000))])
        node.check_may_write(node.key.public)
        node.gate.admit_pieces(make_pieces(node.market.id, node.key, node.replica, fields))

    def post(self) -> None:
        """Post a private task: its key and a large payload are kept before the entry is."""
        before = self._list_keys()
        size = self.chance.choice((10, 3_000, 60_000))
        text = self.chance.randbytes(size // 2).hex()
        with suppress(Refused):
            run_command(
                self.node,
                "task.post",
                {
                    "kind": "text.answer",
                    "title": "Crash",
                    "seats": [{"text": text}],
                    "price": 1,
                    "private": True,
                    "allow_pending": True,
                },
            )
        for name in self._list_keys() - before:
            self.teller.acknowledge(f"key:{name}", "here")

    def close_epoch(self) -> None:
        node = self.node
        if node.is_sequencer and node.may_close and node.is_whole:
            node.make_checkpoint()

    def cosign(self) -> None:
        if is_witness(self.node):
            cosign(self.node)

    def meet(self) -> None:
        """Sync with the other device, which then writes something, and sync again."""
        other = self._other
        if other is None:
            return
        self._meet(other)
        for _ in range(self.chance.randint(0, 3)):
            other.write([make_consent(None)] * self.chance.randint(1, 12))
        other.make_statements()
        self._meet(other)

    def see_fork(self) -> None:
        """Hold one branch of a feed, and learn of a checkpoint that fixed another one."""
        other = self._scene.other
        if other is None or not self._scene.branches:
            return
        one, another = self._scene.branches
        # It has forgotten what it signed before the last crash, and must not sign it otherwise.
        self._meet(other)
        self.node.gate.admit_piece(one)
        other.gate.admit_piece(another)
        self._tell_document()
        other.make_statements()
        self._meet(other)

    def carry(self) -> None:
        """Merge a bundle of the other device, which knows all that is shown here."""
        other = self._other
        if other is None:
            return
        self._meet(other)
        other.write([make_consent(None)] * self.chance.randint(1, 30))
        path = self.files / "brought.bundle"
        bundle.write_bundle(path, other.replica, other.market.genesis_bytes)
        read_bundle(self.node, path=str(path))

    def share(self) -> None:
        """Bring a folder in step that the other device writes to as well."""
        if self.node.store.is_archived:
            return
        self._tell_document()
        end = make_file_end(self.node, in_the_clear=self.chance.random() < 0.5)
        if self._other is not None:
            self._meet(self._other)
            self._other.write([make_consent(None)] * self.chance.randint(0, 5))
            self._other.share(self.shared, end.keys)
        exchange = FolderExchange(f"dir://{self.shared}", end)
        passed = trio.run(exchange.run_pass)
        exchange.close()
        if passed.report.equal:
            for device, feed in self.node.replica.feeds.items():
                if self._scene.is_forker(device):
                    continue
                name = f"shared:{device.hex()}:{feed.end}"
                self.teller.acknowledge(name, feed.get_id(feed.end).hex())

    def write_bundle(self) -> None:
        name = self.chance.choice(("one.bundle", "two.bundle"))
        if self.node.store.is_archived:
            return
        # Whole: whichever it is, an old one or the new one. What that will be nobody knows before.
        write_bundle(self.node, path=str(self.files / name))
        self.teller.acknowledge(f"bundle:{name}", "whole")

    def archive(self) -> None:
        path = self.files / "old.bundle"
        if self.node.store.count_archived() or self.node.store.saved.epoch < 66:
            return
        write_archive(self.node, path=str(path))
        self.teller.acknowledge("file:old.bundle", digest(path.read_bytes()))

    def read_back(self) -> None:
        """Read an archive back, which nobody else may have open meanwhile."""
        path = self.files / "old.bundle"
        if not path.exists():
            return
        self.node.close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        restore_archive(self._home, path)
        self.node = self._open()
        assert not self.node.store.count_archived()

    def reopen(self) -> None:
        self.node.close()
        self.node = self._open()

    # -- what is kept beside it ------------------------------------------------------------------

    def keep_blob(self) -> None:
        # Few and small ones repeat: what is there already is promised again.
        size = self.chance.choice((1, 2, 3, 700, 5_000, 80_000))
        data = bytes([size % 7]) * size
        name = BlobStore(self.node.home.blobs_path).put(data)
        self.teller.acknowledge(f"blob:{name.hex()}", digest(data))

    def fetch_blob(self) -> None:
        """Take a blob piece by piece, as from a link, going on where it was cut off before."""
        data = bytes([self.chance.randint(1, 3)]) * (2 * BLOB_PIECE_BYTES + 5)
        blob = WantedBlob(name_content(data), len(data))
        arrivals = Arrivals(self.node.home.blobs_path)
        if arrivals.begin(blob):
            for number in range(arrivals.resume(blob, make_outline(data)), 3):
                start = number * BLOB_PIECE_BYTES
                arrivals.keep(blob, data[start : start + BLOB_PIECE_BYTES])
            arrivals.finish(blob)
        self.teller.acknowledge(f"blob:{blob.name.hex()}", digest(data))

    def keep_key(self) -> None:
        key = ContentKey.make()
        get_key_ring(self.node).keep(key)
        self.teller.acknowledge(f"key:{key.commitment.hex()}", "here")

    def do_job(self) -> None:
        """Go through the worker's steps for one job: begun, called, finished, forgotten."""
        journal, log = make_journal(self.node), UsageLog(self.node.home.usage_path)
        assignment, data = self.chance.randbytes(32), self.chance.randbytes(900)
        name, now = f"job:{assignment.hex()}", get_wall_ms()
        self.teller.may(name, "begun")
        journal.begin(assignment, now)
        self.teller.acknowledge(name, "begun")
        call = log.begin(_make_job(assignment), "rehearsal", now)
        self.teller.acknowledge(f"usage:{call.call}", "interrupted")
        self.teller.may(f"usage:{call.call}", "done")
        log.end(call, "done", Usage("model", 3, 4, is_exact=True), 0.5)
        self.teller.acknowledge(f"usage:{call.call}", "done")
        self.teller.may(name, digest(data))
        journal.finish(assignment, now, Result("text/plain", data))
        self.teller.acknowledge(name, digest(data))
        if self.chance.random() < 0.5:
            # What is forgotten may come back after a power cut; then it is swept.
            self.teller.may(name, NOTHING)
            journal.forget(assignment)

    def keep_addresses(self) -> None:
        home = self.node.home
        new = f"tcp://127.0.0.1:{self.chance.randint(1, _ADDRESSES)}"
        known = read_addresses(home)
        merged = list(dict.fromkeys([new, *known]))
        self.teller.may("addresses:", ",".join(merged))
        keep_addresses(home, [new])
        self.teller.acknowledge("addresses:", ",".join(merged))

    def save_policy(self) -> None:
        path = self.node.home.policy_path
        policy = Policy(opted_in=True, minimum_price=self.chance.randint(1, 9))
        self.teller.may("policy:", str(policy.minimum_price))
        save_policy(path, policy)
        self.teller.acknowledge("policy:", str(policy.minimum_price))

    # --------------------------------------------------------------------------------------------

    def _open(self) -> Node:
        if not self._home.is_complete:
            self.teller.begin("found a market")
            found(self._home)
            self.teller.acknowledge("home:", self._home.read_key("").public.hex())
        # Held until the end of the process, as by every owner.
        self._lock = self._lock or HomeLock.try_take(self._home)
        node = Node.open(self._home, "")
        node.store._connection.execute(f"PRAGMA wal_autocheckpoint = {self.chance.choice(_PAGES)}")
        node.store._connection.set_progress_handler(self._fuse.burn, STEPS)
        self.node = node
        if node.place.is_moved and self._other is not None:
            self._meet(self._other)
        self._tell_document()
        return node

    def _meet(self, other: Other) -> None:
        # What a session shows is acknowledged, in the moment in which it is shown.
        self._tell_document()
        other.meet(self.node)
        self.node.place.note_peer(other.key.public)
        self._tell_document()

    def _tell_document(self) -> None:
        """Promise everything that is held and was not promised before."""
        for device, feed in self.node.replica.feeds.items():
            # Which entries those are, a checkpoint decides.
            if self._scene.is_forker(device):
                continue
            for position in range(self._told.get(device, 0) + 1, feed.end + 1):
                id_ = feed.get_id(position).hex()
                self.teller.acknowledge(f"entry:{device.hex()}:{position}", id_)
            self._told[device] = feed.end
        for statement in self.node.replica.walk_statements():
            if statement.id not in self._told_statements:
                self.teller.acknowledge(f"statement:{statement.id.hex()}", "here")
                self._told_statements.add(statement.id)

    def _list_keys(self) -> set[str]:
        return {path.stem for path in self.node.home.keys_path.glob("*.key")}

    def _make_transfer(self) -> Operation:
        to = self.node.account if self._other is None else self._other.key.public
        memo = "x" * self.chance.randint(0, 250)
        return TokenTransfer(to, 1, self.chance.randbytes(8), memo)


def _make_job(assignment: bytes) -> Job:
    return Job(
        assignment=assignment,
        task=bytes(32),
        requester=bytes(32),
        kind="text.answer",
        title="",
        criteria="",
        units=1,
        media_type="text/plain",
        payload=b"",
        limits=Limits(result_bytes=1_000, output_tokens=10, tokens=100),
    )


OPERATIONS: Final[dict[str, Callable[[Victim], None]]] = {
    "append": Victim.append,
    "append a batch": Victim.append_batch,
    "post": Victim.post,
    "close an epoch": Victim.close_epoch,
    "cosign": Victim.cosign,
    "sync": Victim.meet,
    "see a fork": Victim.see_fork,
    "merge a bundle": Victim.carry,
    "share a folder": Victim.share,
    "write a bundle": Victim.write_bundle,
    "archive": Victim.archive,
    "read an archive back": Victim.read_back,
    "close and open": Victim.reopen,
    "keep a blob": Victim.keep_blob,
    "fetch a blob": Victim.fetch_blob,
    "keep a key": Victim.keep_key,
    "do a job": Victim.do_job,
    "keep addresses": Victim.keep_addresses,
    "save a policy": Victim.save_policy,
}
_WEIGHTS: Final = {"append": 6, "append a batch": 3, "close an epoch": 5, "sync": 3}


def choose_script(chance: Random, length: int) -> list[str]:
    """Return what to do, at random."""
    names = list(OPERATIONS)
    return chance.choices(names, [_WEIGHTS.get(name, 1) for name in names], k=length)
