from typing import Any

import pytest

from synaptic_crdt.errors import LinkFailed, ProtocolViolation
from synaptic_crdt.node.linking import LinkBook
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.queries import run_query
from synaptic_crdt.sync.events import Counts
from synaptic_crdt.sync.happenings import Left, Linked, Lost, SyncReport

Json = dict[str, Any]

LINKED = Linked(bytes(32))


def make_report(sent: int, rejected: int, *, equal: bool | None) -> SyncReport:
    return SyncReport(Counts(sent, 2 * sent, 0, 0, 0, 100, 200), rejected, equal, None)


@pytest.fixture
def report() -> Json:
    return {}


@pytest.fixture
def book(founder: Node, report: Json) -> LinkBook:
    return LinkBook(founder, lambda _: None, report)


def test_links_that_ended_are_added_up(book: LinkBook, report: Json) -> None:
    for number in range(1, 4):
        address = f"tcp://127.0.0.1:{number}"
        book.note(address, LINKED)
        book.note(address, make_report(number, 0, equal=True))
        assert report["sent"] == sum(range(1, number + 1))
        book.note(address, Left())
    assert (report["sent"], report["received"], report["rejected"]) == (6, 12, 0)
    assert (report["bytes"], report["equal"], report["failed"]) == (900, True, {})


def test_a_link_made_again_counts_once_more(book: LinkBook, report: Json) -> None:
    for sent in (3, 4):
        book.note("tcp://127.0.0.1:1", LINKED)
        book.note("tcp://127.0.0.1:1", make_report(sent, 0, equal=sent == 3))
    assert (report["sent"], report["equal"]) == (7, False)


def test_a_flood_of_links_is_not_kept(book: LinkBook, report: Json) -> None:
    for number in range(1, 1_001):
        address = f"tcp://127.0.0.1:{number}"
        book.note(address, LINKED)
        book.note(address, make_report(0, 1, equal=None))
        book.note(address, Lost(ProtocolViolation("a lie"), None))
    assert report["rejected"] == 1_000
    assert next(iter(report["failed"])) == "tcp://127.0.0.1:937"
    assert len(report["failed"]) == 64


def test_a_flood_of_links_is_told_by_doctor(founder: Node) -> None:
    told: list[Json] = []
    book = LinkBook(founder, told.append, {})
    for number in range(1_000):
        book.note(f"tcp://10.0.0.1:{number}", Lost(LinkFailed("cut"), None))
    assert len(told) < 100
    findings = {each["name"]: each for each in run_query(founder, "doctor", {})["findings"]}
    assert "most of them about 10.0.0.1" in findings["flooded"]["explanation"]


def test_a_failure_is_over_when_the_link_is_made(book: LinkBook, report: Json) -> None:
    book.note_failure("tcp://127.0.0.1:1", LinkFailed("nobody there"))
    assert report["failed"] == {"tcp://127.0.0.1:1": "nobody there"}
    book.note("tcp://127.0.0.1:1", LINKED)
    assert report["failed"] == {}
