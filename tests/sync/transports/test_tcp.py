"""TCP addresses: loopback or refused, and real streams between two tasks."""

from pathlib import Path

import pytest
import trio

from synaptic_crdt.errors import LinkFailed, UsageError
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.store import Store
from synaptic_crdt.sync.links import serve, sync_once
from synaptic_crdt.sync.transports import tcp
from tests.sync.conftest import GENESIS, Peer, make_key
from tests.sync.linking import HERE, Log, make_end

pytestmark = pytest.mark.anyio


async def test_tcp_between_two_tasks_on_real_stores(tmp_path: Path, founder: DeviceKey) -> None:
    stores = [Store.create(tmp_path / f"{number}.db", GENESIS) for number in range(2)]
    first, second = (Peer(founder, writer=store) for store in stores)
    first.note(founder, 1500)
    second.note(make_key(2), 10)
    log = Log()
    async with trio.open_nursery() as nursery:

        async def run_server(task_status: trio.TaskStatus[object]) -> None:
            await serve([HERE], make_end(first), on_event=log, task_status=task_status)

        addresses = await nursery.start(run_server)
        report = await sync_once(addresses[0], make_end(second), on_event=Log())
        nursery.cancel_scope.cancel()
    assert report.equal
    assert report.counts.entries_received == 1500
    assert first.replica.root == second.replica.root
    for store in stores:
        assert len(list(store.read_bodies(founder.public))) == 1500
        assert len(store.read_seals(founder.public)) == 2
        store.close()


@pytest.mark.parametrize(
    "address",
    [
        "tcp://", "tcp://127.0.0.1", "tcp://:7700", "tcp://127.0.0.1:0", "tcp://127.0.0.1:x",
        "tcp://127.0.0.1:70000", "udp://127.0.0.1:7700", "127.0.0.1:7700", "", "tcp://[::1:7",
        "tcp://127.0.0.1:7700/path",
    ],
)  # fmt: skip
async def test_addresses_that_cannot_be_dialled(address: str) -> None:
    with pytest.raises(UsageError):
        await tcp.dial(address)


async def test_every_address_of_this_machine_can_be_listened_at() -> None:
    [door] = await tcp.listen("tcp://0.0.0.0:0")
    async with door.listener:
        port = door.address.rpartition(":")[2]
        async with await tcp.dial(f"tcp://127.0.0.1:{port}"), await door.listener.accept():
            pass


async def test_an_address_of_another_machine_is_not_listened_at() -> None:
    with pytest.raises(LinkFailed, match="address of this machine"):
        await tcp.listen("tcp://192.0.2.1:0")


async def test_names_of_this_machine_are_dialled() -> None:
    [door] = await tcp.listen(HERE)
    port = door.address.rpartition(":")[2]
    stream = await tcp.dial(f"tcp://localhost:{port}")
    assert door.name_peer(stream) == door.address == f"tcp://127.0.0.1:{port}"
    await stream.aclose()
    assert door.name_peer(stream) == "tcp://gone"
    with pytest.raises(LinkFailed, match="another port"):
        await tcp.listen(f"tcp://127.0.0.1:{port}")
    await door.listener.aclose()
    with pytest.raises(LinkFailed, match="listening"):
        await tcp.dial(f"tcp://127.0.0.1:{port}")


async def test_a_name_that_nobody_has() -> None:
    with pytest.raises(LinkFailed):
        await tcp.dial("tcp://nobody.invalid:7700")
