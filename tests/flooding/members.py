"""Floods by members, who are let in and then say what no peer would say: each runs until cancelled."""

import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Final

import trio

from synaptic_crdt.state import limits
from synaptic_crdt.state.feeds import compute_origin
from synaptic_crdt.state.hashes import compute_hash
from synaptic_crdt.sync.leaf_tree import compute_place
from synaptic_crdt.sync.messages import (
    Bodies,
    Header,
    Ids,
    Leaf,
    Leaves,
    Statements,
    Want,
    Wanted,
    encode_frame,
)
from synaptic_crdt.sync.parts.blob_messages import BlobAsk, BlobGone
from tests.flooding.dialling import GONE, Anybody, Speaker, Target
from tests.flooding.scene import make_member_key

_LINKS: Final = 64  # at a time: as many as there are places
_PAUSE_SECONDS: Final = 0.05
_REPEATED: Final = 16  # of a checkpoint with many feeds no more fit into a frame
_FEEDS: Final = limits.LINK_FEEDS
_ZEROS: Final = bytes(limits.HASH_BYTES)
_NOTHING_STATED: Final = (Ids(ids=(), last=True), Statements(statements=(), index=0, last=True))

Speech = Callable[[Target, Speaker, int], Awaitable[None]]


async def reconnect(target: Target) -> None:
    """Link, say hello and drop, again and again, faster than anybody needs to."""

    async def drop_after_hello(_: Target, speaker: Speaker, __: int) -> None:
        await speaker.greet()

    await _speak(target, drop_after_hello, links=8)


async def never_read(target: Target) -> None:
    """Ask for everything, and read none of it."""
    await _speak(target, _ask_and_wait)


async def trickle_after(target: Target) -> None:
    """Say a frame within a session a byte a second."""

    async def trickle(_: Target, speaker: Speaker, __: int) -> None:
        await speaker.greet()
        for byte in encode_frame(Want(feeds=(Wanted(_ZEROS, 1, 1),) * 512)):
            await speaker.send(bytes([byte]))
            await trio.sleep(1)

    await _speak(target, trickle)


async def endless_frames(target: Target) -> None:
    """Begin the largest frame that there may be, bring all but its last byte, and wait."""

    async def begin(_: Target, speaker: Speaker, __: int) -> None:
        await speaker.greet()
        size = limits.FRAME_BYTES
        await speaker.send(size.to_bytes(4, "big") + bytes(size - 1))
        await _wait_for_end(speaker)

    await _speak(target, begin)


async def endless_leaves(target: Target) -> None:
    """Announce a hundred thousand feeds that nobody has, and bring none of them."""

    devices = tuple(_make_devices())

    async def announce(target: Target, speaker: Speaker, _: int) -> None:
        await _announce(target, speaker, devices)
        await _wait_for_end(speaker)

    await _speak(target, announce, links=16)


async def endless_pieces(target: Target) -> None:
    """Announce a feed, begin the largest piece of it that there may be, and bring no more of it."""

    device = next(_make_devices())

    async def begin(target: Target, speaker: Speaker, _: int) -> None:
        await _announce(target, speaker, [device])
        while not isinstance(await speaker.hear(), Want):
            pass
        header = Header(
            device=device,
            first=1,
            predecessor=compute_origin(target.market, device),
            count=limits.WINDOW_ENTRIES,
            size=limits.PIECE_BYTES,
            signature=bytes(limits.SIGNATURE_BYTES),
        )
        body = bytes(limits.BODY_BYTES)
        parts = [Bodies(bodies=(body, body))] * (limits.WINDOW_BYTES // len(body) // 2)
        await speaker.say(header, *parts)
        await _wait_for_end(speaker)

    await _speak(target, begin)


async def endless_statements(target: Target) -> None:
    """Send back the market's own statements, again and again."""

    async def repeat(_: Target, speaker: Speaker, __: int) -> None:
        known: tuple[bytes, ...] = ()
        await speaker.greet()
        await speaker.say(Leaves(leaves=(), last=True), Ids(ids=(), last=True))
        while not known:
            message = await speaker.hear()
            known = message.statements if isinstance(message, Statements) else ()
        page = (known * _REPEATED)[:_REPEATED]
        again = Statements(statements=page, index=0, last=False)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_read, speaker)
            while True:
                await speaker.say(again)

    await _speak(target, repeat, links=8)


