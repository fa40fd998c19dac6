"""A proof verifies under its own root and market, and nothing that was altered does."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synaptic_crdt.errors import Forged, MalformedInput
from synaptic_crdt.state import limits
from synaptic_crdt.state.codec import Value, decode, encode
from synaptic_crdt.state.contract import APPLIED, Timers
from synaptic_crdt.state.hashes import compute_hash
from synaptic_crdt.state.machine import Version
from synaptic_crdt.state.merkle import (
    compute_state_root,
    compute_verdict_leaf,
    find_place,
    get_hash,
    update_tree,
)
from synaptic_crdt.state.proofs import (
    ProvenEntry,
    ProvenRow,
    ProvenRows,
    encode_proof,
    verify_proof,
)
from synaptic_crdt.state.proving import compute_version_root, prove_entry, prove_rows
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.state.tables import Key, Record, Table, Tables
from tests.state.conftest import MARKET, OPENED_MS, Writer, admit

SHORT: Final = 1
SEQUENCER: Final = Writer(9)
AUTHOR: Final = Writer(1)


class Row(Record, frozen=True):
    number: int
    parts: tuple[bytes, ...]


class Shelf:
    """A contract of one table: ``put key n`` and ``drop key``, refused when there is none."""

    def __init__(self, tables: Tables, timers: Timers) -> None:
        assert timers
        self.rows: Final[Table[Row]] = tables.declare("rows", Row)

    def read(self, operation: list[Value]) -> object:
        return tuple(operation)

    def apply(
        self, now: int, device: bytes, position: int, entry_id: bytes, operation: object
    ) -> int:
        assert len(device) == len(entry_id) == 32
        assert now
        assert position
        match operation:
            case ("put", bytes(key), int(number)):
                self.rows.set(key, Row(number, (key, b"")))
            case ("drop", bytes(key)) if self.rows.get(key) is not None:
                self.rows.delete(key)
            case _:
                return SHORT
        return APPLIED

    def fire(self, now: int, subject: bytes) -> None:
        raise AssertionError(f"no deadline was set, but {subject.hex()} fires at {now}")

    def close_epoch(self, now: int, epoch: int) -> Mapping[bytes, bytes]:
        assert now > epoch
        return {}


class Held:
    """A replica of shelves, the steps that filled it, and a model beside it."""

    def __init__(self) -> None:
        self.shelves: list[Shelf] = []
        self.replica: Final = Replica(
            MARKET, sequencer=SEQUENCER.device, opened_ms=OPENED_MS, make_contract=self._make
        )
        self.machine: Final = self.replica.machine
        self.author: Final = Writer(1)
        self.now = OPENED_MS
        self.model: dict[bytes, int] = {}

    def write(self, *operations: Sequence[Value]) -> None:
        timed: list[tuple[int, Sequence[Value]]] = []
        for operation in operations:
            self.now += 1
            timed.append((self.now, operation))
            if operation[0] == "put":
                key, number = operation[1:]
                assert isinstance(key, bytes)
                assert isinstance(number, int)
                self.model[key] = number
            elif operation[0] == "drop" and isinstance(operation[1], bytes):
                self.model.pop(operation[1], None)
        admit(self.replica, self.author.write(*timed))

    def close(self) -> bytes:
        """Close an epoch; return the root that its checkpoint claims."""
        self.now += 1
        checkpoint = self.replica.make_checkpoint(SEQUENCER.key, self.now, bool)
        self.replica.add_statement(checkpoint)
        assert not self.replica.divergences
        return checkpoint.root

    def prove(self, *keys: Key, version: Version | None = None) -> bytes:
        version = version or self.machine.get_closed()
        rows = self.shelves[0].rows
        return encode_proof(prove_rows(self.machine, version, [(rows, key) for key in keys]))

    def prove_entry(self, index: int, version: Version | None = None) -> bytes:
        outcome = self.machine.get_settled()[index]
        version = version or self.machine.get_closed()
        predecessor = self.author.feed.get_id(outcome.entry.position - 1)
        return encode_proof(prove_entry(self.machine, version, outcome, predecessor))

    def _make(self, tables: Tables, timers: Timers) -> Shelf:
        self.shelves.append(Shelf(tables, timers))
        return self.shelves[0]


def make_held(count: int) -> tuple[Held, bytes]:
    held = Held()
    held.write(*(["put", bytes([n // 256, n % 256]), n] for n in range(count)))
    return held, held.close()


HELD, ROOT = make_held(40)
PRESENT: Final = bytes(2)
# Ends at another row, since the tree has about as many leaves as paths of its depth.
ABSENT_BESIDE: Final = next(
    key
    for n in range(1000)
    if find_place(
        HELD.machine.get_closed().tree,
        compute_hash("row key", encode(["rows", key := b"absent %d" % n])),
    )[1]
)
ABSENT_ALONE: Final = next(
    key
    for n in range(1000)
    if not find_place(
        HELD.machine.get_closed().tree,
        compute_hash("row key", encode(["rows", key := b"absent %d" % n])),
    )[1]
)
PROOFS: Final[Mapping[str, bytes]] = {
    "row": HELD.prove(PRESENT),
    "rows": HELD.prove(PRESENT, bytes([0, 7]), ABSENT_BESIDE),
    "absence beside another row": HELD.prove(ABSENT_BESIDE),
    "absence alone": HELD.prove(ABSENT_ALONE),
    "first entry": HELD.prove_entry(0),
    "entry": HELD.prove_entry(17),
}


def verify_rows(data: bytes, root: bytes = ROOT) -> ProvenRows:
    proven = verify_proof(MARKET, root, data)
    assert isinstance(proven, ProvenRows)
    return proven


keys = st.sampled_from([bytes([n]) for n in range(24)])
operations = st.lists(
    st.tuples(st.just("put"), keys, st.integers(-5, 5)) | st.tuples(st.just("drop"), keys),
    max_size=30,
)


@given(operations, operations)
def test_what_is_there_and_what_is_not_is_proven_of_both_states(
    first: list[Sequence[Value]], second: list[Sequence[Value]]
) -> None:
    held = Held()
    held.write(["put", b"always", 0], *first)
    closed_root, closed = held.close(), dict(held.model)
    held.write(["put", b"always", 1], *second)
    states = (
        (closed_root, held.machine.get_closed(), closed),
        (held.replica.root, held.machine.get_current(), held.model),
    )
    assert closed_root != held.replica.root
    for root, version, model in states:
        assert compute_version_root(MARKET, version) == root
        names = [bytes([n]) for n in range(24)]
        proven = verify_rows(held.prove(*names, version=version), root)
        assert (proven.epoch, proven.time_ms) == (version.epoch, version.time_ms)
        assert proven.rows == tuple(
            ProvenRow("rows", name, [model[name], [name, b""]] if name in model else None)
            for name in names
        )


def test_every_entry_of_every_closed_epoch_is_proven_alone() -> None:
    held = Held()
    root = b""
    for epoch in range(1, 5):
        held.write(*(["put", bytes([n]), epoch] for n in range(epoch)), ["drop", b"none"])
        root = held.close()
    held.write(["put", b"later", 1])
    for at, version in ((root, None), (held.replica.root, held.machine.get_current())):
        for index, outcome in enumerate(held.machine.get_settled()):
            data = held.prove_entry(index, version)
            proven = verify_proof(MARKET, at, data)
            assert isinstance(proven, ProvenEntry)
            entry = outcome.entry
            assert (proven.device, proven.position, proven.id, proven.time, proven.operation) == (
                (entry.device, entry.position, entry.id, entry.time, entry.operation)
            )
            assert (proven.verdict, proven.included) == (outcome.verdict, outcome.epoch)
            assert proven.count == len(held.machine.get_epoch(outcome.epoch))
            assert held.machine.get_epoch(outcome.epoch)[proven.index] == outcome.place
            # A receipt shows no neighbour.
            bodies = {other.entry.body for other in held.machine.get_settled()}
            assert [body for body in bodies if body in data] == [entry.body]


def test_an_epoch_without_entries_is_proven() -> None:
    held = Held()
    held.write(["put", b"a", 1])
    held.close()
    root = held.close()
    proven = verify_proof(MARKET, root, held.prove_entry(0))
    assert isinstance(proven, ProvenEntry)
    assert (proven.epoch, proven.included, proven.count) == (2, 1, 1)


def change_bytes(data: bytes) -> Iterator[bytes]:
    for index in range(len(data)):
        for flip in (0x01, 0x20, 0x80, 0xFF):
            changed = bytearray(data)
            changed[index] ^= flip
            yield bytes(changed)


@pytest.mark.parametrize("name", [name for name in PROOFS if "absence" not in name])
def test_no_byte_can_be_changed(name: str) -> None:
    verify_proof(MARKET, ROOT, PROOFS[name])
    for changed in change_bytes(PROOFS[name]):
        with pytest.raises((Forged, MalformedInput)):
            verify_proof(MARKET, ROOT, changed)


@pytest.mark.parametrize("name", [name for name in PROOFS if "absence" in name])
def test_no_byte_of_an_absence_can_be_changed_but_to_another_absence(name: str) -> None:
    """The path that ends where one key would be is also that of other keys without a row."""
    verify_proof(MARKET, ROOT, PROOFS[name])
    refused = 0
    for changed in change_bytes(PROOFS[name]):
        try:
            (row,) = verify_rows(changed).rows
        except (Forged, MalformedInput):
            refused += 1
        else:
            assert row.row is None
            assert row.key not in HELD.model
    assert refused > 4 * (len(PROOFS[name]) - len(ABSENT_ALONE))


@pytest.mark.parametrize("name", PROOFS)
def test_nothing_can_be_cut_or_added(name: str) -> None:
    data = PROOFS[name]
    for changed in (data[:-1], data + b"\0", data[1:], b""):
        with pytest.raises(MalformedInput):
            verify_proof(MARKET, ROOT, changed)


@pytest.mark.parametrize("name", PROOFS)
def test_another_market_or_root(name: str) -> None:
    with pytest.raises(Forged, match="leads to the root"):
        verify_proof(bytes([1]) * 32, ROOT, PROOFS[name])
    with pytest.raises(Forged, match="leads to the root"):
        verify_proof(MARKET, bytes(32), PROOFS[name])


def test_a_proof_grows_with_the_logarithm_of_the_state() -> None:
    sizes = {count: len(make_held(count)[0].prove(PRESENT)) for count in (16, 256, 4096)}
    # Four bits a step, 34 bytes a sibling, and a little luck in where the row's path parts.
    assert sizes[4096] - sizes[256] <= 34 * 8
    assert sizes[4096] < 34 * 24
    held, _ = make_held(4096)
    assert len(held.prove_entry(4095)) < 34 * (12 + 12 + 12)


# -- proofs that were made to deceive ------------------------------------------------------------


def get_proof(name: str) -> list[Any]:
    value = decode(PROOFS[name], limits.PROOF_BYTES)
    assert isinstance(value, list)
    return value


def walk_down(name: str) -> Iterator[tuple[list[bytes], bytes]]:
    """Yield the path of a row up to every depth, and the hash of the node that stands there."""
    place = compute_hash("row key", encode(["rows", get_proof(name)[3][0][1]]))
    node: Any = HELD.machine.get_closed().tree
    siblings: list[bytes] = []
    while node is not None and len(node) == 3:
        yield list(siblings), get_hash(node)
        side = place[len(siblings) // 8] >> (7 - len(siblings) % 8) & 1
        siblings.append(get_hash(node[2 - side]))
        node = node[1 + side]


def test_a_row_that_is_there_cannot_be_denied() -> None:
    """Neither by ending its path early at a node, nor by naming that node another row's leaf."""
    for siblings, node in walk_down("row"):
        ends: list[list[Any] | None] = [None, [bytes(32), [node]], [node, []]]
        for end in ends:
            proof = get_proof("row")
            proof[3][0][2:] = [None, siblings, end]
            with pytest.raises((Forged, MalformedInput)):
                verify_proof(MARKET, ROOT, encode(proof))


