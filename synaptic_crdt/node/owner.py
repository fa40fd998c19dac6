"""The owner of a home: one process, one store, and a socket through which others use it.

Serves four calls: read, append, watch, start a service. The socket stands in a directory of mode
0700, and the other end's user is checked. A client that goes away takes its service with it; when
the service for which the owner itself was started ends, the owner ends.
"""

import os
import signal
import socket
import struct
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Final

import trio

from synaptic_crdt.errors import LinkFailed, SynapticError
from synaptic_crdt.node.blob_exchange import BlobExchange
from synaptic_crdt.node.commands import run_command
from synaptic_crdt.node.fetching import run_fetching
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.queries import run_query
from synaptic_crdt.node.sequencer import run_sequencer
from synaptic_crdt.node.serving import run_service
from synaptic_crdt.node.supervision import supervise
from synaptic_crdt.node.wire import (
    OWNER_VERSION,
    REQUEST_BYTES,
    Answer,
    Emit,
    Greeting,
    Json,
    Request,
    decode_request,
    encode_line,
    make_failure,
)
from synaptic_crdt.node.witness import run_witness
from synaptic_crdt.sync.transports.stdio import STANDARD, Pipes

_REQUEST_SECONDS: Final = 10.0
_READ_BYTES: Final = 65_536
_EVENTS_WAITING: Final = 1_024
_PIPES_BYTES: Final = len(Pipes._fields) * struct.calcsize("i")
_CREDENTIALS: Final = struct.Struct("3i")  # pid, uid, gid of the other end


def run_owner(node: Node, request: Request, emit: Emit) -> Json:
    """Own the home while a service runs, and return its report.

    Ends when the service does, or at an interrupt: then the report says ``interrupted``.
    """
    return trio.run(_own, node, request, emit)


async def _own(node: Node, request: Request, emit: Emit) -> Json:
    report: Json = {}
    node.blobs = exchange = BlobExchange(node)
    with _errors_bare():
        async with trio.open_nursery() as nursery:
            await nursery.start(_serve, node)
            nursery.start_soon(run_fetching, node, exchange)
            # First: whoever reads the first event of a service may interrupt it.
            await nursery.start(_stop_at_signal, nursery.cancel_scope, report)
            for name, part in (("checkpoints", run_sequencer), ("cosigning", run_witness)):
                nursery.start_soon(supervise, node.board, emit, name, partial(part, node))
            await run_service(node, request, emit, report, STANDARD)
            nursery.cancel_scope.cancel()
    return report


@contextmanager
def _errors_bare() -> Generator[None]:
    """Raise the first of our own errors as it is, out of the groups that nurseries put it in."""
    try:
        yield
    except BaseExceptionGroup as group:
        ours, others = group.split(SynapticError)
        if ours is None or others is not None:
            raise
        raise _get_first(ours) from None


def _get_first(group: BaseExceptionGroup[SynapticError]) -> SynapticError:
    first = group.exceptions[0]
    return _get_first(first) if isinstance(first, BaseExceptionGroup) else first


async def _stop_at_signal(
    scope: trio.CancelScope, report: Json, task_status: trio.TaskStatus[None]
) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for _ in signals:
            report["interrupted"] = True
            scope.cancel()
            return


async def _serve(node: Node, task_status: trio.TaskStatus[object]) -> None:
    path = node.home.get_socket_path()
    # We hold the home's lock, so a socket that is there is a dead owner's.
    path.unlink(missing_ok=True)
    door = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    await door.bind(str(path))
    path.chmod(0o600)
    door.listen()
    try:
        await trio.serve_listeners(
            partial(_answer_client, node), [trio.SocketListener(door)], task_status=task_status
        )
    finally:
        path.unlink(missing_ok=True)


async def _answer_client(node: Node, stream: trio.SocketStream) -> None:
    async with stream:
        if _get_peer_uid(stream) != os.getuid():
            return
        try:
            await stream.send_all(encode_line(Greeting(OWNER_VERSION)))
            with ExitStack() as lent:
                with trio.fail_after(_REQUEST_SECONDS):
                    request, pipes = await _receive_request(stream, lent)
                await _answer_request(node, stream, request, pipes)
        except (trio.BrokenResourceError, trio.TooSlowError, LinkFailed):
            # The client went away, or is not one of ours; nobody is left to tell.
            return


async def _answer_request(
    node: Node, stream: trio.SocketStream, request: Request, pipes: Pipes | None
) -> None:
    try:
        if request.call == "read":
            result = run_query(node, request.name, request.args)
        elif request.call == "append":
            result = run_command(node, request.name, request.args)
        else:
            result = await _run_for_client(node, stream, request, pipes)
    except SynapticError as error:
        await stream.send_all(encode_line(Answer(failure=make_failure(error))))
    else:
        await stream.send_all(encode_line(Answer(result=result)))


async def _run_for_client(
    node: Node, stream: trio.SocketStream, request: Request, pipes: Pipes | None
) -> Json:
    """Run a service for a client, pass its events on, and stop it when the client goes away."""
    report: Json = {}
    send, receive = trio.open_memory_channel[Json](_EVENTS_WAITING)

    def emit(event: Json) -> None:
        try:
            send.send_nowait(event)
        except trio.WouldBlock as error:
            raise LinkFailed("a client does not read its events; its service ends") from error

    with _errors_bare():
        async with trio.open_nursery() as watching:
            watching.start_soon(_stop_when_gone, stream, watching.cancel_scope)
            async with trio.open_nursery() as sending:
                sending.start_soon(_send_events, stream, receive)
                with send:
                    await run_service(node, request, emit, report, pipes)
            watching.cancel_scope.cancel()
    return report


async def _send_events(stream: trio.SocketStream, events: trio.MemoryReceiveChannel[Json]) -> None:
    async for event in events:
        await stream.send_all(encode_line(Answer(event=event)))


async def _stop_when_gone(stream: trio.SocketStream, scope: trio.CancelScope) -> None:
    # A client says nothing after its request, so whatever comes is its end.
    await stream.receive_some(1)
    scope.cancel()


async def _receive_request(
    stream: trio.SocketStream, lent: ExitStack
) -> tuple[Request, Pipes | None]:
    """Return a request, and the pipes that came with it; ``lent`` closes whatever came."""
    line = bytearray()
    descriptors: list[int] = []
    while not line.endswith(b"\n"):
        received, beside, _, _ = await stream.socket.recvmsg(
            _READ_BYTES, socket.CMSG_SPACE(_PIPES_BYTES), socket.MSG_CMSG_CLOEXEC
        )
        for descriptor in _read_descriptors(beside):
            lent.callback(os.close, descriptor)
            descriptors.append(descriptor)
        line += received
        if not received or len(line) > REQUEST_BYTES:
            raise LinkFailed(f"a request that ended early or is over {REQUEST_BYTES} bytes")
    request = decode_request(bytes(line))
    if len(descriptors) != (len(Pipes._fields) if request.lends_pipes else 0):
        raise LinkFailed(f"{len(descriptors)} descriptors came beside a request")
    return request, Pipes(*descriptors) if descriptors else None


def _read_descriptors(beside: Sequence[tuple[int, int, bytes]]) -> Iterator[int]:
    for level, kind, data in beside:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            yield from (number for (number,) in struct.iter_unpack("i", data))


def _get_peer_uid(stream: trio.SocketStream) -> int:
    data = stream.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return _CREDENTIALS.unpack(data)[1]
