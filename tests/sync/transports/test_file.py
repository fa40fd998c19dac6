"""One bundle file that goes back and forth between peers."""

from io import BytesIO
from pathlib import Path

import pytest

from synaptic_crdt.errors import MalformedInput, NoReadKey, StoreFailed, UsageError, WrongMarket
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.sync.read_keys import ReadKeys, make_read_key
from synaptic_crdt.sync.transports import file as file_module
from synaptic_crdt.sync.transports.bundle import write_bundle
from synaptic_crdt.sync.transports.contents import collect_pieces
from synaptic_crdt.sync.transports.exchange import FileEnd, Passed
from synaptic_crdt.sync.transports.file import FileExchange
from tests.sync.conftest import GENESIS, MARKET, Peer, make_key

pytestmark = pytest.mark.anyio

NO_KEYS = ReadKeys(MARKET, [])


def make_exchange(path: Path, peer: Peer, keys: ReadKeys = NO_KEYS) -> FileExchange:
    end = FileEnd(peer.gate, GENESIS, make_key(10).public, keys, seals=bool(keys))
    return FileExchange(f"file://{path}", end)


def list_names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def exchange(path: Path, peer: Peer, keys: ReadKeys = NO_KEYS) -> Passed:
    return await make_exchange(path, peer, keys).run_pass()


async def test_a_stick_goes_back_and_forth(tmp_path: Path, founder: DeviceKey) -> None:
    path, second_key = tmp_path / "stick.bundle", make_key(2)
    first, second = Peer(founder), Peer(founder).let_in_all()
    first.let_in_all().note(founder, 1500, size=50)
    first.close_epoch()
    second.note(second_key, 3)
    told = (await exchange(path, first)).report
    assert (told.counts.entries_sent, told.counts.statements_sent, told.equal) == (1500, 1, True)
    told = (await exchange(path, second)).report
    assert (told.counts.entries_received, told.counts.entries_sent) == (1500, 3)
    assert told.counts.statements_received == 1
    assert told.root == second.replica.root
    told = (await exchange(path, first)).report
    assert (told.counts.entries_received, told.counts.entries_sent) == (3, 0)
    assert first.replica.root == second.replica.root
    # It lacked nothing, so it was not written.
    assert told.counts.bytes_sent == 0
    # Anybody reads it as any bundle.
    assert list_names(tmp_path) == ["stick.bundle"]


async def test_nothing_is_read_again_while_nothing_changes(
    tmp_path: Path, founder: DeviceKey
) -> None:
    path = tmp_path / "stick.bundle"
    first, second = Peer(founder), Peer(founder)
    first.note(founder, 3)
    kept = make_exchange(path, first)
    assert (await kept.run_pass()).has_moved
    assert not (await kept.run_pass()).has_moved
    second.copy_from(first)
    second.note(founder)
    await exchange(path, second)
    assert (await kept.run_pass()).report.counts.entries_received == 1
    first.note(founder)
    assert (await kept.run_pass()).report.counts.entries_sent == 4


async def test_what_cannot_be_placed_is_not_written_over(
    tmp_path: Path, founder: DeviceKey
) -> None:
    """A file with the end of a feed only, as a pass over a folder writes it."""
    path = tmp_path / "stick.bundle"
    whole, other = Peer(founder), Peer(founder)
    whole.note(founder, 5)
    whole.note(founder, 5)
    end = FileEnd(whole.gate, GENESIS, make_key(10).public, NO_KEYS, seals=False)
    with path.open("wb") as file:
        end.pour(file, collect_pieces(whole.replica.get_feed(founder.public), 6, 10), ())
    before = path.read_bytes()
    told = await exchange(path, other)
    assert (told.report.equal, told.report.counts.entries_held) == (None, 5)
    assert "sync with whoever wrote it" in told.skipped[0].why
    assert path.read_bytes() == before
    assert (await exchange(path, whole)).report.counts.entries_sent == 5
    assert (await exchange(path, other)).report.counts.entries_received == 10


async def test_a_file_that_others_write_meanwhile_is_read_first(
    tmp_path: Path, founder: DeviceKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, second_key = tmp_path / "stick.bundle", make_key(2)
    first, second = Peer(founder).let_in_all(), Peer(founder).let_in_all()
    first.note(founder, 3)
    second.note(second_key, 2)
    write_whole = file_module.write_whole

    def write_late(target: Path) -> object:
        monkeypatch.setattr(file_module, "write_whole", write_whole)
        write_bundle(path, second.replica, GENESIS)
        return write_whole(target)

    monkeypatch.setattr(file_module, "write_whole", write_late)
    told = (await exchange(path, first)).report
    assert (told.counts.entries_received, told.counts.entries_sent) == (2, 3)
    newcomer = Peer(founder).let_in_all()
    assert (await exchange(path, newcomer)).report.counts.entries_received == 5


async def test_a_file_that_never_rests_is_told(
    tmp_path: Path, founder: DeviceKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, writer = tmp_path / "stick.bundle", Peer(founder).let_in_all()
    write_whole = file_module.write_whole

    def write_late(target: Path) -> object:
        writer.note(founder)
        write_bundle(path, writer.replica, GENESIS)
        return write_whole(target)

    monkeypatch.setattr(file_module, "write_whole", write_late)
    reader = Peer(founder).let_in_all()
    reader.note(make_key(2))
    with pytest.raises(StoreFailed, match="others write it all the time"):
        await exchange(path, reader)


async def test_a_file_is_encrypted_for_who_has_the_key(tmp_path: Path, founder: DeviceKey) -> None:
    path, keys = tmp_path / "stick.bundle", ReadKeys(MARKET, [make_read_key()])
    first, second = Peer(founder), Peer(founder)
    first.write(founder, ["note", b"a secret that is seen at once"])
    await exchange(path, first, keys)
    assert b"a secret" not in path.read_bytes()
    assert (await exchange(path, second, keys)).report.counts.entries_received == 1
    before = path.read_bytes()
    with pytest.raises(NoReadKey, match="read-key take"):
        await exchange(path, Peer(founder))
    assert path.read_bytes() == before


async def test_words_for_files_that_are_none(tmp_path: Path, founder: DeviceKey) -> None:
    peer = Peer(founder)
    peer.note(founder)
    path = tmp_path / "x.bundle"
    path.write_bytes(b"rubbish")
    with pytest.raises(MalformedInput, match="is not a bundle"):
        await exchange(path, peer)
    assert path.read_bytes() == b"rubbish"
    with pytest.raises(UsageError, match="no ordinary file"):
        await exchange(tmp_path, peer)
    with pytest.raises(StoreFailed, match="nothing was written"):
        await exchange(tmp_path / "nowhere" / "x.bundle", peer)
    with pytest.raises(UsageError, match="of the form file:///path"):
        make_exchange(Path("relative"), peer)
    with pytest.raises(StoreFailed):
        await exchange(tmp_path / ("x" * 300), peer)


async def test_a_file_of_another_market_is_told_and_left(
    tmp_path: Path, founder: DeviceKey
) -> None:
    path, peer = tmp_path / "x.bundle", Peer(founder)
    peer.note(founder)
    end = FileEnd(peer.gate, b"another", make_key(10).public, NO_KEYS, seals=False)
    data = BytesIO()
    end.pour(data, (), ())
    path.write_bytes(data.getvalue())
    with pytest.raises(WrongMarket, match="join that market in a home of its own"):
        await exchange(path, peer)
    assert path.read_bytes() == data.getvalue()
