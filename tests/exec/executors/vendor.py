"""A server on loopback that speaks the Messages API over HTTP, as a test tells it to.

It is plain bytes over trio: nothing of the SDK, and nothing of the code that is tested. A script
is what it does with one request: it gets the request and the stream, and writes what it likes.
"""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import trio

Json = dict[str, Any]

_HEAD_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came."""

    line: str
    headers: dict[str, str]
    body: Json

    @property
    def path(self) -> str:
        return self.line.split(" ")[1]


Script = Callable[[Asked, trio.SocketStream], Awaitable[None]]


@dataclass(slots=True)
class Vendor:
    """What was asked, and what is answered: one script after the other, the last one for ever."""

    scripts: list[Script]
    url: str = ""
    asked: list[Asked] = field(default_factory=list[Asked])
    # Set once a script waits for the test.
    is_waited_for: trio.Event = field(default_factory=trio.Event)

    async def serve(self, stream: trio.SocketStream) -> None:
        async with stream:
            asked = await _read_request(stream)
            if asked is None:
                return
            script = self.scripts[min(len(self.asked), len(self.scripts) - 1)]
            self.asked.append(asked)
            try:
                await script(asked, stream)
            except trio.BrokenResourceError:
                # Whoever asked has gone away.
                return


@asynccontextmanager
async def serve_vendor(*scripts: Script) -> AsyncGenerator[Vendor]:
    vendor = Vendor(list(scripts))
    async with trio.open_nursery() as nursery:
        listeners: list[trio.SocketListener] = await nursery.start(
            partial(trio.serve_tcp, vendor.serve, 0, host="127.0.0.1")
        )
        vendor.url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        yield vendor
        nursery.cancel_scope.cancel()


async def _read_request(stream: trio.SocketStream) -> Asked | None:
    data = bytearray()
    while b"\r\n\r\n" not in data:
        piece = await stream.receive_some(_HEAD_BYTES)
        if not piece:
            return None
        data += piece
    head, _, body = bytes(data).partition(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (item.partition(": ") for item in fields)}
    while len(body) < int(headers.get("content-length", "0")):
        body += await stream.receive_some(_HEAD_BYTES)
    return Asked(line, headers, json.loads(body) if body else {})


# -- what may be answered --------------------------------------------------------------------


def encode_event(data: Json, name: str | None = None) -> bytes:
    return f"event: {name or data['type']}\ndata: {json.dumps(data)}\n\n".encode()


def begin(tokens: int = 12, model: str = "claude-test-1") -> Json:
    usage = {"input_tokens": tokens, "output_tokens": 1, "cache_read_input_tokens": 0}
    return {
        "type": "message_start",
        "message": {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage,
        },
    }


def open_block(index: int = 0, **block: object) -> Json:
    content = {"type": "text", "text": "", **block}
    return {"type": "content_block_start", "index": index, "content_block": content}


def add(text: str, index: int = 0) -> Json:
    delta = {"type": "text_delta", "text": text}
    return {"type": "content_block_delta", "index": index, "delta": delta}


def close_block(index: int = 0) -> Json:
    return {"type": "content_block_stop", "index": index}


def stop(reason: str | None = "end_turn", tokens: int = 7) -> Json:
    return {
        "type": "message_delta",
        "delta": {"stop_reason": reason, "stop_sequence": None},
        "usage": {"output_tokens": tokens},
    }


END: Final[Json] = {"type": "message_stop"}
PING: Final[Json] = {"type": "ping"}


def compose_answer(*texts: str, reason: str | None = "end_turn", tokens: int = 7) -> list[Json]:
    """Return the events of an answer: a thought first, then the text in pieces."""
    thought = {"type": "thinking", "thinking": "", "signature": ""}
    thinking = {"type": "thinking_delta", "thinking": "let me think"}
    return [
        begin(),
        PING,
        {"type": "content_block_start", "index": 0, "content_block": thought},
        {"type": "content_block_delta", "index": 0, "delta": thinking},
        close_block(),
        open_block(1),
        *(add(text, 1) for text in texts),
        close_block(1),
        stop(reason, tokens),
        END,
    ]


HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


def stream_events(events: Iterable[Json]) -> Script:
    return send(HEAD + b"".join(encode_event(event) for event in events))


def send(data: bytes) -> Script:
    """Write bytes and hang up."""

    async def script(_: Asked, stream: trio.SocketStream) -> None:
        await stream.send_all(data)

    return script


def refuse(status: int, kind: str, message: str = "no", **headers: str) -> Script:
    body = json.dumps({"type": "error", "error": {"type": kind, "message": message}}).encode()
    head = [f"HTTP/1.1 {status} Status", "Content-Type: application/json", "Connection: close"]
    head += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head += [f"Content-Length: {len(body)}"]
    return send("\r\n".join([*head, "", ""]).encode() + body)


def count(tokens: int) -> Script:
    body = json.dumps({"input_tokens": tokens}).encode()
    head = f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    return send(head.encode() + body)


def stall(vendor_of: Callable[[], Vendor], data: bytes) -> Script:
    """Write bytes, and then nothing for ever, with the line open."""

    async def script(_: Asked, stream: trio.SocketStream) -> None:
        await stream.send_all(data)
        vendor_of().is_waited_for.set()
        await trio.sleep_forever()

    return script


def flood(data: bytes, head: bytes = HEAD) -> Script:
    """Write the same bytes for ever, many at a time."""
    data *= 65_536 // len(data)

    async def script(_: Asked, stream: trio.SocketStream) -> None:
        await stream.send_all(head)
        while True:
            await stream.send_all(data)

    return script
