"""Proofs for people: made from an open home, written to a file, and told in words.

Whoever checks one needs the file, a root and a market id, and neither a home nor a link.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, Literal

from synaptic_crdt.errors import AuditFailed, UsageError
from synaptic_crdt.node.lookup import find_account, find_id, get_assignments, get_tasks, read_hash
from synaptic_crdt.node.naming import PathText
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.wire import Json
from synaptic_crdt.rules.market import Market
from synaptic_crdt.rules.proofs import (
    Reader,
    name_assignment,
    name_balance,
    name_task,
    view_entry,
    view_rows,
)
from synaptic_crdt.state import limits
from synaptic_crdt.state.machine import Machine, Version
from synaptic_crdt.state.proofs import (
    EntryProof,
    ProvenEntry,
    RowsProof,
    encode_proof,
    verify_proof,
)
from synaptic_crdt.state.proving import (
    RowName,
    compute_version_root,
    get_row,
    prove_entry,
    prove_rows,
)
from synaptic_crdt.sync.files import write_whole

About = Literal["balance", "task", "assignment", "entry"]
Namer = Callable[[Market, bytes, Reader], list[RowName]]


def prove(
    node: Node, *, about: About, subject: str, path: PathText, provisional: bool = False
) -> Json:
    """Write a proof about an account's balance, a task, an assignment or an entry to a file.

    It holds under the root of the newest checkpoint in effect here, or with ``provisional`` under
    the root of all that is held. Raises ``UsageError`` when there is nothing to prove it under.
    """
    machine = node.replica.machine
    version = machine.get_current() if provisional else _get_closed(node)
    if about == "entry":
        proof = _prove_entry(node, version, subject)
    else:
        proof = _prove_rows(node, version, about, subject)
    data = encode_proof(proof)
    root = compute_version_root(node.market.id, version)
    told = _tell(node.market.id, root, data)
    with write_whole(Path(path)) as file:
        file.write(data)
    checkpoint = None if provisional else node.replica.chain.get(version.epoch)
    return told | {
        "path": path,
        "checkpoint": None if checkpoint is None else checkpoint.index,
        "checkpoint_id": None if checkpoint is None else checkpoint.id.hex(),
    }


def check_proof(path: Path, *, market: str, root: str) -> Json:
    """Say what a file proves under a root of a market, both in hexadecimal.

    Raises ``MalformedInput`` or ``Forged`` with the first reason why it proves nothing.
    """
    try:
        with path.open("rb") as file:
            # One byte more than the limit is enough to see that it is exceeded.
            data = file.read(limits.PROOF_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; name a file with a proof") from error
    return _tell(read_hash("market id", market), read_hash("root", root), data)


def _tell(market: bytes, root: bytes, data: bytes) -> Json:
    proven = verify_proof(market, root, data)
    is_entry = isinstance(proven, ProvenEntry)
    return {
        "market": market.hex(),
        "root": root.hex(),
        "epoch": proven.epoch,
        "time_ms": proven.time_ms,
        "bytes": len(data),
        "proven": view_entry(proven) if is_entry else view_rows(proven.rows),
    }


def _get_closed(node: Node) -> Version:
    replica = node.replica
    replica.machine.fold()
    if not replica.machine.epoch:
        raise UsageError(
            "no checkpoint is in effect here, so no root is claimed by anybody; --provisional"
            " proves under the root of what this home holds"
        )
    if replica.divergences:
        first = replica.divergences[0]
        raise AuditFailed(
            f"checkpoint {first.index} claims root {first.claimed.hex()}, here it is"
            f" {first.computed.hex()}: nothing can be proven under checkpoints from there on;"
            " --provisional proves under this home's own root"
        )
    return replica.machine.get_closed()


def _prove_entry(node: Node, version: Version, subject: str) -> EntryProof:
    machine = node.replica.machine
    entry_id = find_id("entry", subject, _get_entry_ids(machine))
    outcome = machine.get_outcome(entry_id)
    assert outcome is not None
    if not outcome.epoch:
        raise UsageError(
            f"entry {entry_id.hex()} is pending: its verdict may still change, so no root holds"
            " it; try again when a checkpoint includes it"
        )
    feed = node.replica.get_feed(outcome.entry.device)
    predecessor = feed.get_id(outcome.entry.position - 1)
    return prove_entry(machine, version, outcome, predecessor)


def _prove_rows(node: Node, version: Version, about: About, subject: str) -> RowsProof:
    machine = node.replica.machine
    market = node.market.contract.market
    key = _FINDERS[about](node, subject)
    names = _NAMERS[about](
        market, key, lambda table, row_key: get_row(machine, version, table, row_key)
    )
    return prove_rows(machine, version, names)


def _get_entry_ids(machine: Machine) -> Iterator[bytes]:
    yield from machine.get_settled().get_ids()
    for outcome in machine.get_tail():
        yield outcome.entry.id


def _find_account(node: Node, text: str) -> bytes:
    return _read_full(text) or find_account(node, text)


def _find_task(node: Node, text: str) -> bytes:
    return _read_full(text) or find_id("task", text, get_tasks(node.market.contract.market))


def _find_assignment(node: Node, text: str) -> bytes:
    ids = (key for key, _ in get_assignments(node.market.contract.market))
    return _read_full(text) or find_id("assignment", text, ids)


def _read_full(text: str) -> bytes | None:
    """Return an id that is given in full: that nothing has it can be proven too."""
    try:
        value = bytes.fromhex(text)
    except ValueError:
        return None
    return value if len(value) == limits.HASH_BYTES else None


_FINDERS: Final[Mapping[About, Callable[[Node, str], bytes]]] = {
    "balance": _find_account,
    "task": _find_task,
    "assignment": _find_assignment,
}
_NAMERS: Final[Mapping[About, Namer]] = {
    "balance": name_balance,
    "task": name_task,
    "assignment": name_assignment,
}
