"""The vectors of the frozen format: bytes, hashes, signatures, order and roots.

``format.json`` holds single values, ``tree.json`` trees and their hashes, ``history.json`` three
feeds, two checkpoints and what folding them gives under the toy contract of ``tests/state``,
``proofs.json`` proofs that hold under one root. All
bytes are hexadecimal. Any implementation can check itself against the files; this one does in
every test run. What is in them never changes: to change it is to make another format.

``python -m tests.vectors.make_format`` adds what is not in them yet, such as a new kind of hash,
and leaves the rest alone.
"""

import json
from pathlib import Path
from typing import Any, Final, get_args

from synaptic_crdt.errors import MalformedInput
from synaptic_crdt.state import limits
from synaptic_crdt.state.clock import pack_timestamp
from synaptic_crdt.state.codec import Value, decode, encode
from synaptic_crdt.state.feeds import compute_origin, encode_body, make_seal_message
from synaptic_crdt.state.hashes import HashKind, compute_body_hash, compute_entry_id, compute_hash
from synaptic_crdt.state.keys import DeviceKey, SignatureKind
from synaptic_crdt.state.machine import Machine
from synaptic_crdt.state.merkle import (
    compute_leaf,
    compute_row_key,
    compute_state_root,
    compute_verdict_leaf,
    compute_verdicts_root,
    find_place,
    get_hash,
    update_tree,
)
from synaptic_crdt.state.order import compute_tie
from synaptic_crdt.state.outline import name_content
from synaptic_crdt.state.proofs import encode_proof
from synaptic_crdt.state.proving import prove_entry, prove_rows
from synaptic_crdt.state.statements import (
    Checkpoint,
    FrontierItem,
    Statement,
    encode_statement,
    make_proposal,
    sign_checkpoint,
    sign_cosignature,
    sign_handover,
)
from tests.forking import sign_fork
from tests.state.conftest import MARKET, OPENED_MS, AccountRow, Writer, admit, make_replica

FOLDER: Final = Path(__file__).parent
SEED: Final = bytes(range(32))
MESSAGE: Final = b"message"

ACCEPTED: Final[dict[str, Any]] = {
    "zero": 0,
    "23": 23,
    "24": 24,
    "255": 255,
    "256": 256,
    "65535": 65_535,
    "65536": 65_536,
    "4294967295": 4_294_967_295,
    "4294967296": 4_294_967_296,
    "greatest": limits.INTEGER_MAX,
    "minus one": -1,
    "-24": -24,
    "-25": -25,
    "least": limits.INTEGER_MIN,
    "no bytes": b"",
    "bytes": b"\x00\xff",
    "24 bytes": bytes(24),
    "no text": "",
    "text": "tokens",
    "text beyond ASCII": "é€🂡",
    "false": False,
    "true": True,
    "null": None,
    "no items": [],
    "items": [1, "a", b"b", [None]],
    "deepest": [[[[[[[[0]]]]]]]],
}
REFUSED: Final[dict[str, str]] = {
    "empty": "",
    "trailing byte": "0000",
    "integer with a spare byte": "1817",
    "length with a spare byte": "580100",
    "indefinite array": "9f00ff",
    "map": "a0",
    "tag": "c100",
    "bignum": "c24101",
    "float": "f93c00",
    "undefined": "f7",
    "simple value": "f820",
    "integer beyond int64": "1b8000000000000000",
    "negative beyond int64": "3b8000000000000000",
    "text that is no UTF-8": "61ff",
    "cut": "4200",
    "too deep": "81" * 9 + "00",
}


def make_vectors() -> dict[str, dict[str, Any]]:
    """Return the content of every file by its name, as the code has it now."""
    return {
        "format.json": make_format(),
        "tree.json": make_trees(),
        "history.json": make_history(),
        "proofs.json": make_proofs(),
    }


