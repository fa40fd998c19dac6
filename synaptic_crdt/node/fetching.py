"""Keeping links told of which blobs are wanted, and getting one that a person asks for."""

from collections.abc import Sequence
from typing import Final

import trio

from synaptic_crdt.errors import UsageError
from synaptic_crdt.node.blob_exchange import BlobExchange
from synaptic_crdt.node.node import Node
from synaptic_crdt.sync.blobs import WantedBlob

_RETRY_SECONDS: Final = 15.0  # what nobody had may be there by now, or be ours by now
_QUIET_SECONDS: Final = 0.02  # what comes together is looked at together
_LEAST_DIGITS: Final = 8


async def run_fetching(node: Node, exchange: BlobExchange) -> None:
    """Let live links fetch what is wanted as it becomes known, until cancelled."""
    has_news = trio.Event()

    def take_note(_: Sequence[bytes]) -> None:
        has_news.set()

    node.gate.news.subscribe(take_note)
    next_turn = trio.current_time() + _RETRY_SECONDS
    try:
        while True:
            with trio.move_on_at(next_turn):
                await has_news.wait()
                await trio.sleep(_QUIET_SECONDS)
            has_news = trio.Event()
            is_due = trio.current_time() >= next_turn
            if is_due:
                next_turn = trio.current_time() + _RETRY_SECONDS
            exchange.tell(is_new_turn=is_due)
    finally:
        node.gate.news.unsubscribe(take_note)


def find_blob(exchange: BlobExchange, text: str) -> WantedBlob:
    """Return the blob that the market names and that begins with these digits.

    Raises ``UsageError``.
    """
    found = exchange.rights.find_named(text.lower()) if len(text) >= _LEAST_DIGITS else []
    if len(found) != 1:
        raise UsageError(
            f"{text!r:.80} names {len(found)} blobs of this market, expected one; give at least"
            f" {_LEAST_DIGITS} digits, as `blob list` shows them"
        )
    return found[0]