def test_a_row_cannot_be_shown_at_another_key() -> None:
    proof, other = get_proof("row"), get_proof("rows")
    proof[3][0][2:] = other[3][1][2:]
    with pytest.raises(Forged):
        verify_proof(MARKET, ROOT, encode(proof))


def test_the_row_beside_must_stand_on_the_absent_ones_path() -> None:
    """Every row of the tree is a leaf, but only the one at the path's end denies another."""
    place, row = get_proof("absence beside another row")[3][0][4]
    proof = get_proof("row")
    present = proof[3][0]
    present[2:] = [None, present[3], [place, row]]
    with pytest.raises(MalformedInput, match="where the absent one's path ends"):
        verify_proof(MARKET, ROOT, encode(proof))
    # Nor does the row itself, called another.
    present[4] = [compute_hash("row key", encode(["rows", PRESENT])), get_proof("row")[3][0][2]]
    with pytest.raises(MalformedInput, match="where the absent one's path ends"):
        verify_proof(MARKET, ROOT, encode(proof))


def test_an_epoch_cannot_be_passed_off_as_another_row() -> None:
    proof = get_proof("entry")
    proof[3] = get_proof("row")[3][0]
    with pytest.raises(MalformedInput, match="not that of an epoch"):
        verify_proof(MARKET, ROOT, encode(proof))


