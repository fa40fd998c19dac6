"""Heads are those of the library's document, whatever was held before and in which order."""

from collections.abc import Sequence

from automerge import core

from synaptic_crdt.state.changes import FeedChanges, encode_root_change, get_change_hash
from synaptic_crdt.state.feeds import encode_body
from synaptic_crdt.state.hashes import compute_hash
from synaptic_crdt.state.heads import Heads, compute_short_form
from synaptic_crdt.state.held import Feed
from tests.state.conftest import Writer

GENESIS = b"a genesis"
MARKET = compute_hash("market", GENESIS)
ROOT_CHANGE = encode_root_change(MARKET, GENESIS)


def make_writers(counts: Sequence[int]) -> list[Writer]:
    writers = [Writer(seed, MARKET) for seed in range(1, len(counts) + 1)]
    for writer, count in zip(writers, counts, strict=True):
        if count:
            write(writer, count)
    return writers


def write(writer: Writer, count: int) -> None:
    start = writer.feed.tip.time + 1
    writer.append([encode_body(start + number, ["note", number]) for number in range(count)])


def make_document(feeds: Sequence[Feed]) -> core.Document:
    changes = [ROOT_CHANGE]
    for feed in feeds:
        bodies = [entry.body for entry in feed.entries]
        root = get_change_hash(ROOT_CHANGE)
        changes += FeedChanges(MARKET, root, feed.device).write(bodies)
    return core.Document.load(b"".join(changes))


def test_heads_are_those_of_the_library() -> None:
    feeds = [writer.feed for writer in make_writers([3, 0, 1, 200])]
    heads = Heads(MARKET, GENESIS).compute_heads(feeds)
    assert list(heads) == sorted(make_document(feeds).get_heads())
    assert len(heads) == 3


def test_heads_follow_what_was_appended() -> None:
    writers = make_writers([3, 2])
    feeds = [writer.feed for writer in writers]
    heads = Heads(MARKET, GENESIS)
    before = heads.compute_heads(feeds)
    assert heads.compute_heads(reversed(feeds)) == before
    write(writers[1], 5)
    after = heads.compute_heads(feeds)
    assert after == Heads(MARKET, GENESIS).compute_heads(feeds)
    assert len(set(after) & set(before)) == 1


def test_heads_of_a_feed_that_went_on_elsewhere_are_counted_anew() -> None:
    (writer,) = make_writers([3])
    heads = Heads(MARKET, GENESIS)
    heads.compute_heads([writer.feed])
    (shorter,) = make_writers([2])
    assert heads.compute_heads([shorter.feed]) == Heads(MARKET, GENESIS).compute_heads(
        [shorter.feed]
    )
    other = Writer(1, MARKET)
    other.append([encode_body(number, ["other"]) for number in range(1, 5)])
    assert heads.compute_heads([other.feed]) == Heads(MARKET, GENESIS).compute_heads([other.feed])


def test_heads_bind_the_genesis() -> None:
    (writer,) = make_writers([1])
    other = Heads(MARKET, b"another").compute_heads([writer.feed])
    assert other != Heads(MARKET, GENESIS).compute_heads([writer.feed])


def test_a_version_is_found_by_its_heads() -> None:
    writers = make_writers([3, 4])
    feeds = [writer.feed for writer in writers]
    heads = Heads(MARKET, GENESIS)
    early = heads.compute_heads(feeds)
    for writer in writers:
        write(writer, 2)
    found = heads.find(feeds, {*early, bytes(32)})
    assert set(found) == set(early)
    assert set(found.values()) == {(writers[0].device, 3), (writers[1].device, 4)}


def test_the_short_form_hashes_the_heads() -> None:
    assert compute_short_form([bytes(32), b"a" * 32]) == compute_hash(
        "heads", bytes(32) + b"a" * 32
    )