async def wants_again(target: Target) -> None:
    """Ask for everything, and for all of it again as soon as it has come."""

    async def ask(target: Target, speaker: Speaker, _: int) -> None:
        wants = await _ask(target, speaker)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_read, speaker)
            while True:
                await speaker.say(wants)
                await trio.sleep(_PAUSE_SECONDS)

    await _speak(target, ask, links=16)


async def blobs_again(target: Target) -> None:
    """Ask for blobs that nobody has, as often as may be."""

    async def ask(target: Target, speaker: Speaker, _: int) -> None:
        await _ask(target, speaker)
        ask = BlobAsk(blob=secrets.token_bytes(limits.HASH_BYTES), first=0, count=1)
        while True:
            await speaker.say(*[ask] * limits.BLOB_PIECES_ASKED)
            for _ in range(limits.BLOB_PIECES_ASKED):
                while not isinstance(await speaker.hear(), BlobGone):
                    pass

    await _speak(target, ask, links=16)


async def _speak(target: Target, speech: Speech, links: int = _LINKS) -> None:
    """Keep so many links, each as a member of its own; whose link ends makes a new one."""
    numbers = count()

    async def keep() -> None:
        while True:
            number = next(numbers) % target.scene.members
            try:
                async with _link(target, number) as speaker:
                    await speech(target, speaker, number)
            except* GONE as group:
                target.told[_name(group)] += 1
            await trio.sleep(_PAUSE_SECONDS)

    async with trio.open_nursery() as nursery:
        for _ in range(links):
            nursery.start_soon(keep)
        target.is_ready.set()


@asynccontextmanager
async def _link(target: Target, number: int) -> AsyncGenerator[Speaker]:
    speaker = await target.speak(Anybody(make_member_key(number)))
    try:
        yield speaker
    finally:
        await trio.aclose_forcefully(speaker.stream)


async def _ask_and_wait(target: Target, speaker: Speaker, _: int) -> None:
    wants = await _ask(target, speaker)
    await speaker.say(wants, wants)
    await trio.sleep_forever()


async def _ask(target: Target, speaker: Speaker) -> Want:
    """Say all that has to be said before; return a want for all that there is of members."""
    await speaker.greet()
    await speaker.say(Leaves(leaves=(), last=True), *_NOTHING_STATED)
    feeds = (make_member_key(number).public for number in range(target.scene.members))
    return Want(feeds=tuple(Wanted(device, 1, 4) for device in feeds))


async def _announce(target: Target, speaker: Speaker, devices: Sequence[bytes]) -> None:
    hello = await speaker.greet()
    key = compute_hash("leaf key", *sorted((bytes(limits.NONCE_BYTES), hello.nonce)))
    rows = sorted((compute_place(key, device), device) for device in devices)
    leaves = [Leaf(device, limits.POSITION_MAX, _ZEROS, 0, None) for _, device in rows]
    for start in range(0, len(leaves), limits.PAGE_LEAVES):
        page = tuple(leaves[start : start + limits.PAGE_LEAVES])
        await speaker.say(Leaves(leaves=page, last=start + limits.PAGE_LEAVES >= len(leaves)))
    await speaker.say(*_NOTHING_STATED)
    target.told["feeds announced"] += len(leaves)


async def _wait_for_end(speaker: Speaker) -> None:
    while True:
        await speaker.hear()


async def _read(speaker: Speaker) -> None:
    while await speaker.stream.receive_some():
        pass
    raise EOFError


def _make_devices() -> Iterator[bytes]:
    """Yield as many devices as a link may name, none of which there is."""
    for number in range(_FEEDS):
        yield compute_hash("body", number.to_bytes(4, "big"))


def _name(group: BaseExceptionGroup[Exception]) -> str:
    first = group.exceptions[0]
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return f"{type(first).__name__}: {first}"[:70]