def test_two_states_are_not_proven_at_once() -> None:
    held, _ = make_held(41)
    mixed = get_proof("rows")
    later = decode(held.prove(bytes([0, 7])), limits.PROOF_BYTES)
    assert isinstance(later, list)
    mixed[3][1] = later[3][0]  # type: ignore[index]
    with pytest.raises(Forged, match="two different states"):
        verify_proof(MARKET, ROOT, encode(mixed))


def change(name: str, path: Sequence[int], value: object) -> list[Any]:
    """Return a proof in which the value at a path of indexes is another."""
    proof: list[Any] = get_proof(name)
    place: Any = proof
    for index in path[:-1]:
        place = place[index]
    place[path[-1]] = value
    return proof


HASH: Final = bytes([1]) * 32
Case = tuple[Any, str]
ROW: Final[list[Any]] = ["rows", PRESENT, [1], [], None]


NO_PROOFS: Final[list[Case]] = [
    (5, "begins with"),
    ([], "begins with"),
    (["row", 1, 2], "begins with"),
    (["rows", 1, 2], "not the fields"),
    (["rows", 1, 2, [], 3], "not the fields"),
    (["rows", 1, True, [ROW]], "not the fields"),
    (["rows", 1, 2, []], "0 rows"),
    (["rows", 1, 2, [ROW] * 129], "129 rows"),
    (["rows", 1, 2, [ROW, ROW]], "proven twice"),
    (["rows", -1, 2, [ROW]], "below nothing"),
    (["rows", 1, -2, [ROW]], "below nothing"),
    (change("row", (3, 0, 1), [b"", True]), "a key is"),
    (change("row", (3, 0, 1), [b"", [b""]]), "a key is"),
    (change("row", (3, 0, 1), "text"), "not the fields"),
    (change("row", (3, 0, 2), b"row"), "not the fields"),
    (change("row", (3, 0, 3), [HASH] * 257), "257 siblings"),
    (change("row", (3, 0, 3), [HASH[1:]]), "31 bytes"),
    (change("row", (3, 0, 3), [bytes(32), HASH]), "written as no bytes"),
    (change("row", (3, 0, 3), [HASH, b""]), "stand alone"),
    (change("row", (3, 0, 4), [HASH, [1]]), "needs no other"),
    (change("absence beside another row", (3, 0, 4, 0), HASH + b"x"), "33 bytes"),
    (change("entry", (4,), HASH[1:]), "device has 31"),
    (change("entry", (6,), HASH[1:]), "predecessor has 31"),
    (change("entry", (5,), 0), "position 0"),
    (change("entry", (5,), 2**40), "position"),
    (change("entry", (8,), -1), "verdict -1"),
    (change("entry", (8,), 2**32), "verdict"),
    (change("entry", (9,), -1), "entry -1 of 40"),
    (change("entry", (9,), 40), "entry 40 of 40"),
    (change("entry", (10,), [b""]), "sibling has 0"),
    (change("entry", (3, 1), b"\x01"), "not that of an epoch"),
    (change("entry", (3, 1), ["epochs"]), "not that of an epoch"),
    (change("entry", (3, 2), [1, 2]), "not \\[time, entries, verdicts\\]"),
    (change("entry", (3, 2), [1, 2, HASH[1:]]), "31 bytes"),
    (change("entry", (3, 2), [-1, 2, HASH]), "below nothing"),
    (change("entry", (3, 2), None), "not \\[time, entries, verdicts\\]"),
]


