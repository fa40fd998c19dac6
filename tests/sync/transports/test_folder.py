"""A folder that several peers share, with what such folders have in them besides."""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from synaptic_crdt.errors import LinkFailed, StoreFailed, UsageError
from synaptic_crdt.state import limits
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.statements import Checkpoint
from synaptic_crdt.sync.exchanges import exchange_once, keep_exchange
from synaptic_crdt.sync.happenings import Lost
from synaptic_crdt.sync.read_keys import ReadKeys, make_read_key
from synaptic_crdt.sync.transports.exchange import FileEnd, Passed
from synaptic_crdt.sync.transports.folder import FolderExchange
from tests.sync.conftest import GENESIS, MARKET, Peer, make_key
from tests.sync.linking import Log, wait_until_equal

pytestmark = pytest.mark.anyio

NO_KEYS = ReadKeys(MARKET, [])
NOW_NS = 1_780_000_000 * 10**9
YEARS_NS = 10 * 365 * 86_400 * 10**9


def make_end(
    peer: Peer, number: int, keys: ReadKeys = NO_KEYS, genesis: bytes = GENESIS
) -> FileEnd:
    return FileEnd(peer.gate, genesis, make_key(number).public, keys, seals=bool(keys))


class Member:
    """A peer that writes a feed of its own, and its view of one folder."""

    def __init__(
        self, folder: Path, founder: DeviceKey, number: int, keys: ReadKeys = NO_KEYS
    ) -> None:
        self.key = make_key(number)
        self.peer = Peer(founder).let_in_all()
        self.end = make_end(self.peer, number, keys)
        self.exchange = FolderExchange(f"dir://{folder}", self.end)

    async def run_pass(self) -> Passed:
        return await self.exchange.run_pass()

    def restart(self, folder: Path) -> None:
        self.exchange = FolderExchange(f"dir://{folder}", self.end)


