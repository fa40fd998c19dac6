"""Services: what a node does for longer than one question, until it is done or interrupted.

A service tells events as it goes, and fills its report as it goes, so that an interrupted one has
one too.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
import trio

from synaptic_crdt.errors import SynapticError, UsageError
from synaptic_crdt.exec.events import encode_event
from synaptic_crdt.exec.journal import Journal
from synaptic_crdt.exec.policy import load_policy
from synaptic_crdt.exec.usage import UsageLog
from synaptic_crdt.exec.worker import run_worker
from synaptic_crdt.node.blob_exchange import BlobExchange
from synaptic_crdt.node.desk import NodeDesk
from synaptic_crdt.node.executors import make_executor
from synaptic_crdt.node.fetching import find_blob
from synaptic_crdt.node.home import write_privately
from synaptic_crdt.node.linking import LinkBook
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.peers import keep_addresses, read_addresses
from synaptic_crdt.node.queries.market import show_state
from synaptic_crdt.node.reading import make_file_end
from synaptic_crdt.node.wire import Emit, Json
from synaptic_crdt.sync.addresses import is_exchanged, is_started_by_other
from synaptic_crdt.sync.exchanges import exchange_once, keep_exchange
from synaptic_crdt.sync.links import LocalEnd, keep_link, serve, sync_once
from synaptic_crdt.sync.transports.stdio import Pipes

_WATCH_SECONDS: Final = 60.0


class Setting(msgspec.Struct, frozen=True):
    """Where a service runs: on which node, to whom it tells events, and its report.

    ``pipes`` are the standard input and output of whoever started it, if it may use them.
    """

    node: Node
    emit: Emit
    report: Json
    pipes: Pipes | None

    @property
    def end(self) -> LocalEnd:
        """This end of every link that the service makes."""
        node = self.node
        return LocalEnd(node.gate, node.membership, node.get_wall_ms, self.pipes, node.blobs)


async def sync(
    setting: Setting,
    *,
    addresses: Sequence[str] = (),
    live: bool = False,
    in_the_clear: bool = False,
) -> None:
    """Exchange entries with peers: once each, or live until interrupted.

    ``in_the_clear``: files are written so that whoever carries them can read them. Raises what
    went wrong when it went wrong with every one of them.
    """
    node = setting.node
    chosen = list(addresses) or read_addresses(node.home)
    if not chosen:
        raise UsageError("no address is known; name one, such as tcp://127.0.0.1:7700")
    with LinkBook(node, setting.emit, setting.report) as book:
        ends = Ends(setting, book, in_the_clear)
        if live:
            async with trio.open_nursery() as nursery:
                for address in chosen:
                    nursery.start_soon(ends.keep, address)
        else:
            await _sync_each(ends, chosen)


async def get_blob(setting: Setting, *, blob: str, addresses: Sequence[str] = ()) -> None:
    """Get a blob that the market names: over the links there are, or from each address in turn.

    Raises ``UsageError`` when there is no such blob, or nobody gave it.
    """
    node, exchange = setting.node, setting.node.blobs
    assert isinstance(exchange, BlobExchange)
    wanted = find_blob(exchange, blob)
    setting.report.update(blob=wanted.name.hex(), size=wanted.size)
    # Files and folders hold entries alone.
    known = list(addresses) or read_addresses(node.home)
    chosen = [address for address in known if not is_exchanged(address)]
    exchange.ask_for(wanted)
    try:
        with LinkBook(node, setting.emit, {}) as book:
            for address in chosen:
                await exchange.wait_while_under_way(wanted.name)
                if exchange.has(wanted.name):
                    break
                try:
                    await sync_once(address, setting.end, on_event=book.note)
                except SynapticError as error:
                    book.note_failure(address, error)
        await exchange.wait_while_under_way(wanted.name)
    finally:
        exchange.forget(wanted.name)
    if not exchange.has(wanted.name):
        raise UsageError(
            f"none of {len(chosen)} addresses gave blob {wanted.name.hex()[:12]}; what is private is"
            " given to the parties of its task alone, so sync with one of them"
        )


async def listen(setting: Setting, *, addresses: Sequence[str]) -> None:
    """Serve peers at addresses until interrupted."""
    with LinkBook(setting.node, setting.emit, setting.report) as book:
        await serve_peers(setting, addresses, book)


async def serve_peers(setting: Setting, addresses: Sequence[str], book: LinkBook) -> None:
    """Serve peers at addresses until cancelled, and tell at which."""
    async with trio.open_nursery() as nursery:
        bound: Sequence[str] = await nursery.start(_serve, setting.end, addresses, book)
        setting.report["addresses"] = list(bound)
        for address in bound:
            setting.emit({"event": "listening", "address": address})


async def provide(setting: Setting, *, executor: str, once: bool = False) -> None:
    """Work by the home's own policy: until interrupted, or until one job is done."""
    node = setting.node
    # In a thread, since importing one may take a second.
    chosen = await trio.to_thread.run_sync(make_executor, executor, node.home)
    desk = NodeDesk(node)
    setting.report.update(executor=executor, delivered=0, failed=0)
    try:
        tally = await run_worker(
            desk,
            lambda: load_policy(node.home.policy_path),
            chosen,
            UsageLog(node.home.usage_path),
            Journal(node.home.journal_path, node.key, node.market.id, write_privately),
            once=once,
            on_event=lambda event: _tell_work(setting, encode_event(event)),
        )
    finally:
        desk.close()
    setting.report.update(delivered=tally.delivered, failed=tally.failed)


async def watch(setting: Setting) -> None:
    """Tell the market's state at once and after every change, until interrupted."""
    desk = NodeDesk(setting.node)
    try:
        while True:
            setting.emit({"event": "state", **show_state(setting.node)})
            await desk.wait_for_news(_WATCH_SECONDS)
    finally:
        desk.close()


class Ends(NamedTuple):
    """This end of links and of exchanges by files, and the book that both are noted in."""

    setting: Setting
    book: LinkBook
    in_the_clear: bool

    async def sync(self, address: str) -> None:
        """Exchange once with whoever, or whatever, is at an address."""
        if is_exchanged(address):
            end = make_file_end(self.setting.node, in_the_clear=self.in_the_clear)
            await exchange_once(address, end, on_event=self.book.note_pass)
        else:
            await sync_once(address, self.setting.end, on_event=self.book.note)

    async def keep(self, address: str) -> None:
        """Exchange with an address until cancelled."""
        if is_exchanged(address):
            end = make_file_end(self.setting.node, in_the_clear=self.in_the_clear)
            await keep_exchange(address, end, on_event=self.book.note_pass)
        else:
            await keep_link(address, self.setting.end, on_event=self.book.note)


async def _sync_each(ends: Ends, addresses: Sequence[str]) -> None:
    failures: list[SynapticError] = []
    for address in addresses:
        try:
            await ends.sync(address)
        except SynapticError as error:
            ends.book.note_failure(address, error)
            failures.append(error)
        else:
            if not is_started_by_other(address):
                keep_addresses(ends.setting.node.home, [address])
    if len(failures) == len(addresses):
        raise failures[-1]


async def _serve(
    end: LocalEnd,
    addresses: Sequence[str],
    book: LinkBook,
    task_status: trio.TaskStatus[Sequence[str]],
) -> None:
    await serve(addresses, end, on_event=book.note, task_status=task_status)


def _tell_work(setting: Setting, event: Json) -> None:
    if event["event"] in {"delivered", "failed"}:
        setting.report[event["event"]] += 1
    setting.emit(event)