def make_format() -> dict[str, Any]:
    key = DeviceKey(SEED)
    body = encode_body(pack_timestamp(1_700_000_000_000, 7), ["pay", bytes(32), 5])
    origin = compute_origin(MARKET, key.public)
    chain_id = compute_entry_id(origin, compute_body_hash(body))
    seal_message = make_seal_message(MARKET, 1, chain_id)
    proposal = make_proposal(
        MARKET,
        view=1,
        index=3,
        origin=bytes(32),
        sequencer=key.public,
        witnesses=[key.public, bytes(32)],
    )
    kinds: tuple[HashKind, ...] = get_args(HashKind)
    signature_kinds: tuple[SignatureKind, ...] = get_args(SignatureKind)
    return {
        "encodings": {name: encode(value).hex() for name, value in ACCEPTED.items()},
        "refused": {name: data for name, data in REFUSED.items() if is_refused(data)},
        "message": MESSAGE.hex(),
        "hashes of the message": {kind: compute_hash(kind, MESSAGE).hex() for kind in kinds},
        "seed": SEED.hex(),
        "device": key.public.hex(),
        "exchange key": key.get_exchange_public().hex(),
        "signatures of the message": {
            kind: key.sign(kind, MESSAGE).hex() for kind in signature_kinds
        },
        "market": MARKET.hex(),
        "origin of the feed": origin.hex(),
        "body": body.hex(),
        "body hash": compute_body_hash(body).hex(),
        "entry id": chain_id.hex(),
        "seal message": seal_message.hex(),
        "seal": key.sign("seal", seal_message).hex(),
        "tie": compute_tie(pack_timestamp(1_700_000_000_000, 7), key.public).hex(),
        "checkpoint": describe_statement(
            sign_checkpoint(
                MARKET,
                key,
                view=0,
                index=1,
                previous=MARKET,
                time=1_700_000_000_000,
                frontier=[FrontierItem(key.public, 1, chain_id)],
                root=bytes(32),
            )
        ),
        "cosignature": describe_statement(
            sign_cosignature(MARKET, key, view=0, index=1, checkpoint=bytes(32))
        ),
        "proposal": proposal.id.hex(),
        "names of so many zero bytes": {
            str(size): name_content(bytes(size)).hex()
            for size in (0, 1, 65_536, 65_537, 131_072, 200_000)
        },
        "handover": describe_statement(
            sign_handover(MARKET, key, proposal, newest_index=0, newest=MARKET)
        ),
        "fork proof": describe_statement(sign_fork(MARKET, key, 3, (2, 1))),
    }


def is_refused(data: str) -> bool:
    try:
        decode(bytes.fromhex(data), limits.BODY_BYTES)
    except MalformedInput:
        return True
    return False


def describe_statement(statement: Statement) -> dict[str, Any]:
    return {"id": statement.id.hex(), "statement": encode_statement(statement).hex()}


