"""Floods by who never shows whose it is, or is nobody: each a function that runs until cancelled."""

import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import trio

from synaptic_crdt.state.keys import DeviceKey, make_seed
from synaptic_crdt.sync.channel import Channel
from synaptic_crdt.sync.messages import make_preface
from synaptic_crdt.sync.noise import KEY_BYTES
from tests.flooding.dialling import GONE, Anybody, Target

Attack = Callable[[Target], Awaitable[None]]

_CROWD: Final = 4_000  # connections at a time, as many as a process may have descriptors for
_SLOW: Final = 500
_AT_ONCE: Final = 32
_WORKERS: Final = 8
_PAUSE_SECONDS: Final = 0.01
_LONG_SECONDS: Final = 0.5
_KEY_OF_SMALL_ORDER: Final = bytes(KEY_BYTES)


async def silence(target: Target) -> None:
    """Connect four thousand times and say nothing; whoever is turned out comes again."""
    await _crowd(target, _CROWD, b"", _LONG_SECONDS)


async def drops(target: Target) -> None:
    """Connect and drop, hundreds of times a second."""
    await _rush(target, _drop)


async def trickle_before(target: Target) -> None:
    """Begin to say what a peer says, a byte a second."""
    await _crowd(target, _SLOW, make_preface(target.market), 1.0)


async def trickle_within(target: Target) -> None:
    """Say the right preface at once, and the handshake after it a byte a second."""
    preface = make_preface(target.market)
    words = preface + (KEY_BYTES).to_bytes(2, "big") + secrets.token_bytes(KEY_BYTES)
    await _crowd(target, _SLOW, words, 1.0, at_once=len(preface))


async def garbage(target: Target) -> None:
    """Say what is no handshake: noise, HTTP, another market's, another version's, bad keys."""
    target.is_ready.set()
    preface = make_preface(target.market)
    key = len(_KEY_OF_SMALL_ORDER).to_bytes(2, "big") + _KEY_OF_SMALL_ORDER
    words = (
        secrets.token_bytes(64),
        b"GET / HTTP/1.1\r\nHost: market\r\n\r\n",
        make_preface(secrets.token_bytes(32)),
        preface[:8] + b"\xff\xff" + preface[10:],
        preface + key,
        preface + b"\xff\xff" + secrets.token_bytes(1_024),
    )
    while True:
        for each in words:
            async with trio.open_nursery() as nursery:
                for _ in range(_WORKERS):
                    nursery.start_soon(_say, target, each)


async def first_words(target: Target) -> None:
    """Say the first message of a handshake, which makes the other end compute, and drop."""
    words = Channel(target.market, Anybody(DeviceKey(make_seed())), is_initiator=True)
    await _rush(target, partial(_say, words=words.data_to_send()))


async def nobodies(target: Target) -> None:
    """Finish the handshake, as a device that nobody knows."""
    await _rush(target, _come_as_nobody)


async def _rush(target: Target, act: Attack) -> None:
    async def repeat() -> None:
        while True:
            await act(target)
            target.is_ready.set()
            await trio.sleep(_PAUSE_SECONDS)

    async with trio.open_nursery() as nursery:
        for _ in range(_WORKERS):
            nursery.start_soon(repeat)


async def _crowd(
    target: Target, size: int, words: bytes, pause_seconds: float, at_once: int = 0
) -> None:
    """Be so many connections that say the same, slowly; who is cut off begins anew."""

    async def be_one() -> None:
        while True:
            try:
                async with await target.dial() as stream:
                    await _trickle(target, stream, words, pause_seconds, at_once)
            except GONE:
                target.told["cut off"] += 1
            await trio.sleep(pause_seconds)

    target.is_ready.set()
    async with trio.open_nursery() as nursery:
        for number in range(size):
            nursery.start_soon(be_one)
            if number % _AT_ONCE == 0:
                await trio.sleep(_PAUSE_SECONDS)


async def _trickle(
    target: Target, stream: trio.SocketStream, words: bytes, pause_seconds: float, at_once: int
) -> None:
    if at_once:
        await stream.send_all(words[:at_once])
    for number in range(at_once, len(words)):
        await stream.send_all(words[number : number + 1])
        target.told["bytes"] += 1
        await trio.sleep(pause_seconds)
    # What comes is the end, or the other end's first words.
    while await stream.receive_some():
        pass
    raise EOFError


async def _drop(target: Target) -> None:
    try:
        async with await target.dial():
            pass
    except GONE:
        target.told["cut off"] += 1


async def _say(target: Target, words: bytes) -> None:
    try:
        async with await target.dial() as stream:
            await stream.send_all(words)
            target.told["bytes"] += len(words)
            with trio.move_on_after(_LONG_SECONDS):
                await stream.receive_some()
    except GONE:
        target.told["cut off"] += 1


async def _come_as_nobody(target: Target) -> None:
    try:
        await target.speak(Anybody(DeviceKey(make_seed())))
    except GONE:
        target.told["refused"] += 1