@pytest.mark.parametrize(("proof", "reason"), NO_PROOFS)
def test_what_is_no_proof_is_refused_before_it_is_hashed(proof: object, reason: str) -> None:
    with pytest.raises(MalformedInput, match=reason):
        verify_proof(MARKET, ROOT, encode(proof))


@pytest.mark.parametrize(
    ("proof", "reason"),
    [
        (change("entry", (10,), get_proof("entry")[10][:-1]), "are not those of entry 17 of 40"),
        (change("entry", (10,), get_proof("entry")[10] + [HASH]), "are not those of entry"),
        (change("entry", (10,), [HASH, *get_proof("entry")[10][1:]]), "is not entry 17"),
        (change("entry", (10,), [get_proof("entry")[10][0]] * 6), "is not entry 17"),
        (change("entry", (9,), 16), "is not entry 16"),
        (change("entry", (8,), 1), "with this author, position and verdict"),
        (change("entry", (5,), 17), "with this author, position and verdict"),
        (change("entry", (4,), HASH), "with this author, position and verdict"),
        (change("first entry", (6,), HASH), "follows the feed's origin"),
    ],
)
def test_an_entry_has_one_author_place_and_verdict(proof: object, reason: str) -> None:
    with pytest.raises((Forged, MalformedInput), match=reason):
        verify_proof(MARKET, ROOT, encode(proof))