def make_trees() -> dict[str, Any]:
    """Return leaves and the tree's hash for several sizes, and the parts of a state root."""
    row_key = compute_row_key("accounts", (bytes(32), "held", 5))
    row = AccountRow(5, -1)
    trees: list[dict[str, Any]] = []
    for size in (0, 1, 2, 3, 7, 64):
        # The first bits of neighbours agree, so that a lone leaf moves up several levels.
        leaves = {
            bytes([n // 2 * 2, *bytes(30), n % 2]): compute_hash("leaf", bytes([n]))
            for n in range(size)
        }
        tree = update_tree(None, dict(leaves))
        listed = {place.hex(): leaf.hex() for place, leaf in leaves.items()}
        trees.append({"leaves by row key": listed, "hash": get_hash(tree).hex()})
    verdicts = [
        (bytes([n % 2]) * 32, n + 1, compute_hash("entry", bytes([n])), n % 3) for n in range(5)
    ]
    verdict_leaves = [compute_verdict_leaf(*verdict) for verdict in verdicts]
    return {
        "row": {
            "table": "accounts",
            "key": encode([bytes(32), "held", 5]).hex(),
            "row": encode([row.balance, row.promised]).hex(),
            "row key": row_key.hex(),
            "leaf": compute_leaf(row_key, row).hex(),
        },
        "trees": trees,
        "verdicts": {
            "device, position, id, verdict in order": [
                [device.hex(), position, entry.hex(), verdict]
                for device, position, entry, verdict in verdicts
            ],
            "leaves": [leaf.hex() for leaf in verdict_leaves],
            "root by number of verdicts": [
                compute_verdicts_root(verdict_leaves[:count]).hex() for count in range(6)
            ],
        },
        "state root": {
            "market": MARKET.hex(),
            "epoch": 3,
            "time": 1_700_000_000_000,
            "tree": trees[-1]["hash"],
            "root": compute_state_root(
                MARKET, 3, 1_700_000_000_000, (bytes.fromhex(trees[-1]["hash"]), None, None)
            ).hex(),
        },
    }


def make_proofs() -> dict[str, Any]:
    """Return proofs under one root: rows that are there and not, and receipts of entries."""
    sequencer, writers = Writer(9), [Writer(seed) for seed in range(1, 7)]
    replica = make_replica(sequencer.device)
    machine = replica.machine
    for writer in writers:
        pay: list[Value] = ["pay", writers[0].device, 7]
        admit(replica, writer.write((OPENED_MS + 1, ["mint", 5]), (OPENED_MS + 2, pay)))
    checkpoint = replica.make_checkpoint(sequencer.key, OPENED_MS + 4, bool)
    replica.add_statement(checkpoint)
    closed = machine.get_closed()
    accounts = next(table for table in machine.tables.get_tables() if table.name == "accounts")
    absent = {
        bool(find_place(closed.tree, compute_row_key("accounts", key))[1]): key
        for key in (bytes([n]) * 32 for n in range(40))
    }
    rows = {
        "row": [writers[0].device],
        "two rows": [writer.device for writer in writers[:2]],
        "no row, and another in its place": [absent[True]],
        "no row, and nothing in its place": [absent[False]],
    }
    proofs: dict[str, Any] = {
        name: prove_rows(machine, closed, [(accounts, key) for key in keys])
        for name, keys in rows.items()
    }
    for index in (0, 11):
        outcome = machine.get_settled()[index]
        feed = replica.get_feed(outcome.entry.device)
        predecessor = feed.get_id(outcome.entry.position - 1)
        proofs[f"entry {index}"] = prove_entry(machine, closed, outcome, predecessor)
    return {
        "market": MARKET.hex(),
        "root": checkpoint.root.hex(),
        "proofs": {name: encode_proof(proof).hex() for name, proof in proofs.items()},
    }


def make_history() -> dict[str, Any]:
    """Return three feeds with equal timestamps, a late entry and deadlines, and their folds."""
    sequencer = Writer(9)
    first, second, third = writers = [Writer(seed) for seed in (1, 2, 3)]
    replica = make_replica(sequencer.device)
    steps: list[dict[str, Any]] = []

    def step(what: str, checkpoint: Checkpoint | None = None) -> None:
        described = {"after": what, **describe_state(replica.machine)}
        if checkpoint is not None:
            described["checkpoint"] = describe_statement(checkpoint)
        steps.append(described)

    for writer in (first, second):
        pieces = writer.write(
            (OPENED_MS + 1, ["mint", 9]),
            (OPENED_MS + 2, ["pay", third.device, 4]),
            (OPENED_MS + 2, ["lock", third.device, 3, 5]),
        )
        admit(replica, pieces)
    step("two feeds with equal timestamps")
    checkpoint = replica.make_checkpoint(sequencer.key, OPENED_MS + 4, bool)
    replica.add_statement(checkpoint)
    step("the first checkpoint", checkpoint)
    admit(
        replica,
        third.write(
            (OPENED_MS - 5, ["pay", first.device, 9]),
            (OPENED_MS + 3, ["promise", 2]),
            (OPENED_MS + 90, ["after", first.feed.entries[0].id]),
        ),
    )
    admit(replica, first.write((OPENED_MS + 5, ["unlock"]), (OPENED_MS + 90, ["nonsense"])))
    step("a feed that was kept back, and an entry far ahead")
    checkpoint = replica.make_checkpoint(sequencer.key, OPENED_MS + 20, bool)
    replica.add_statement(checkpoint)
    step("the second checkpoint, which fires a deadline", checkpoint)
    return {
        "market": MARKET.hex(),
        "opened": OPENED_MS,
        "feeds": [
            {
                "device": writer.device.hex(),
                "entries": [[e.id.hex(), e.body.hex()] for e in writer.feed.entries],
                "seal": writer.feed.seals[writer.feed.position].hex(),
            }
            for writer in writers
        ],
        "steps": steps,
        "digest": replica.compute_digest().hex(),
    }


def describe_state(machine: Machine) -> dict[str, Any]:
    outcomes = [*machine.get_settled(), *machine.get_tail()]
    return {
        "root": machine.root.hex(),
        "epoch": machine.epoch,
        "now": machine.now,
        "id, verdict, epoch, effective time in order": [
            [o.entry.id.hex(), o.verdict, o.epoch, o.now] for o in outcomes
        ],
    }


def write_missing() -> None:
    for name, content in make_vectors().items():
        path = FOLDER / name
        published: dict[str, Any] = {}
        if path.exists():
            published = json.loads(path.read_text("utf-8"))
        text = json.dumps(add_missing(published, content), indent=1, ensure_ascii=True)
        path.write_text(text + "\n", "utf-8")


def add_missing(published: dict[str, Any], made: dict[str, Any]) -> dict[str, Any]:
    """Return what is published and, by name, what is not published yet."""
    merged = {**made, **published}
    for name in ("encodings", "refused", "hashes of the message", "signatures of the message"):
        if name in made:
            merged[name] = {**made[name], **published.get(name, {})}
    return merged


if __name__ == "__main__":
    write_missing()
