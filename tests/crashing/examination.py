"""What has to hold of a home after a crash, whatever the crash was.

Nothing is damaged, everything acknowledged is there, nothing is half there; the state is that of a
full replay; and its owner goes on as if nothing had happened, with no fork of the own feed.
"""

from pathlib import Path
from typing import Final

from synaptic_crdt.errors import SynapticError
from synaptic_crdt.node.audit import Claim
from synaptic_crdt.node.blobs import BlobStore
from synaptic_crdt.node.bundles import audit_bundle
from synaptic_crdt.node.home import Home, HomeLock
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.queries import run_query
from synaptic_crdt.rules.consents import make_consent
from synaptic_crdt.rules.verdicts import Verdict
from tests.crashing.promises import Promises
from tests.crashing.records import Records
from tests.crashing.scenes import Other, Scene, found, get_files, get_home

# What may lie beside what is whole: it was on its way, and is written over when it is done again.
_LEFTOVERS: Final = (".new", ".part", "-wal", "-shm", "-journal")
_FILES: Final = {
    "market.db",
    "device.key",
    "peers.json",
    "lock",
    "place.json",
    "places",
    "policy.toml",
    "blobs",
    "keys",
    "read-keys.json",
    "usage",
    "journal",
}


def examine(scene: Scene, folder: Path, promises: Promises) -> list[str]:
    """Return what is wrong with what was found in a folder after a crash; it is worked on here."""
    try:
        return _examine(scene, folder, promises)
    except (SynapticError, AssertionError) as error:
        return [f"{type(error).__name__}: {error}"]


def _examine(scene: Scene, folder: Path, promises: Promises) -> list[str]:
    home = get_home(folder)
    if not home.is_complete:
        if scene.name != "nothing" or "home:" in promises.names:
            return ["the home is gone"]
        # What was interrupted can be done again.
        found(home)
    lock = HomeLock.try_take(home)
    assert lock is not None
    with lock:
        wrong = _look(home, folder, promises)
        return wrong or _go_on(scene, home) or _look(home, folder, promises)


def _look(home: Home, folder: Path, promises: Promises) -> list[str]:
    """Open the home, and hold it against what was promised and against itself."""
    node = Node.open(home, "")
    try:
        wrong = [f"damaged: {damage}" for damage in node.damages]
        wrong += _compare(Records(node, folder), promises)
        store = BlobStore(home.blobs_path)
        for name in store.list():
            store.get(name)
        archive = get_files(folder) / "old.bundle"
        archives = [str(archive)] if archive.exists() else []
        # Every hash and seal anew, the state from the first entry on, every invariant, and all
        # that is saved.
        run_query(node, "audit", {"thorough": True, "archives": archives})
        for bundle in get_files(folder).glob("[a-z]*.bundle"):
            audit_bundle(bundle, Claim())
        strange = {path.name for path in home.path.iterdir()} - _FILES
        wrong += [f"left behind: {name}" for name in strange if not name.endswith(_LEFTOVERS)]
        return wrong
    finally:
        node.close()


def _compare(records: Records, promises: Promises) -> list[str]:
    wrong: list[str] = []
    for name in promises.names:
        value = records.read(name)
        if not promises.allows(name, value):
            expected = promises.explain(name)
            wrong.append(f"{name}: found {value or 'nothing'}, acknowledged was {expected}")
    return wrong


def _go_on(scene: Scene, home: Home) -> list[str]:
    """Let the owner write, and another device be told; what it had heard before must go on."""
    node = Node.open(home, "")
    try:
        if scene.other is not None:
            for piece in scene.branches[1:]:
                # Who saw it still has it.
                scene.other.gate.admit_piece(piece)
            scene.other.meet(node)
            node.place.note_peer(scene.other.key.public)
        outcome = node.append(make_consent(None))
        wrong = [] if outcome.verdict == Verdict.APPLIED else [f"the next entry: {outcome}"]
        if node.is_sequencer and node.may_close:
            node.make_checkpoint()
        if scene.other is not None:
            wrong += _compare_with(scene, scene.other, node)
        return wrong
    finally:
        node.close()


def _compare_with(scene: Scene, other: Other, node: Node) -> list[str]:
    if node.replica.chain.sequencer == other.key.public:
        other.make_statements()
    other.meet(node)
    forkers = {proof.device for proof in other.replica.branches.forks}
    wrong = [f"a fork of {each.hex()}" for each in forkers if not scene.is_forker(each)]
    if other.replica.root != node.replica.root:
        wrong.append("the other device comes to another root")
    return wrong