def test_duplicate_siblings_lead_elsewhere() -> None:
    proof = get_proof("row")
    siblings = proof[3][0][3]
    for changed in ([*siblings, siblings[-1]], [siblings[0], *siblings], siblings[::-1]):
        proof[3][0][3] = changed
        with pytest.raises(Forged):
            verify_proof(MARKET, ROOT, encode(proof))


def test_a_proof_has_a_limit() -> None:
    with pytest.raises(MalformedInput, match="limit"):
        verify_proof(MARKET, ROOT, bytes(limits.PROOF_BYTES + 1))


def test_the_body_passes_the_first_door_too() -> None:
    """A machine folds nothing else, but who verifies a proof has no machine."""
    body = b"\xff"
    predecessor = compute_hash("feed", MARKET, AUTHOR.device)
    entry_id = compute_hash("entry", predecessor, compute_hash("body", body))
    leaf = compute_verdict_leaf(AUTHOR.device, 1, entry_id, 0)
    key = bytes([0, 0, 0, 0, 0, 0, 0, 1])
    place = compute_hash("row key", encode(["epochs", key]))
    tree = update_tree(None, {place: compute_hash("leaf", place, encode([5, 1, leaf]))})
    row = ["epochs", key, [5, 1, leaf], [], None]
    proof = ["entry", 1, 5, row, AUTHOR.device, 1, predecessor, body, 0, 0, []]
    with pytest.raises(MalformedInput, match="1 bytes beginning with ff"):
        verify_proof(MARKET, compute_state_root(MARKET, 1, 5, tree), encode(proof))
