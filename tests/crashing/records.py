"""Everything a home keeps by name, read as it is found: what promises are held against."""

import hashlib
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Final

from synaptic_crdt.errors import Forged, StoreDamaged
from synaptic_crdt.exec.journal import Finished, Journal
from synaptic_crdt.exec.policy import load_policy
from synaptic_crdt.exec.usage import UsageLog
from synaptic_crdt.node.blobs import BlobStore
from synaptic_crdt.node.contents import get_key_ring
from synaptic_crdt.node.home import write_privately
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.peers import read_addresses
from synaptic_crdt.node.reading import make_file_end
from synaptic_crdt.state.keys import DeviceKey
from tests.crashing.promises import NOTHING
from tests.crashing.scenes import Other, get_files, get_shared


def digest(data: bytes) -> str:
    """Return what stands for a content in promises."""
    return hashlib.sha256(data).hexdigest()


class Records:
    """What an open home holds, by the names that promises use."""

    def __init__(self, node: Node, folder: Path) -> None:
        self._node: Final = node
        self._files: Final = get_files(folder)
        self._shared: Final = get_shared(folder)
        # Of what is stored, the replica holds what matters still.
        rows = node.store._connection.execute("SELECT id FROM statements")
        self._statements: Final = {id_.hex() for (id_,) in rows}
        calls = UsageLog(node.home.usage_path).read()
        self._calls: Final = {call.begun.call: call.outcome for call in calls}

    def read(self, name: str) -> str:
        """Return what is found under a name."""
        kind, _, rest = name.partition(":")
        try:
            return _READERS[kind](self, rest)
        except (StoreDamaged, Forged) as error:
            return f"damaged: {error}"

    def read_entry(self, place: str) -> str:
        device, position = place.split(":")
        feed = self._node.replica.feeds.get(bytes.fromhex(device))
        if feed is None or not 1 <= int(position) <= feed.end:
            return NOTHING
        return feed.get_id(int(position)).hex()

    def read_shared(self, place: str) -> str:
        """Return what a newcomer finds in the shared folder; a lie in it is told instead."""
        device, position = place.split(":")
        feed = self._newcomer.replica.feeds.get(bytes.fromhex(device))
        if feed is None or feed.end < int(position):
            return NOTHING
        return feed.get_id(int(position)).hex()

    @cached_property
    def _newcomer(self) -> Other:
        newcomer = Other(self._node.market.genesis_bytes, DeviceKey(bytes(32)))
        keys = make_file_end(self._node, in_the_clear=True).keys
        passed = newcomer.share(self._shared, keys)
        # What stands on others may wait for them; what is there is whole and true.
        assert not passed.skipped, passed.skipped
        return newcomer

    def read_statement(self, id_: str) -> str:
        return "here" if id_ in self._statements else NOTHING

    def read_blob(self, name: str) -> str:
        data = BlobStore(self._node.home.blobs_path).get(bytes.fromhex(name))
        return NOTHING if data is None else digest(data)

    def read_key(self, commitment: str) -> str:
        key = get_key_ring(self._node).get(bytes.fromhex(commitment))
        return NOTHING if key is None else "here"

    def read_job(self, assignment: str) -> str:
        found = make_journal(self._node).find(bytes.fromhex(assignment))
        if found is None:
            return NOTHING
        if isinstance(found, Finished):
            return digest(found.result.data)
        return found.damage or "begun"

    def read_usage(self, call: str) -> str:
        return self._calls.get(call, NOTHING)

    def read_file(self, name: str) -> str:
        path = self._files / name
        return digest(path.read_bytes()) if path.exists() else NOTHING

    def read_bundle(self, name: str) -> str:
        # Whether it is, an audit says.
        return "whole" if (self._files / name).exists() else NOTHING

    def read_addresses(self, _: str) -> str:
        return ",".join(read_addresses(self._node.home))

    def read_policy(self, _: str) -> str:
        path = self._node.home.policy_path
        return str(load_policy(path).minimum_price) if path.exists() else NOTHING

    def read_home(self, _: str) -> str:
        return self._node.key.public.hex()


_READERS: Final[Mapping[str, Callable[[Records, str], str]]] = {
    "entry": Records.read_entry,
    "shared": Records.read_shared,
    "statement": Records.read_statement,
    "blob": Records.read_blob,
    "key": Records.read_key,
    "job": Records.read_job,
    "usage": Records.read_usage,
    "file": Records.read_file,
    "bundle": Records.read_bundle,
    "addresses": Records.read_addresses,
    "policy": Records.read_policy,
    "home": Records.read_home,
}


def make_journal(node: Node) -> Journal:
    """Return the home's journal, as its worker would have it."""
    return Journal(node.home.journal_path, node.key, node.market.id, write_privately)
