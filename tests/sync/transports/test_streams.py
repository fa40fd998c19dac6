"""Transports that are not TCP: what they leave behind, and what they refuse."""

import os
import signal
import socket
import sys
from pathlib import Path

import pytest
import trio

from synaptic_crdt.errors import LinkFailed, UsageError
from synaptic_crdt.sync.links import serve, sync_once
from synaptic_crdt.sync.transports import process, stdio, streams, unix
from tests.sync.conftest import Peer, make_key
from tests.sync.linking import Log, make_end

pytestmark = pytest.mark.anyio


async def test_a_socket_s_file_goes_with_its_listener(tmp_path: Path) -> None:
    path = tmp_path / "door"
    address = f"unix://{path}"
    [door] = await unix.listen(address)
    with pytest.raises(LinkFailed, match="choose another path"):
        await unix.listen(address)
    async with await unix.dial(address) as stream:
        assert door.name_peer(stream) == f"{address}, process {os.getpid()}"
    await door.listener.aclose()
    assert not path.is_socket()


async def test_what_a_dead_listener_left_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "door"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    [door] = await unix.listen(f"unix://{path}")
    async with door.listener, await unix.dial(f"unix://{path}"):
        pass


async def test_a_file_in_the_way_of_a_socket_stays(tmp_path: Path) -> None:
    path = tmp_path / "door"
    path.write_text("precious", "utf-8")
    with pytest.raises(LinkFailed):
        await unix.listen(f"unix://{path}")
    assert path.read_text("utf-8") == "precious"


@pytest.mark.parametrize("path", ["/" + "x" * 200, "relative", "", "/nul\0"])
async def test_paths_that_are_none(path: str) -> None:
    for do in (unix.dial, unix.listen):
        with pytest.raises((LinkFailed, UsageError)):
            await do(f"unix://{path}")


async def test_many_sync_through_one_socket(tmp_path: Path) -> None:
    first, log = Peer(), Log()
    first.note(make_key(1), 3)
    address = f"unix://{tmp_path}/door"
    async with trio.open_nursery() as nursery:

        async def run_server(task_status: trio.TaskStatus[object]) -> None:
            await serve([address], make_end(first), on_event=log, task_status=task_status)

        await nursery.start(run_server)
        for number in range(3):
            end = make_end(Peer(), number=number)
            assert (await sync_once(address, end, on_event=Log())).equal
        nursery.cancel_scope.cancel()


async def test_a_command_that_does_not_stop_is_stopped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(process, "_PATIENCE_SECONDS", 0.2)
    script = tmp_path / "stubborn.py"
    script.write_text(
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('ready', flush=True)\n"
        "time.sleep(300)\n",
        "utf-8",
    )
    stream = await process.dial(f"exec:{sys.executable} '{script}'")
    assert (await stream.receive_some()).startswith(b"ready")
    await stream.aclose()
    assert stream.exit_code == -signal.SIGKILL


async def test_a_command_may_end_by_itself() -> None:
    stream = await process.dial("exec:cat")
    await stream.wait_send_all_might_not_block()
    await stream.send_all(b"echo")
    assert await stream.receive_some(100) == b"echo"
    await stream.aclose()
    assert stream.exit_code == 0
    # It can be closed twice, like any stream.
    await stream.aclose()


async def test_pipes_that_were_lent_stay_open() -> None:
    receive, send = os.pipe()
    stream = stdio.make_stream("stdio:", stdio.Pipes(receive, send))
    await stream.send_all(b"round")
    assert await stream.receive_some(100) == b"round"
    await stream.aclose()
    assert os.get_blocking(receive)
    for descriptor in (receive, send):
        os.close(descriptor)


async def test_pipes_that_are_none() -> None:
    with pytest.raises(UsageError, match="lent"):
        await streams.dial("stdio:", None)
    with pytest.raises(UsageError, match="nothing behind"):
        await streams.dial("stdio:1,2", stdio.STANDARD)
    receive, send = os.pipe()
    os.close(send)
    with pytest.raises(UsageError, match="no pair"):
        stdio.make_stream("stdio:", stdio.Pipes(receive, send))
    os.close(receive)
