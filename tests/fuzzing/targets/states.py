"""Files that begin at a checkpoint's state, which peers hand to newcomers."""

import atexit
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Final, cast

from synaptic_crdt.errors import Forged, MalformedInput, UsageError, VersionMismatch
from synaptic_crdt.node.cold_start import begin_node, write_state_file
from synaptic_crdt.node.home import Home
from synaptic_crdt.node.node import Node
from synaptic_crdt.rules.genesis import compute_market_id, decode_genesis
from synaptic_crdt.state.codec import Value, decode, encode_trusted
from synaptic_crdt.state.hashes import start_hash
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.limits import FRAME_BYTES, HASH_BYTES, STATEMENT_BYTES
from synaptic_crdt.state.merkle import compute_state_root, update_tree
from synaptic_crdt.state.saved import SavedRow, StateAssembly, _compute_leaves
from synaptic_crdt.state.statements.form import compute_statement_id
from synaptic_crdt.state.store import Store
from synaptic_crdt.sync.transports.bundle_format import HEAD
from tests.fuzzing.changes import change_value, join_frames, make_frames_change, split_frames
from tests.fuzzing.target import Target
from tests.fuzzing.targets.files import get_genesis, get_keys, read_step
from tests.fuzzing.targets.format import read_vectors

_STEPS: Final = 20


def run_state(data: bytes) -> None:
    """Begin a home with a file whose checksum was made to fit: with a checkpoint's root, or not."""
    hasher = start_hash("bundle")
    hasher.update(data)
    path = get_folder() / "state.bundle"
    path.write_bytes(data + hasher.digest())
    home = Home(get_folder() / "home")
    home.path.mkdir(exist_ok=True)
    for left in home.path.glob("market.db*"):
        left.unlink()
    store = Store.create(home.store_path, get_genesis())
    try:
        node = begin_node(home, get_key(), store, path)
        epoch = node.replica.machine.epoch
        checkpoint = node.replica.chain.get(epoch)
        assert epoch
        assert checkpoint is not None
        assert not node.replica.divergences
    except (Forged, MalformedInput, UsageError, VersionMismatch):
        pass
    finally:
        store.close()


def get_key() -> DeviceKey:
    return next(iter(get_keys().values()))


@cache
def make_states() -> Sequence[bytes]:
    """Return a state file without its checksum."""
    home = Home(get_folder() / "source")
    home.path.mkdir()
    store = Store.create(home.store_path, get_genesis())
    node = Node(home, get_key(), store)
    for step in read_vectors("market-life.json")["steps"][:_STEPS]:
        if "bodies" in step:
            node.gate.admit_piece(read_step(step))
        else:
            node.gate.admit_statement(bytes.fromhex(step["statement"]))
    path = get_folder() / "source.bundle"
    write_state_file(node, path=str(path))
    node.close()
    return [path.read_bytes()[:-HASH_BYTES]]


def sign_root(payloads: list[bytes]) -> None:
    """Let the sequencer sign the root of whatever rows there are: it may lie as anybody may."""
    rows: list[SavedRow] = []
    checkpoints: list[tuple[int, list[Value]]] = []
    try:
        for place, payload in enumerate(payloads):
            match decode(payload, FRAME_BYTES) if payload else None:
                case ["chunk", bytes(chunk)]:
                    assembly = StateAssembly()
                    assembly.add(chunk)
                    rows += assembly.rows
                case ["statement", bytes(statement)]:
                    fields = decode(statement, STATEMENT_BYTES)
                    if isinstance(fields, list) and fields[:1] == ["checkpoint"]:
                        checkpoints.append((place, fields))
                case _:
                    pass
        place, fields = checkpoints[-1]
        payloads[place] = encode_trusted(["statement", sign(fields, rows)])
    except (IndexError, MalformedInput, OverflowError, TypeError):
        return


def sign(fields: list[Value], rows: Sequence[SavedRow]) -> bytes:
    market = compute_market_id(get_genesis())
    epoch, time_ms = cast("tuple[int, int]", (fields[2], fields[4]))
    tree = update_tree(None, _compute_leaves(rows))
    fields[6] = compute_state_root(market, epoch, time_ms, tree)
    key = get_keys()[decode_genesis(get_genesis()).sequencer]
    fields[7] = key.public
    fields[8] = key.sign("checkpoint", compute_statement_id("checkpoint", market, fields[:8]))
    return encode_trusted(fields)


def change_rows(data: bytes, random: Random) -> bytes:
    """Return a file of which rows of the state were changed, its root signed anew."""
    head, payloads = data[: len(HEAD)], split_frames(data[len(HEAD) :])
    for place, payload in enumerate(payloads):
        match decode(payload, FRAME_BYTES) if payload else None:
            case ["chunk", bytes(chunk)] if random.randrange(8):
                rows = cast("list[list[Value]]", decode(chunk, FRAME_BYTES))
                row = random.choice(rows)
                row[2] = change_value(cast("bytes", row[2]), random)
                payloads[place] = encode_trusted(["chunk", encode_trusted(rows)])
            case _:
                pass
    sign_root(payloads)
    return head + join_frames(payloads)


def change_state(data: bytes, random: Random) -> bytes:
    """Return a file with other rows, or with other frames."""
    if random.randrange(2):
        try:
            return change_rows(data, random)
        except (IndexError, MalformedInput, TypeError):
            pass
    return _change_frames(data, random)


@cache
def get_folder() -> Path:
    """Return a folder that is there as long as this process."""
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    return Path(folder.name)


_change_frames: Final = make_frames_change(len(HEAD), make_states, sign_root)

STATE_TARGETS: Final = (
    Target(
        "state",
        run_state,
        make_states,
        change_state,
        weight=3,
    ),
)
