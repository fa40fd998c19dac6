"""Archives: final history moved from a home to a file, and read back from it.

What is moved are bodies, in whole windows, of entries that no saved state needs to go back to: the
newest 64 epochs stay. Their hashes stay, too, and every window's seal, so that whatever is read
back is what was moved. The file is a bundle; an audit needs it, and peers that are new do.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from synaptic_crdt.errors import MalformedInput, UsageError, WrongMarket
from synaptic_crdt.node.home import Home, HomeLock
from synaptic_crdt.node.naming import PathText
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.wire import Json
from synaptic_crdt.state import limits
from synaptic_crdt.state.feeds import Piece
from synaptic_crdt.state.hashes import compute_hash
from synaptic_crdt.state.held import Feed
from synaptic_crdt.state.store import Store
from synaptic_crdt.sync.transports.bundle_format import (
    open_whole,
    read_genesis_record,
    read_records,
    write_records,
)


def write_archive(node: Node, *, path: PathText) -> Json:
    """Move what can be moved to a file, which is durable before anything leaves the store.

    Raises ``UsageError`` when there is nothing to move, or not everything is final.
    """
    spans = _find_spans(node)
    if not spans:
        raise UsageError(
            "nothing can be archived yet: whole windows of"
            f" {limits.WINDOW_ENTRIES:,} entries are, once {limits.SAVED_STATES} checkpoints came"
            " after them"
        )
    feeds = node.replica.feeds
    heads = [node.market.heads.keep(feeds[device], stop) for device, (_, stop) in spans.items()]
    pieces = (
        piece
        for device, (start, stop) in spans.items()
        for piece in _get_pieces(feeds[device], start, stop)
    )
    write_records(Path(path), node.market.genesis_bytes, pieces, node.replica.get_statements())
    node.store.saved.save_heads(heads)
    count = node.store.archive({device: stop for device, (_, stop) in spans.items()})
    return {"path": path, "entries": count, "bytes": Path(path).stat().st_size}


def restore_archive(home: Home, path: Path) -> Json:
    """Read an archive back into a home that no process has open.

    Raises ``UsageError``, ``WrongMarket`` or ``MalformedInput``.
    """
    home.check_complete()
    lock = HomeLock.try_take(home)
    if lock is None:
        raise UsageError(f"another process is using {home.path}; wait until it ends")
    with lock:
        store = Store.open(home.store_path)
        try:
            market = compute_hash("market", store.genesis)
            count = sum(store.restore(piece) for piece in _read_pieces(market, path))
            left = store.count_archived()
            if store.is_archived and not left:
                store.end_archive()
        finally:
            store.close()
    return {"path": str(path), "entries": count, "archived": left}


def read_archives(market: bytes, paths: Sequence[Path]) -> Mapping[tuple[bytes, int], bytes]:
    """Return the bodies in archives of a market, by device and position. Verifies none of them."""
    bodies: dict[tuple[bytes, int], bytes] = {}
    for path in paths:
        for piece in _read_pieces(market, path):
            for position, body in enumerate(piece.bodies, piece.first):
                bodies[piece.device, position] = body
    return bodies


def _read_pieces(market: bytes, path: Path) -> Iterator[Piece]:
    with open_whole(path) as file:
        found = compute_hash("market", read_genesis_record(file))
        if found != market:
            raise WrongMarket(
                f"{path} is of market {found.hex()[:16]}, this one is {market.hex()[:16]}"
            )
        for record in read_records(file):
            if isinstance(record, Piece):
                yield record


def _find_spans(node: Node) -> dict[bytes, tuple[int, int]]:
    """Return what can be moved, by device: after which position, up to which."""
    replica = node.replica
    replica.machine.fold()
    reach = node.store.saved.epoch - limits.SAVED_STATES
    if replica.divergences or node.damages:
        raise UsageError(
            "the roots of this home and of its checkpoints differ, or its store is damaged; nothing"
            " is archived until `synaptic-crdt doctor` has nothing to say"
        )
    positions: dict[bytes, int] = {}
    for index in range(1, reach + 1):
        checkpoint = replica.chain.get(index)
        assert checkpoint is not None
        positions.update((item.device, item.position) for item in checkpoint.frontier)
    spans: dict[bytes, tuple[int, int]] = {}
    for device, included in positions.items():
        feed = replica.feeds[device]
        start = node.store.get_archived_position(device)
        # Its last entry says how the feed goes on, so the window before it is the last to move.
        ends = feed.get_window_ends(start, min(included, feed.end) - 1)
        if ends:
            spans[device] = (start, ends[-1])
    return spans


def _get_pieces(feed: Feed, start: int, stop: int) -> Iterator[Piece]:
    while start < stop:
        piece = feed.get_piece(start + 1)
        if piece is None:
            raise MalformedInput(
                f"feed {feed.device.hex()} position {start + 1}: no valid seal of this window, so"
                " it cannot be archived; `synaptic-crdt audit` says more"
            )
        yield piece
        start = piece.last
