"""Exchanging with places where nobody is at the other end: once, or for as long as it runs.

Waiting lives here. A place that is kept in step is looked at again when something became durable
here, and from time to time; never more often than its looks take a small share of the time, so a
large or hostile place costs no more than a quiet one.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import trio

from synaptic_crdt.errors import SynapticError, UsageError
from synaptic_crdt.sync import addresses
from synaptic_crdt.sync.happenings import Lost
from synaptic_crdt.sync.pauses import Pauses
from synaptic_crdt.sync.transports.exchange import Exchange, FileEnd, Passed
from synaptic_crdt.sync.transports.file import FileExchange
from synaptic_crdt.sync.transports.folder import FolderExchange

_LOOK_SECONDS: Final = 1.0  # between two looks at a place where nothing happens
_LEAST_SECONDS: Final = 0.2  # in which what happens here is gathered
_BUSY_FACTOR: Final = 20  # a look may take this part of the time
_FIRST_PAUSE_SECONDS: Final = 2.0

_EXCHANGES: Final[Mapping[str, Callable[[str, FileEnd], Exchange]]] = {
    addresses.FILE: FileExchange,
    addresses.DIR: FolderExchange,
}

# Called with the address, and what happened there.
ExchangeHandler = Callable[[str, Passed | Lost], None]


async def exchange_once(address: str, end: FileEnd, *, on_event: ExchangeHandler) -> None:
    """Read all that is at an address and write what it lacks. Raises a ``SynapticError``."""
    exchange = _open(address, end)
    is_behind = True
    try:
        while is_behind:
            passed = await exchange.run_pass()
            on_event(address, passed)
            if passed.error is not None:
                raise passed.error
            is_behind = passed.is_behind
    finally:
        exchange.close()


async def keep_exchange(address: str, end: FileEnd, *, on_event: ExchangeHandler) -> None:
    """Keep a place in step until cancelled; while it is not there, look for it again.

    Raises ``UsageError`` for an address that is none.
    """
    exchange = _open(address, end)
    news = _News(end)
    pauses = Pauses(_FIRST_PAUSE_SECONDS)
    try:
        while True:
            began = trio.current_time()
            news.forget()
            try:
                passed = await exchange.run_pass()
                on_event(address, passed)
                if passed.error is not None:
                    raise passed.error
                pauses.begin_anew()
            except SynapticError as error:
                # One more, whatever it is: a stick comes back, a file is replaced.
                seconds = pauses.take_seconds()
                on_event(address, Lost(error, seconds))
                await trio.sleep(seconds)
                continue
            took = trio.current_time() - began
            await trio.sleep(max(_LEAST_SECONDS, _BUSY_FACTOR * took))
            if not passed.is_behind:
                await news.wait(_LOOK_SECONDS)
    finally:
        news.close()
        exchange.close()


class _News:
    """Whether anything became durable here since it was asked last."""

    def __init__(self, end: FileEnd) -> None:
        self._news: Final = end.gate.news
        self._came = trio.Event()
        self._news.subscribe(self._note)

    def forget(self) -> None:
        """From here on, wait for what comes later."""
        self._came = trio.Event()

    async def wait(self, seconds: float) -> None:
        """Wait until something came, or for so long."""
        with trio.move_on_after(seconds):
            await self._came.wait()

    def close(self) -> None:
        """Listen no more."""
        self._news.unsubscribe(self._note)

    def _note(self, devices: Sequence[bytes]) -> None:
        del devices
        self._came.set()


def _open(address: str, end: FileEnd) -> Exchange:
    make = _EXCHANGES.get(addresses.get_scheme(address))
    if make is None:
        raise UsageError(f"{address!r:.200} is none of {', '.join(_EXCHANGES)}")
    return make(address, end)
