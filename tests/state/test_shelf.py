"""What a shelf has read once it does not read again, unless something else is asked for."""

from typing import Final

import pytest

from synaptic_crdt.errors import StoreDamaged
from synaptic_crdt.state import limits
from synaptic_crdt.state.hashes import compute_body_hash
from synaptic_crdt.state.shelf import Mark, Shelf
from tests.state.conftest import MARKET, OPENED_MS, Writer


class Kept:
    """The bodies of one feed, and which of them were asked for."""

    def __init__(self, writer: Writer) -> None:
        self.bodies: Final = [entry.body for entry in writer.feed.entries]
        self.asked: Final[list[tuple[int, int]]] = []

    def read_stretch(self, device: bytes, first: int, last: int) -> list[tuple[bytes, bytes]]:
        del device
        self.asked.append((first, last))
        return [(compute_body_hash(body), body) for body in self.bodies[first - 1 : last]]

    def report(self, reason: str) -> StoreDamaged:
        return StoreDamaged(reason)


@pytest.fixture
def writer() -> Writer:
    writer = Writer(1)
    writer.write(*[(OPENED_MS + number, ["mint", number]) for number in range(6)])
    return writer


def mark(writer: Writer, position: int) -> Mark:
    return position, writer.feed.get_id(position)


def test_a_stretch_is_read_once(writer: Writer) -> None:
    kept = Kept(writer)
    shelf = Shelf(MARKET, kept)
    for _ in range(2):
        stretch = shelf.get(writer.device, mark(writer, 0), mark(writer, 6), None)
        assert list(stretch.bodies) == kept.bodies
    assert kept.asked == [(1, 6)]


def test_what_ends_there_but_begins_elsewhere_takes_its_place(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "READ_AHEAD_ENTRIES", 5)
    kept = Kept(writer)
    shelf = Shelf(MARKET, kept)
    low, middle, high = mark(writer, 0), mark(writer, 3), mark(writer, 6)
    assert shelf.get(writer.device, low, high, None).first == 1
    assert shelf.get(writer.device, middle, high, None).first == 4
    # Of the replaced one nothing counts any more: both of these have room.
    shelf.get(writer.device, low, mark(writer, 2), None)
    assert shelf.get(writer.device, middle, high, None).first == 4
    assert kept.asked == [(1, 6), (4, 6), (1, 2)]
    # One entry more, and what was read first makes room.
    shelf.get(writer.device, mark(writer, 2), middle, None)
    shelf.get(writer.device, middle, high, None)
    assert kept.asked[3:] == [(3, 3), (4, 6)]


def test_another_branch_is_not_taken_for_what_was_read_before(writer: Writer) -> None:
    other = Writer(1)
    other.write(*[(OPENED_MS + number, ["mint", number + 100]) for number in range(6)])
    kept = Kept(writer)
    shelf = Shelf(MARKET, kept)
    shelf.get(writer.device, mark(writer, 0), mark(writer, 6), None)
    with pytest.raises(StoreDamaged, match="altered"):
        shelf.get(writer.device, mark(other, 0), mark(other, 6), None)
    kept.bodies[:] = [entry.body for entry in other.feed.entries]
    stretch = shelf.get(writer.device, mark(other, 0), mark(other, 6), None)
    assert stretch.ids[-1] == other.feed.head
