"""``exec:COMMAND``: runs a command and speaks to its standard input and output.

The command is split into words as a shell would, but no shell sees it. It runs in a session of its
own: what it asks at a terminal nobody answers. What it says on standard error is shown, since that
is this program's too. When the link ends it has a moment to end by itself; then it is ended, with
whatever it has started.
"""

import os
import shlex
import signal
import subprocess
from typing import Final

import trio

from synaptic_crdt.errors import LinkFailed, UsageError
from synaptic_crdt.sync import addresses

_PREFIX: Final = f"{addresses.EXEC}:"
_PATIENCE_SECONDS: Final = 2
_PAUSE_SECONDS: Final = 0.01
_READ_BYTES: Final = 65_536


class ProcessStream(trio.abc.Stream):
    """The standard input and output of a process, which ends when the stream is closed.

    Then ``exit_code`` is what it ended with.
    """

    def __init__(self, process: trio.Process) -> None:
        assert process.stdio is not None
        self._process: Final = process
        self._stdio: Final = process.stdio

        self.exit_code: int | None = None

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes, all of them."""
        await self._stdio.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until sending may make progress."""
        await self._stdio.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return what came, none once the command has closed its output."""
        return bytes(await self._stdio.receive_some(max_bytes))

    async def aclose(self) -> None:
        """Close the pipes and see to it that nothing of the command goes on."""
        with trio.CancelScope(shield=True):
            await self._stdio.send_stream.aclose()
            if self.exit_code is not None:
                return
            with trio.move_on_after(_PATIENCE_SECONDS):
                await self._drain()
                while not self._has_exited():  # noqa: ASYNC110 - nothing but waiting for it tells
                    await trio.sleep(_PAUSE_SECONDS)
            await self._stdio.receive_stream.aclose()
            # Before it is waited for: until then its number belongs to nobody else.
            self._signal(signal.SIGTERM)
            with trio.move_on_after(_PATIENCE_SECONDS) as waiting:
                await self._process.wait()
            if waiting.cancelled_caught:
                self._signal(signal.SIGKILL)
            self.exit_code = await self._process.wait()

    async def _drain(self) -> None:
        try:
            while await self._stdio.receive_some(_READ_BYTES):
                pass
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return

    def _has_exited(self) -> bool:
        """Has the command ended? Does not wait for it, which would give its number away."""
        asked = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self._process.pid, asked) is not None

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return


async def dial(address: str) -> ProcessStream:
    """Start the command of an address. Raises ``UsageError`` or ``LinkFailed``."""
    words = _parse(address)
    try:
        process = await trio.lowlevel.open_process(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
    except OSError as error:
        raise LinkFailed(f"{words[0]!r:.200} cannot be run: {error.strerror}") from error
    return ProcessStream(process)


def _parse(address: str) -> list[str]:
    command = address.removeprefix(_PREFIX)
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"{address!r:.200}: {error}") from error
    if command == address or not words or "\0" in command:
        raise UsageError(f"{address!r:.200} is not an address of the form {_PREFIX}COMMAND")
    return words
