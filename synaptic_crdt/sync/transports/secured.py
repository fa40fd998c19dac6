"""A stream inside the secure channel: what any transport yields, made fit for a session.

The handshake has a deadline, whatever trickles in meanwhile. Closing says that this is the end, as
long as that is possible within a second; a stream that ends without it was cut.
"""

from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Final

import trio

from synaptic_crdt.errors import LinkFailed, NotAdmitted, SynapticError
from synaptic_crdt.sync.channel import Channel, Peer
from synaptic_crdt.sync.membership import Refusal

HANDSHAKE_SECONDS: Final = 10

_LAST_WORD_SECONDS: Final = 1
_RECEIVE_BYTES: Final = 256 * 1024


class SecuredStream(trio.abc.Stream):
    """The bytes that an open channel carries. One task may read while another one writes."""

    def __init__(self, stream: trio.abc.Stream, channel: Channel) -> None:
        self._stream: Final = stream
        self._channel: Final = channel
        self._is_sending = False

    @property
    def peer(self) -> Peer:
        """The device at the other end."""
        return self._channel.peer

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes, all of them."""
        # If this is cancelled, a record was cut, and nothing can follow it.
        self._is_sending = True
        await self._stream.send_all(self._channel.seal(bytes(data)))
        self._is_sending = False

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until sending may make progress."""
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return what came, none at the end. Raises as ``Channel.receive`` does, or ``LinkFailed``."""
        while not (data := self._channel.take(max_bytes)) and not self._channel.is_ended:
            await _receive(self._stream, self._channel)
        return data

    async def refuse(self, refusal: Refusal) -> NotAdmitted:
        """Tell the other end why it is not let in after all, and close; return the error here."""
        error = self._channel.refuse(refusal, self.peer.device)
        await _say(self._stream, self._channel.data_to_send())
        await self._stream.aclose()
        return error

    async def aclose(self) -> None:
        """Say that this is the end, if it can be said, and close."""
        if not self._is_sending:
            await _say(self._stream, self._channel.seal_end())
        await self._stream.aclose()


async def secure(stream: trio.abc.Stream, channel: Channel) -> SecuredStream:
    """Open a channel over a stream, which is closed if that fails.

    Raises what ``Channel.receive`` raises, or ``LinkFailed``.
    """
    try:
        with _links_fail(), trio.fail_after(HANDSHAKE_SECONDS):
            await _shake(stream, channel)
    except SynapticError:
        await _say(stream, channel.data_to_send())
        await stream.aclose()
        raise
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return SecuredStream(stream, channel)


@contextmanager
def _links_fail() -> Generator[None]:
    try:
        yield
    except trio.TooSlowError as error:
        raise LinkFailed(
            f"the other end did nothing for {HANDSHAKE_SECONDS} s; is it a peer of this program?"
        ) from error
    except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
        raise LinkFailed("the link was cut; sync again") from error


async def _shake(stream: trio.abc.Stream, channel: Channel) -> None:
    while True:
        if data := channel.data_to_send():
            # What the other end said before it was gone tells more than that it is gone.
            with suppress(trio.BrokenResourceError):
                await stream.send_all(data)
        if channel.is_open:
            return
        await _receive(stream, channel)


async def _receive(stream: trio.abc.Stream, channel: Channel) -> None:
    if data := await stream.receive_some(_RECEIVE_BYTES):
        channel.receive(bytes(data))
    else:
        channel.receive_end()


async def _say(stream: trio.abc.Stream, last: bytes) -> None:
    """Send the last thing, even while everything is cancelled, if the other end still reads."""
    gone = suppress(trio.BrokenResourceError, trio.ClosedResourceError)
    with trio.move_on_after(_LAST_WORD_SECONDS, shield=True), gone:
        await stream.send_all(last)