def list_bundles(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.bundle"))


def list_names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def age(folder: Path, ns: int) -> None:
    for path in list_bundles(folder):
        os.utime(path, ns=(ns, ns))


async def test_what_one_writes_the_others_have(tmp_path: Path, founder: DeviceKey) -> None:
    first, second = (Member(tmp_path, founder, number) for number in (10, 11))
    first.peer.note(first.key, 1500, size=50)
    second.peer.note(second.key, 3)
    told = await first.run_pass()
    assert (told.report.counts.entries_sent, told.report.equal, told.has_moved) == (
        1500,
        True,
        True,
    )
    told = await second.run_pass()
    assert (told.report.counts.entries_received, told.report.counts.entries_sent) == (1500, 3)
    told = await first.run_pass()
    assert told.report.counts.entries_received == 3
    assert first.peer.replica.root == second.peer.replica.root == told.report.root
    # Nobody repeats what another one has written.
    assert len(list_bundles(tmp_path)) == 2
    told = await second.run_pass()
    assert (told.has_moved, told.skipped) == (False, ())


async def test_checkpoints_travel_too(tmp_path: Path, founder: DeviceKey) -> None:
    first, second = (Member(tmp_path, founder, number) for number in (10, 11))
    first.peer.note(founder, 5)
    checkpoints: list[Checkpoint] = [first.peer.close_epoch() for _ in range(20)]
    told = await first.run_pass()
    assert told.report.counts.statements_sent == 20
    await second.run_pass()
    assert second.peer.replica.chain.head == checkpoints[-1].id
    first.peer.close_epoch()
    await first.run_pass()
    told = await second.run_pass()
    assert told.report.counts.statements_received == 21
    assert second.peer.replica.chain.index == 21


async def test_a_file_is_read_once(tmp_path: Path, founder: DeviceKey) -> None:
    first, second = (Member(tmp_path, founder, number) for number in (10, 11))
    read = 0
    for _ in range(5):
        first.peer.note(first.key)
        await first.run_pass()
        read = (await second.run_pass()).report.counts.bytes_received
    assert read == sum(path.stat().st_size for path in list_bundles(tmp_path))
    age(tmp_path, 0)
    assert (await second.run_pass()).report.counts.bytes_received == read


class ToyMemory:
    """Keeps what is known of places in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.times = 0

    def load(self, address: str) -> bytes:
        return self.kept.get(address, b"")

    def keep(self, address: str, data: bytes) -> None:
        self.times += 1
        self.kept[address] = data


async def test_a_home_that_looks_again_reads_only_what_it_has_not_read(
    tmp_path: Path, founder: DeviceKey
) -> None:
    writer, reader, memory = (
        Member(tmp_path, founder, 10),
        Member(tmp_path, founder, 11),
        ToyMemory(),
    )
    writer.peer.note(founder, 5)
    writer.peer.close_epoch()
    await writer.run_pass()
    end = reader.end._replace(memory=memory)
    address, log = f"dir://{tmp_path}", Log()
    for expected in (True, False, False):
        log.events.clear()
        await exchange_once(address, end, on_event=log)
        [told] = log.get(Passed)
        assert isinstance(told, Passed)
        assert (told.report.counts.bytes_received > 0, told.report.equal) == (expected, True)
    assert memory.times == 1
    # A home that was put back to what it was before holds less than it remembers.
    restored, log = Member(tmp_path, founder, 11), Log()
    await exchange_once(address, restored.end._replace(memory=memory), on_event=log)
    assert restored.peer.replica.root == writer.peer.replica.root
    assert restored.peer.replica.chain.index == 1
    # What it remembers may be damaged.
    memory.kept[address] = b"\xc1rubbish"
    restored = Member(tmp_path, founder, 11)
    await exchange_once(address, restored.end._replace(memory=memory), on_event=log)
    assert restored.peer.replica.entries == 5


@pytest.mark.parametrize("shift_ns", [-YEARS_NS, YEARS_NS])
async def test_clocks_of_files_say_nothing(
    tmp_path: Path, founder: DeviceKey, shift_ns: int
) -> None:
    members = [Member(tmp_path, founder, number) for number in (10, 11, 12)]
    for turn in range(9):
        member = members[turn % 3]
        member.peer.note(member.key, 2)
        await member.run_pass()
        # One machine's files are of the past or the future, and some are of 1970.
        age(tmp_path, NOW_NS + shift_ns if turn % 2 else 0)
    for member in members:
        await member.run_pass()
    assert {member.peer.replica.root for member in members} == {members[0].peer.replica.root}
    assert members[0].peer.replica.entries == 18


async def test_a_writer_has_few_files_however_often_it_writes(
    tmp_path: Path, founder: DeviceKey
) -> None:
    member, reader = (Member(tmp_path, founder, number) for number in (10, 11))
    most = 0
    for _ in range(120):
        member.peer.note(member.key, size=100)
        await member.run_pass()
        most = max(most, len(list_bundles(tmp_path)))
    assert most <= 4 * limits.FOLDER_SMALL_FILES
    await reader.run_pass()
    assert reader.peer.replica.entries == 120


async def test_large_files_are_closed_and_stay(
    tmp_path: Path, founder: DeviceKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FOLDER_FILL_BYTES", 3_000)
    member, reader = (Member(tmp_path, founder, number) for number in (10, 11))
    member.peer.note(member.key, 200, size=1_000)
    for _ in range(40):
        member.peer.close_epoch()
    await member.run_pass()
    # The entries, and several of checkpoints behind them.
    assert len(list_bundles(tmp_path)) > 3
    full = {path for path in list_bundles(tmp_path) if path.stat().st_size > 3_000}
    for _ in range(30):
        member.peer.note(member.key, size=10)
        await member.run_pass()
    assert full
    assert full <= set(list_bundles(tmp_path))
    await reader.run_pass()
    assert reader.peer.replica.root == member.peer.replica.root


async def test_what_two_wrote_at_once_is_left_to_one_of_them(
    tmp_path: Path, founder: DeviceKey
) -> None:
    """Both had the same news over a link, and neither had seen what the other wrote."""
    first, second = (Member(tmp_path, founder, number) for number in (10, 11))
    away = tmp_path / "away"
    away.mkdir()
    elsewhere = FolderExchange(f"dir://{away}", second.end)
    for _ in range(limits.FOLDER_SMALL_FILES):
        first.peer.note(founder, 1, size=100)
        second.peer.copy_from(first.peer)
        await first.run_pass()
        await elsewhere.run_pass()
    for path in list_bundles(away):
        shutil.copy(path, tmp_path)
    for _ in range(3):
        await first.run_pass()
        await second.run_pass()
    assert sum(path.stat().st_size for path in list_bundles(tmp_path)) < 3_000
    newcomer = Member(tmp_path, founder, 12)
    await newcomer.run_pass()
    assert newcomer.peer.replica.entries == limits.FOLDER_SMALL_FILES


async def test_what_somebody_removed_comes_back(tmp_path: Path, founder: DeviceKey) -> None:
    first, second = (Member(tmp_path, founder, number) for number in (10, 11))
    first.peer.note(first.key, 5)
    await first.run_pass()
    await second.run_pass()
    for path in list_bundles(tmp_path):
        path.unlink()
    told = await second.run_pass()
    assert told.report.counts.entries_sent == 5
    newcomer = Member(tmp_path, founder, 12)
    await newcomer.run_pass()
    assert newcomer.peer.replica.entries == 5


async def test_a_restarted_writer_knows_its_files_and_removes_what_it_left_half_written(
    tmp_path: Path, founder: DeviceKey
) -> None:
    member = Member(tmp_path, founder, 10)
    member.peer.note(member.key, 5)
    await member.run_pass()
    [path] = list_bundles(tmp_path)
    leftover = tmp_path / f".{path.name[:33]}.0123456789abcdef.part"
    foreign = tmp_path / f".{path.name[:17]}0000000000000000.0123456789abcdef.part"
    for half in (leftover, foreign):
        half.write_bytes(path.read_bytes()[:100])
    member.restart(tmp_path)
    told = await member.run_pass()
    assert told.report.counts.entries_sent == 0
    assert list_bundles(tmp_path) == [path]
    assert (leftover.exists(), foreign.exists()) == (False, True)


async def test_a_file_that_comes_bit_by_bit_waits(tmp_path: Path, founder: DeviceKey) -> None:
    (origin := tmp_path / "origin").mkdir()
    (shared := tmp_path / "shared").mkdir()
    first, second = Member(origin, founder, 10), Member(shared, founder, 11)
    first.peer.note(first.key, 5)
    await first.run_pass()
    [path] = list_bundles(origin)
    data = path.read_bytes()
    for size in (0, 1, len(data) // 2, len(data) - 1):
        (shared / path.name).write_bytes(data[:size])
        told = await second.run_pass()
        assert told.report.equal is None
        assert [skipped.name for skipped in told.skipped] in ([path.name], [])
        assert second.peer.replica.entries == 0
    (shared / path.name).write_bytes(data)
    assert (await second.run_pass()).report.equal is True
    assert second.peer.replica.entries == 5


async def test_a_file_whose_bytes_come_under_the_size_and_time_of_others_is_read_at_last(
    tmp_path: Path, founder: DeviceKey
) -> None:
    (origin := tmp_path / "origin").mkdir()
    (shared := tmp_path / "shared").mkdir()
    first, second = Member(origin, founder, 10), Member(shared, founder, 11)
    first.peer.note(first.key, 5)
    await first.run_pass()
    [path] = list_bundles(origin)
    partial = shared / path.name
    partial.write_bytes(bytes(path.stat().st_size))
    found = partial.stat()
    for _ in range(10):
        await second.run_pass()
    partial.write_bytes(path.read_bytes())
    os.utime(partial, ns=(found.st_atime_ns, found.st_mtime_ns))
    for _ in range(16):
        await second.run_pass()
    assert second.peer.replica.entries == 5


async def test_a_file_that_follows_others_is_read_when_these_come(
    tmp_path: Path, founder: DeviceKey
) -> None:
    (origin := tmp_path / "origin").mkdir()
    (shared := tmp_path / "shared").mkdir()
    first, second = Member(origin, founder, 10), Member(shared, founder, 11)
    order: list[Path] = []
    for _ in range(6):
        first.peer.note(first.key, 2)
        await first.run_pass()
        order.extend(path for path in list_bundles(origin) if path not in order)
    told = await second.run_pass()
    for path in order[:0:-1]:
        shutil.copy(path, shared)
        told = await second.run_pass()
        assert told.report.equal is None
        assert second.peer.replica.entries == 0
    assert told.report.counts.entries_held == 10
    shutil.copy(order[0], shared)
    for _ in range(8):
        told = await second.run_pass()
    assert (told.report.counts.entries_held, told.report.equal) == (0, True)
    assert second.peer.replica.entries == 12


def fill_with_rubbish(folder: Path, like: str, outside: Path) -> Sequence[str]:
    """Fill a folder with what has no business there, much of it under names like ours."""
    market, writer = like[:16], like[17:33]
    names = [f"{market}-{writer}-{number:064x}.bundle" for number in range(7)]
    outside.write_bytes(b"nobody's business")
    folder.joinpath(names[0]).write_bytes(b"")
    folder.joinpath(names[1]).symlink_to(outside)
    os.mkfifo(folder / names[2])
    folder.joinpath(names[3]).mkdir()
    with folder.joinpath(names[4]).open("wb") as file:
        file.truncate(limits.FOLDER_FILE_BYTES + 1)
    folder.joinpath(names[5]).write_bytes(b"rubbish" * 1000)
    folder.joinpath(names[6]).symlink_to(folder)
    folder.joinpath("holiday.jpg").write_bytes(b"jpg")
    folder.joinpath(f"{like[:-7]} (conflicted copy).bundle").write_bytes(b"copy")
    folder.joinpath(f"{like[:-7]}.sync-conflict-20260101.bundle").write_bytes(b"copy")
    folder.joinpath(".stfolder").mkdir()
    folder.joinpath("0" * 16 + like[16:]).write_bytes(b"of another market")
    folder.joinpath(os.fsdecode(b"bad\xff\x1b[31mname")).write_bytes(b"x")
    return names


async def test_rubbish_is_named_and_stops_nobody(tmp_path: Path, founder: DeviceKey) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    first, second = (Member(shared, founder, number) for number in (10, 11))
    first.peer.note(first.key, 5)
    await first.run_pass()
    [good] = list_bundles(shared)
    names = fill_with_rubbish(shared, good.name, tmp_path / "outside")
    told = await second.run_pass()
    assert second.peer.replica.entries == 5
    why = {skipped.name: skipped.why for skipped in told.skipped}
    assert "not all of it" in why[names[0]]
    assert why[names[1]] == why[names[2]] == why[names[3]] == "it is no ordinary file"
    assert "over the" in why[names[4]]
    assert "not all of it" in why[names[5]]
    assert "holiday.jpg" in why
    assert "bad\\xff?[31mname" in why
    assert sum("conflict" in name for name in why) == 2
    assert not any(name.startswith((".", "0000")) for name in why)
    # What was told once is not told again, and nothing of it was touched.
    assert (await second.run_pass()).skipped == ()
    assert set(names) < set(list_names(shared))
    second.peer.note(second.key)
    assert (await second.run_pass()).report.counts.entries_sent == 1


async def test_whole_files_that_lie_are_named_once_and_not_read_again(
    tmp_path: Path, founder: DeviceKey
) -> None:
    (origin := tmp_path / "origin").mkdir()
    (shared := tmp_path / "shared").mkdir()
    honest = Member(shared, founder, 11)
    peer = Peer(founder)
    peer.note(founder)
    await FolderExchange(f"dir://{origin}", make_end(peer, 10, genesis=b"another")).run_pass()
    [path] = list_bundles(origin)
    shutil.copy(path, shared)
    told = await honest.run_pass()
    assert "join that market in a home of its own" in told.skipped[0].why
    read = told.report.counts.bytes_received
    honest.peer.note(honest.key)
    told = await honest.run_pass()
    assert (told.report.counts.bytes_received, told.report.counts.entries_sent) == (read, 1)


async def test_what_one_pass_may_read_is_bounded(
    tmp_path: Path, founder: DeviceKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    writers = [Member(tmp_path, founder, number) for number in range(10, 16)]
    for writer in writers:
        writer.peer.note(writer.key, 10, size=100)
        await writer.run_pass()
    reader = Member(tmp_path, founder, 20)
    largest = max(path.stat().st_size for path in list_bundles(tmp_path))
    monkeypatch.setattr(limits, "FOLDER_PASS_BYTES", 2 * largest)
    before, passes = 0, 0
    is_behind = True
    while is_behind:
        told = await reader.run_pass()
        assert told.report.counts.bytes_received - before <= 2 * largest
        assert told.report.equal is (None if told.is_behind else True)
        before, is_behind, passes = told.report.counts.bytes_received, told.is_behind, passes + 1
    assert passes > 2
    assert reader.peer.replica.entries == 60


async def test_there_is_an_end_to_how_many_files_are_looked_at(
    tmp_path: Path, founder: DeviceKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FOLDER_FILES", 3)
    writers = [Member(tmp_path, founder, number) for number in range(10, 15)]
    for writer in writers:
        writer.peer.note(writer.key)
        await writer.run_pass()
    told = await Member(tmp_path, founder, 20).run_pass()
    assert any("more than 3 files" in skipped.why for skipped in told.skipped)
    monkeypatch.setattr(limits, "FOLDER_NAMES", 2)
    told = await Member(tmp_path, founder, 21).run_pass()
    assert any("more than 2 names" in skipped.why for skipped in told.skipped)


async def test_files_are_encrypted_for_who_has_the_key(tmp_path: Path, founder: DeviceKey) -> None:
    keys = ReadKeys(MARKET, [make_read_key()])
    first, second = (Member(tmp_path, founder, number, keys) for number in (10, 11))
    stranger = Member(tmp_path, founder, 12)
    first.peer.write(first.key, ["note", b"a secret that is seen at once"])
    await first.run_pass()
    [path] = list_bundles(tmp_path)
    assert b"a secret" not in path.read_bytes()
    await second.run_pass()
    assert second.peer.replica.entries == 1
    told = await stranger.run_pass()
    assert stranger.peer.replica.entries == 0
    assert told.report.equal is None
    assert "which this home lacks" in told.skipped[0].why


async def test_a_folder_that_is_not_there_is_told(tmp_path: Path, founder: DeviceKey) -> None:
    member = Member(tmp_path / "nowhere", founder, 10)
    with pytest.raises(LinkFailed, match="name a folder that is there"):
        await member.run_pass()
    with pytest.raises(UsageError, match="of the form dir:///path"):
        FolderExchange("dir:relative", member.end)


async def test_a_disk_that_refuses_leaves_nothing_behind(
    tmp_path: Path, founder: DeviceKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (Member(tmp_path, founder, number) for number in (10, 11))
    first.peer.note(first.key)
    await first.run_pass()
    second.peer.note(second.key)

    def refuse(descriptor: int) -> None:
        raise OSError(28, f"no space left ({descriptor >= 0})")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        told, log = await second.run_pass(), Log()
        assert "nothing was written" in str(told.error)
        assert (told.report.counts.entries_received, told.report.equal) == (1, None)
        with pytest.raises(StoreFailed, match="nothing was written"):
            await exchange_once(f"dir://{tmp_path}", second.end, on_event=log)
        assert log.get(Passed)
    # What was read before stays, and nothing half written is there.
    assert second.peer.replica.entries == 2
    assert len(list_names(tmp_path)) == 1
    assert (await second.run_pass()).report.equal is True


async def test_news_go_through_a_live_folder(tmp_path: Path, founder: DeviceKey) -> None:
    first, second = (Member(tmp_path, founder, number) for number in (10, 11))
    log = Log()
    async with trio.open_nursery() as nursery:
        for member in (first, second):
            nursery.start_soon(keep, tmp_path, member, log)
        await log.wait_for(Passed, 2)
        for member in (first, second):
            member.peer.note(member.key, 3)
            await wait_until_equal(first.peer, second.peer)
        nursery.cancel_scope.cancel()
    assert first.peer.replica.entries == second.peer.replica.entries == 6


async def keep(folder: Path, member: Member, log: Log) -> None:
    await keep_exchange(f"dir://{folder}", member.end, on_event=log)


async def test_a_live_folder_that_goes_away_is_looked_for_again(
    tmp_path: Path, founder: DeviceKey, autojump_clock: trio.testing.MockClock
) -> None:
    del autojump_clock
    folder = tmp_path / "stick"
    member, log = Member(folder, founder, 10), Log()
    member.peer.note(member.key)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep, folder, member, log)
        await log.wait_for(Lost, 3)
        folder.mkdir()
        await log.wait_for(Passed)
        nursery.cancel_scope.cancel()
    assert len(list_bundles(folder)) == 1


@pytest.fixture
def autojump_clock() -> trio.testing.MockClock:
    return trio.testing.MockClock(autojump_threshold=0)


async def test_exchanging_once_reads_all_there_is(
    tmp_path: Path, founder: DeviceKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(10, 14):
        writer = Member(tmp_path, founder, number)
        writer.peer.note(writer.key, 10, size=100)
        await writer.run_pass()
    monkeypatch.setattr(limits, "FOLDER_PASS_BYTES", list_bundles(tmp_path)[0].stat().st_size * 2)
    reader, log = Member(tmp_path, founder, 20), Log()
    await exchange_once(f"dir://{tmp_path}", reader.end, on_event=log)
    assert reader.peer.replica.entries == 40
    with pytest.raises(UsageError, match="none of file, dir"):
        await exchange_once("tcp://h:1", reader.end, on_event=log)


STEPS = st.lists(
    st.tuples(
        st.integers(0, 3), st.sampled_from(["note", "pass", "pass", "restart", "cut", "remove"])
    ),
    max_size=40,
)


@settings(max_examples=40)
@given(STEPS)
def test_whatever_happens_in_between_all_end_equal(
    tmp_path_factory: pytest.TempPathFactory, steps: Sequence[tuple[int, str]]
) -> None:
    """Peers write, look, restart; files are cut and removed: two rounds later all have all."""
    folder, founder = tmp_path_factory.mktemp("shared"), make_key(1)
    members = [Member(folder, founder, 10 + number) for number in range(4)]
    acts: dict[str, Callable[[Member], None]] = {
        "note": lambda member: member.peer.note(member.key),
        "pass": lambda member: trio.run(run_quietly, member),
        "restart": lambda member: member.restart(folder),
        "cut": lambda _: cut_one(folder),
        "remove": lambda _: remove_one(folder),
    }
    for who, what in steps:
        acts[what](members[who])
    for path in folder.glob("*.bundle"):
        if path.stat().st_size == 10:
            path.unlink()
    for _ in range(3):
        for member in members:
            trio.run(run_quietly, member)
    assert {member.peer.replica.compute_digest() for member in members} == {
        members[0].peer.replica.compute_digest()
    }
    written = sum(what == "note" for _, what in steps)
    assert members[0].peer.replica.entries == written


async def run_quietly(member: Member) -> None:
    await member.run_pass()


def cut_one(folder: Path) -> None:
    for path in list_bundles(folder)[:1]:
        path.write_bytes(path.read_bytes()[:10])


def remove_one(folder: Path) -> None:
    for path in list_bundles(folder)[-1:]:
        path.unlink()
