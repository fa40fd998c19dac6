"""How a command reaches its market: as the owner of the home, or through the owner's socket.

Callers notice no difference. A call takes the home's lock if nobody holds it; otherwise it talks
to whoever does; if that ends meanwhile, it tries again.
"""

import socket
import time
from pathlib import Path
from typing import Final, Protocol

from synaptic_crdt.errors import LinkFailed, UsageError
from synaptic_crdt.node.home import Home, HomeLock
from synaptic_crdt.node.wire import (
    ANSWER_BYTES,
    OWNER_ENDED,
    Emit,
    Json,
    Request,
    decode_answer,
    decode_greeting,
    encode_line,
    make_error,
)

_PATIENCE_SECONDS: Final = 30.0
_PAUSE_SECONDS: Final = 0.02
_OWN_PIPES: Final = (0, 1)


class _Stream(Protocol):
    def readline(self, size: int, /) -> bytes: ...


class _OwnerGone(Exception):
    """The owner ended before it answered; it was there at all when it ``was_met``."""

    def __init__(self, *, was_met: bool = False) -> None:
        super().__init__()
        self.was_met: Final = was_met


class Client:
    """One home, as one command sees it. ``passphrase`` is used only when it becomes the owner."""

    def __init__(self, home: Home, passphrase: str) -> None:
        self._home: Final = home
        self._passphrase: Final = passphrase

    def read(self, query: str, **args: object) -> Json:
        """Return the answer of a query (see ``queries``)."""
        return self._call(Request("read", query, dict(args)), _ignore)

    def append(self, command: str, **args: object) -> Json:
        """Carry out a command that writes an entry (see ``commands``); return what it says."""
        return self._call(Request("append", command, dict(args)), _ignore)

    def watch(self, emit: Emit) -> Json:
        """Emit the market's state at once and after every change, until interrupted."""
        return self._call(Request("watch", "watch", {}), emit)

    def start(self, service: str, emit: Emit, *, lends_pipes: bool = False, **args: object) -> Json:
        """Run a service (see ``services``) until it ends or is interrupted; emit its events.

        ``lends_pipes`` lets it use our standard input and output, in whichever process it runs.
        """
        return self._call(Request("start", service, dict(args), lends_pipes), emit)

    def _call(self, request: Request, emit: Emit) -> Json:
        self._home.check_complete()
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            lock = HomeLock.try_take(self._home)
            if lock is not None:
                with lock:
                    return self._run_as_owner(request, emit)
            try:
                return _ask_owner(self._home.get_socket_path(), request, emit)
            except _OwnerGone as gone:
                if gone.was_met:
                    # It may have served us for days. Whoever takes the lock first goes on, and
                    # needs as long as anybody to open the home.
                    deadline = time.monotonic() + _PATIENCE_SECONDS
                    if request.call == "start":
                        emit({"event": OWNER_ENDED})
                if time.monotonic() > deadline:
                    raise UsageError(
                        f"another process holds {self._home.lock_path} and does not answer; end it"
                    ) from None
                time.sleep(_PAUSE_SECONDS)

    def _run_as_owner(self, request: Request, emit: Emit) -> Json:
        # Imported here: who only talks to an owner needs neither store nor rules nor crypto.
        from synaptic_crdt.node.commands import run_command
        from synaptic_crdt.node.node import Node
        from synaptic_crdt.node.queries import run_query

        node = Node.open(self._home, self._passphrase)
        try:
            if request.call == "read":
                return run_query(node, request.name, request.args)
            if request.call == "append":
                return run_command(node, request.name, request.args)
            # Imported here: short commands do without trio.
            from synaptic_crdt.node.owner import run_owner

            return run_owner(node, request, emit)
        finally:
            node.close()


def _ask_owner(path: Path, request: Request, emit: Emit) -> Json:
    try:
        line = encode_line(request)
    except UnicodeEncodeError as error:
        raise UsageError(
            f"{error.object!r:.200} is not UTF-8, and a process that runs on this home can be told"
            " nothing else; end it first, or choose another name"
        ) from error
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        try:
            link.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise _OwnerGone from error
        with link.makefile("rwb") as stream:
            try:
                decode_greeting(_read_line(stream))
                pipes = _OWN_PIPES if request.lends_pipes else ()
                sent = socket.send_fds(link, [line], pipes)
                link.sendall(line[sent:])
            except ConnectionError as error:
                raise _OwnerGone from error
            try:
                return _receive_result(stream, emit)
            except (ConnectionError, _OwnerGone) as error:
                if request.call == "append":
                    raise LinkFailed(
                        "the process that owns this home ended before it answered; look with"
                        " `synaptic-crdt log` whether the entry was written"
                    ) from error
                raise _OwnerGone(was_met=True) from error


def _receive_result(stream: _Stream, emit: Emit) -> Json:
    while True:
        answer = decode_answer(_read_line(stream))
        if answer.failure is not None:
            raise make_error(answer.failure)
        if answer.result is not None:
            return answer.result
        if answer.event is not None:
            emit(answer.event)


def _read_line(stream: _Stream) -> bytes:
    line = stream.readline(ANSWER_BYTES)
    if not line:
        raise _OwnerGone
    if not line.endswith(b"\n"):
        raise LinkFailed(
            f"an answer over {ANSWER_BYTES} bytes from the process that owns this home"
        )
    return line


def _ignore(_: Json) -> None:
    """Reads and appends have no events."""
