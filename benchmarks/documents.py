"""The market as an Automerge document: its changes, an export, and the opening of a file."""

import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figure, print_figures
from benchmarks.histories import make_transfers, open_market
from synaptic_crdt.node.documents import read_document, write_document
from synaptic_crdt.node.home import Home
from synaptic_crdt.node.node import Node
from synaptic_crdt.state.changes import FeedChanges
from synaptic_crdt.state.keys import DeviceKey, make_seed
from synaptic_crdt.state.store import Store

_ENTRIES = 10_000
_DEVICES = 10


def print_documents() -> None:
    """Measure and print everything about Automerge documents."""
    with tempfile.TemporaryDirectory() as folder, open_market(Path(folder) / "writer") as node:
        node.gate.admit_pieces(make_transfers(node, _DEVICES, _ENTRIES))
        assert node.replica.root
        figures = [*_measure_changes(node), *_measure_files(node, Path(folder))]
    print_figures(f"Automerge document of {_ENTRIES:,} entries by {_DEVICES} devices", figures)


def _measure_changes(node: Node) -> list[Figure]:
    bodies = [[entry.body for entry in feed.entries] for feed in node.replica.feeds.values()]
    entries = sum(map(len, bodies))
    start = time.perf_counter()
    for feed in bodies:
        FeedChanges(bytes(32), bytes(32), bytes(32)).write(feed)
    writing = time.perf_counter() - start
    start = time.perf_counter()
    node.market.compute_heads()
    counting = time.perf_counter() - start
    start = time.perf_counter()
    node.market.compute_heads()
    again = time.perf_counter() - start
    return [
        Figure(
            "the change of an entry, written", writing / entries * 1e6, "us", 11, is_floor=False
        ),
        Figure("heads, each new entry", counting / entries * 1e6, "us", 11, is_floor=False),
        Figure("heads when nothing is new", again * 1e6, "us", 100, is_floor=False),
    ]


def _measure_files(node: Node, folder: Path) -> list[Figure]:
    path = folder / "market.automerge"
    start = time.perf_counter()
    told = write_document(node, path=str(path))
    writing = time.perf_counter() - start
    home = Home(folder / "reader")
    home.make()
    store = Store.create(home.store_path, node.market.genesis_bytes)
    reader = Node(home, DeviceKey(make_seed()), store)
    start = time.perf_counter()
    read_document(reader, path=str(path))
    reading = time.perf_counter() - start
    assert reader.replica.root == node.replica.root
    reader.close()
    return [
        Figure("export", writing, "s", 1, is_floor=False),
        Figure("import: opened, sorted out, durable, folded", reading, "s", 2, is_floor=False),
        Figure("file, each entry", told["bytes"] / told["entries"], "bytes", 290, is_floor=False),
    ]
