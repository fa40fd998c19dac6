"""Carrying what is too large for an entry from home to home, in a folder.

A home takes only contents that its market names, so that nobody fills a disk with others, and takes
each of them only as what it is named for. What a private task carries is encrypted: whoever
carries it reads its size and nothing else.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from synaptic_crdt.errors import StoreFailed, UsageError
from synaptic_crdt.folders import make_folder
from synaptic_crdt.node.contents import get_blob_store
from synaptic_crdt.node.lookup import get_assignments, get_tasks
from synaptic_crdt.node.naming import PathText
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.wire import Json
from synaptic_crdt.rules.limits import BLOB_BYTES
from synaptic_crdt.rules.operations import parse_operation
from synaptic_crdt.rules.task_form import compute_payload_hash
from synaptic_crdt.rules.task_operations import Payload, TaskDeliver, TaskPost
from synaptic_crdt.sync.files import write_whole

_SUFFIX: Final = ".blob"


def list_blobs(node: Node) -> Json:
    """Return the contents that travel on their own, and which of them are here."""
    store = get_blob_store(node)
    blobs = {payload.hash: (task, what, payload) for task, what, payload in _find_named(node)}
    return {
        "blobs": [
            {
                "hash": name.hex(),
                "size": payload.size,
                "task": task.hex(),
                "content": what,
                "here": store.has(name),
            }
            for name, (task, what, payload) in blobs.items()
        ]
    }


def write_blobs(node: Node, *, path: PathText) -> Json:
    """Write the contents that the market names and that are here into a folder.

    Raises ``StoreDamaged`` for one that is damaged, ``StoreFailed`` when the folder refuses.
    """
    folder, store = Path(path), get_blob_store(node)
    written = size = 0
    try:
        make_folder(folder)
    except OSError as error:
        raise StoreFailed(f"{folder}: {error.strerror}") from error
    for name in dict.fromkeys(payload.hash for _, _, payload in _find_named(node)):
        data = store.get(name)
        if data is not None:
            with write_whole(folder / f"{name.hex()}{_SUFFIX}") as file:
                file.write(data)
            written += 1
            size += len(data)
    return {"path": path, "written": written, "bytes": size}


def read_blobs(node: Node, *, path: PathText) -> Json:
    """Take from a folder, or from one file, the contents that the market names."""
    named = {payload.hash for _, _, payload in _find_named(node)}
    store = get_blob_store(node)
    new = known = refused = 0
    for file in _list_files(Path(path)):
        data = _read_file(file)
        name = None if data is None else compute_payload_hash(data)
        if data is None or name not in named:
            refused += 1
        elif store.has(name):
            known += 1
        else:
            store.put(data)
            new += 1
    return {"path": path, "received": new, "known": known, "refused": refused}


def _find_named(node: Node) -> Iterator[tuple[bytes, str, Payload]]:
    """Yield task, word and payload of all that travels on its own, tasks first."""
    market = node.market.contract.market
    for task in get_tasks(market):
        posted = _get_operation(node, task)
        assert isinstance(posted, TaskPost)
        for shard in posted.seats:
            if shard.payload.inline is None:
                yield task, "payload", shard.payload
    for _, row in get_assignments(market):
        if row.delivery:
            delivered = _get_operation(node, row.delivery)
            assert isinstance(delivered, TaskDeliver)
            if delivered.result.inline is None:
                yield row.seat[:-1], "result", delivered.result


def _list_files(path: Path) -> list[Path]:
    try:
        return sorted(path.glob(f"*{_SUFFIX}")) if path.is_dir() else [path]
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error


def _read_file(path: Path) -> bytes | None:
    """Return what an ordinary file holds, or None when it holds more than a content has."""
    try:
        # A pipe could be waited on for ever.
        if not path.is_file() or path.stat().st_size > BLOB_BYTES:
            return None
        with path.open("rb") as file:
            data = file.read(BLOB_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{os.fsdecode(path)}: {error.strerror}") from error
    return data if len(data) <= BLOB_BYTES else None


def _get_operation(node: Node, entry_id: bytes) -> object:
    outcome = node.replica.machine.get_outcome(entry_id)
    assert outcome is not None, entry_id
    return parse_operation(outcome.entry.operation)
