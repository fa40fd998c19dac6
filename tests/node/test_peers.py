"""What ``peers`` tells of links: as they are, as they ended, and never more than so many."""

import pytest

from synaptic_crdt.errors import Forged, LinkFailed
from synaptic_crdt.node.linking import LinkBook
from synaptic_crdt.node.links import REMEMBERED, LinkTable
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.queries import run_query
from synaptic_crdt.node.wire import Json
from synaptic_crdt.sync.differences import Alarm
from synaptic_crdt.sync.events import Counts, Greeted, Reconciled
from synaptic_crdt.sync.happenings import Happening, Left, LeftOut, Linked, Lost, SyncReport
from synaptic_crdt.sync.messages import Done

ADDRESS = "tcp://127.0.0.1:7700"
DONE = Done(root=bytes(32), digest=bytes(32), index=0, entries=0)
REPORT = SyncReport(Counts(3, 4, 5, 0, 0, 100, 200), 0, None, None)


@pytest.fixture
def told() -> list[Json]:
    return []


@pytest.fixture
def book(founder: Node, told: list[Json]) -> LinkBook:
    return LinkBook(founder, told.append, {})


def get_link(node: Node) -> Json:
    [link] = run_query(node, "peers", {})["links"]
    return link


def note(book: LinkBook, *events: Happening) -> None:
    for event in events:
        book.note(ADDRESS, event)


def test_a_link_is_told_with_its_account_and_what_it_moved(founder: Node, book: LinkBook) -> None:
    note(book, Linked(founder.key.public), Greeted("member", True, 61_000), REPORT)
    link = get_link(founder)
    assert link["is_linked"]
    assert (link["device"], link["name"]) == (founder.key.public.hex(), "Fay")
    assert (link["sent"], link["received"], link["held"]) == (3, 4, 5)
    assert (link["bytes_sent"], link["bytes_received"]) == (100, 200)
    assert (link["skew_ms"], link["equal"], link["error"]) == (61_000, None, None)
    note(book, Reconciled(DONE, DONE, bytes(32)), Left())
    link = get_link(founder)
    assert (link["equal"], link["is_linked"]) == (True, False)


def test_a_stranger_has_no_name(founder: Node, book: LinkBook) -> None:
    note(book, Linked(bytes(32)))
    assert (get_link(founder)["account"], get_link(founder)["name"]) == (None, None)


def test_what_went_wrong_and_what_follows_is_told(founder: Node, book: LinkBook) -> None:
    note(book, Lost(LinkFailed("cut"), 2.0))
    link = get_link(founder)
    assert (link["error"], link["device"], link["is_linked"]) == ("cut", None, False)
    assert link["again_ms"] == link["since_ms"] + 2_000
    assert link["waits_until_ms"] is None
    note(book, Linked(bytes(32)), Lost(Forged("a lie"), None, 4.0))
    link = get_link(founder)
    assert (link["error"], link["again_ms"]) == ("a lie", None)
    assert link["waits_until_ms"] == link["since_ms"] + 4_000


def test_what_is_left_out_is_told_as_it_happens(book: LinkBook, told: list[Json]) -> None:
    note(book, Linked(bytes(32)), LeftOut(bytes(32), "too much"), Alarm(bytes(32), DONE, DONE))
    assert [event["event"] for event in told] == ["linked", "left-out", "alarm"]
    assert told[1]["explanation"] == "too much"


def test_what_a_feed_is_over_its_quota_with_is_told_by_doctor(founder: Node) -> None:
    quotas = founder.gate.quotas
    assert quotas is not None
    quotas.left_out[bytes(32)] = "too much"  # type: ignore[index]
    found = {each["name"]: each for each in run_query(founder, "doctor", {})["findings"]}
    assert "too much" in found["over-quota"]["explanation"]
    founder.gate.quotas = None
    names = {each["name"] for each in run_query(founder, "doctor", {})["findings"]}
    assert "over-quota" not in names


def test_a_flood_of_links_costs_no_more_than_a_bound() -> None:
    table = LinkTable()
    for number in range(3):
        table.note(f"standing {number}", Linked(bytes(32)), number)
    for number in range(2 * REMEMBERED):
        table.note(f"flood {number}", Lost(LinkFailed("cut"), None), number)
    kept = [state.address for state in table]
    assert len(kept) == REMEMBERED
    assert kept[:3] == ["standing 0", "standing 1", "standing 2"]
    assert kept[-1] == f"flood {2 * REMEMBERED - 1}"
    for number in range(REMEMBERED + 1):
        table.note(f"link {number}", Linked(bytes(32)), number)
    assert len(list(table)) == REMEMBERED
