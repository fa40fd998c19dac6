"""What is damaged in storage and turns up while a process runs: told, mended, and alone in waiting."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
import trio.testing

from synaptic_crdt.errors import StoreDamaged
from synaptic_crdt.node.commands import run_command
from synaptic_crdt.node.health import list_findings
from synaptic_crdt.node.home import Home
from synaptic_crdt.node.node import Node
from synaptic_crdt.rules.consents import make_consent
from synaptic_crdt.rules.operations import encode_operation
from synaptic_crdt.state.feeds import encode_body, seal_bodies
from synaptic_crdt.state.keys import DeviceKey, make_seed
from synaptic_crdt.state.limits import WINDOW_ENTRIES
from synaptic_crdt.state.store import Store
from synaptic_crdt.sync.happenings import LeftOut, SyncReport
from synaptic_crdt.sync.peer import run_link
from tests.node.conftest import carry
from tests.sync.linking import Log

pytestmark = pytest.mark.anyio

Join = Callable[..., Node]


def fill(node: Node, count: int) -> None:
    """Write so many entries, in one batch."""
    tip = node.replica.get_feed(node.key.public).tip
    fields = encode_operation(make_consent(None))
    bodies = [encode_body(tip.time + 1 + number, fields) for number in range(count)]
    node.gate.admit_pieces(seal_bodies(node.market.id, node.key, tip, bodies))


def change(home: Home, statement: str, *values: object) -> None:
    with sqlite3.connect(home.store_path) as connection:
        assert connection.execute(statement, values).rowcount == 1
    connection.close()


def damage_end(home: Home, device: bytes, before: int = 0) -> None:
    """Alter the newest entry of a feed, or one that is so many before it."""
    change(
        home,
        "UPDATE entries SET body = x'80' WHERE place ="
        " (SELECT max(place) - ? FROM entries JOIN feeds ON place >> 40 = feed WHERE device = ?)",
        before,
        device,
    )


async def link(first: Node, second: Node) -> tuple[SyncReport, Log]:
    """Sync two nodes over a stream; return what the first one reports and was told."""
    logs = Log(), Log()
    reports: dict[int, SyncReport] = {}

    async def run(number: int, node: Node, stream: trio.abc.Stream) -> None:
        reports[number] = await run_link(
            stream, node.gate, live=False, clock_ms=node.get_wall_ms(), on_event=logs[number]
        )

    ours, theirs = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run, 0, first, ours)
        nursery.start_soon(run, 1, second, theirs)
    return reports[0], logs[0]


def test_a_home_seals_its_own_window_anew(founder: Node, join: Join) -> None:
    ana = join("ana")
    fill(founder, 2 * WINDOW_ENTRIES)
    feed = founder.replica.get_feed(founder.key.public)
    before = dict(feed.seals)
    founder.close()
    change(founder.home, "UPDATE seals SET signature = zeroblob(64) WHERE position = 1024")
    mended = Node.open(founder.home, "")
    try:
        assert mended.damages == ()
        assert mended.replica.get_feed(founder.key.public).seals == before
        carry(mended, ana)
        assert ana.replica.get_feed(founder.key.public).position == feed.position
    finally:
        mended.close()
    again = Node.open(founder.home, "")
    assert again.damages == ()
    again.close()


def test_the_damaged_seal_of_another_device_stays_damaged(founder: Node, join: Join) -> None:
    ana = join("ana")
    fill(founder, 2 * WINDOW_ENTRIES)
    carry(founder, ana)
    ana.close()
    change(ana.home, "UPDATE seals SET signature = zeroblob(64) WHERE position = 1024")
    damaged = Node.open(ana.home, "")
    try:
        [damage] = damaged.damages
        assert (damage.kind, damage.position) == ("seal", 1024)
    finally:
        damaged.close()


def test_an_own_feed_that_was_repaired_meanwhile_is_written_to_after_it_was_verified(
    founder: Node, join: Join
) -> None:
    ana = join("ana")
    run_command(founder, "consent", {"on": True})
    carry(founder, ana)
    founder.close()
    damage_end(founder.home, founder.key.public)
    damaged = Node.open(founder.home, "")
    with pytest.raises(StoreDamaged, match="until a sync with a peer has repaired it"):
        run_command(damaged, "consent", {"on": False})
    carry(ana, damaged)
    with pytest.raises(StoreDamaged, match="end the process that owns this home"):
        run_command(damaged, "consent", {"on": False})
    damaged.close()
    repaired = Node.open(founder.home, "")
    run_command(repaired, "consent", {"on": False})
    repaired.close()


async def test_a_feed_whose_end_is_damaged_waits_alone(founder: Node, join: Join) -> None:
    """It is found in the middle of a sync, since what lies behind a saved state is used unread."""
    ana, ben = join("ana"), join("ben")
    run_command(founder, "consent", {"on": True})
    run_command(founder, "checkpoint", {})
    carry(founder, ana)
    ana.close()
    damage_end(ana.home, founder.key.public, before=1)
    damaged = Node.open(ana.home, "")
    try:
        assert damaged.damages == ()
        run_command(founder, "consent", {"on": False})
        run_command(ben, "consent", {"on": True})
        carry(ben, founder)
        report, log = await link(damaged, founder)
        assert report.equal is False
        assert report.counts.entries_held > 0
        [left_out] = log.get(LeftOut)
        assert isinstance(left_out, LeftOut)
        assert left_out.device == founder.key.public
        assert "the next command" in left_out.reason
        # The others went on.
        position = ben.replica.get_feed(ben.key.public).position
        assert damaged.replica.get_feed(ben.key.public).position == position
        assert "damaged" in {finding.name for finding in list_findings(damaged)}
    finally:
        damaged.close()
    again = Node.open(ana.home, "")
    try:
        assert any(damage.kind == "entry" for damage in again.damages)
        report, _ = await link(again, founder)
        assert report.equal
    finally:
        again.close()


async def test_a_feed_that_cannot_be_read_is_not_sent_and_the_others_are(
    founder: Node, join: Join, tmp_path: Path
) -> None:
    ana, ben = join("ana"), join("ben")
    run_command(founder, "consent", {"on": True})
    run_command(founder, "checkpoint", {})
    carry(founder, ana)
    ana.close()
    damage_end(ana.home, founder.key.public, before=1)
    damaged = Node.open(ana.home, "")
    home = Home(tmp_path / "reader")
    home.make()
    genesis = damaged.market.genesis_bytes
    reader = Node(home, DeviceKey(make_seed()), Store.create(home.store_path, genesis))
    try:
        # Before the founder's feed is there, nobody else's can be.
        report, _ = await link(reader, damaged)
        assert report.equal is False
        assert list(reader.replica.feeds) == []
        # Somebody else has it.
        report, _ = await link(reader, founder)
        assert report.equal
        run_command(ben, "consent", {"on": True})
        carry(ben, damaged)
        await link(reader, damaged)
        position = ben.replica.get_feed(ben.key.public).position
        assert reader.replica.get_feed(ben.key.public).position == position
    finally:
        damaged.close()
        reader.close()
