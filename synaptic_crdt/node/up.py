"""Everything that a home does for its market, in one service.

It serves peers, keeps links to all that are known, works by the local policy, and looks after the
tasks of its own account; the process that runs it owns the home, so it closes epochs or cosigns
them, too. Each part is supervised: one that fails is told, and run again, while the others go on.
What happens is told to whoever started it, and to the log in the home.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

import msgspec
import trio

from synaptic_crdt.errors import StoreDamaged, UsageError
from synaptic_crdt.exec.policy import explain_idleness, load_policy
from synaptic_crdt.node.event_log import EventLog
from synaptic_crdt.node.helper import run_helper
from synaptic_crdt.node.linking import LinkBook
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.peers import read_addresses
from synaptic_crdt.node.services import Ends, Setting, provide, serve_peers
from synaptic_crdt.node.supervision import Part, supervise
from synaptic_crdt.node.wire import Json
from synaptic_crdt.sync.addresses import is_started_by_other

LINKS: Final = "links"
HELPER: Final = "requests"

_LOOK_SECONDS: Final = 2.0  # between two looks at what may change without news


async def up(
    setting: Setting,
    *,
    addresses: Sequence[str] = (),
    peers: Sequence[str] = (),
    executor: str | None = None,
) -> None:
    """Do everything that this home does for the market, until interrupted.

    Serves peers at ``addresses``, keeps links to ``peers`` and to all that are known, and works
    with an executor if one is named. Raises ``UsageError`` for an address or an executor that is
    none.
    """
    node = setting.node
    log = EventLog(node.home.log_path)

    def emit(event: Json) -> None:
        log.note(event, node.get_wall_ms())
        setting.emit(event)

    told = msgspec.structs.replace(setting, emit=emit)
    emit({"event": "up", "account": node.account.hex(), "executor": executor})
    try:
        with LinkBook(node, emit, setting.report) as book:
            await _run_parts(told, book, addresses, peers, executor)
    finally:
        emit({"event": "down"})


async def _run_parts(
    setting: Setting,
    book: LinkBook,
    addresses: Sequence[str],
    peers: Sequence[str],
    executor: str | None,
) -> None:
    node, emit = setting.node, setting.emit
    async with trio.open_nursery() as nursery:

        def begin(name: str, part: Part, *, is_strict: bool = False) -> None:
            run = partial(supervise, node.board, emit, name, part, is_strict=is_strict)
            nursery.start_soon(run)

        begin(LINKS, partial(keep_known_links, setting, book, peers), is_strict=True)
        begin(HELPER, partial(run_helper, node, emit))
        if addresses:
            begin("listen", partial(serve_peers, setting, addresses, book), is_strict=True)
        if executor is not None:
            # A report of its own: both links and work count what failed.
            report = setting.report["work"] = dict[str, object]()
            at_work = msgspec.structs.replace(setting, report=report)
            begin("provide", partial(_work_when_willing, at_work, executor))


async def keep_known_links(setting: Setting, book: LinkBook, peers: Sequence[str] = ()) -> None:
    """Keep a link to each peer named, and to each that is known or comes to be known."""
    node, emit = setting.node, setting.emit
    ends, kept, complaint = Ends(setting, book, in_the_clear=False), set[str](), ""
    async with trio.open_nursery() as nursery:
        while True:
            try:
                known = [*peers, *read_addresses(node.home)]
            except StoreDamaged as error:
                known = list(peers)
                if str(error) != complaint:
                    complaint = str(error)
                    emit({"event": "peers unreadable", "error": complaint})
            for address in known:
                if address not in kept and not is_started_by_other(address):
                    kept.add(address)
                    name, part = f"link {address}", partial(ends.keep, address)
                    run = partial(
                        supervise, node.board, emit, name, part, is_strict=address in peers
                    )
                    nursery.start_soon(run)
            await trio.sleep(_LOOK_SECONDS)


async def _work_when_willing(setting: Setting, executor: str) -> None:
    """Work as soon as the policy allows any; until then say once why not, and look again."""
    node, told = setting.node, ""
    while True:
        reason = _explain_idleness(node)
        if reason is None:
            await provide(setting, executor=executor)
            return
        if reason != told:
            told = reason
            setting.emit({"event": "idle", "reason": reason})
        await trio.sleep(_LOOK_SECONDS)


def _explain_idleness(node: Node) -> str | None:
    try:
        policy = load_policy(node.home.policy_path)
    except UsageError as error:
        return str(error)
    return explain_idleness(policy, is_sandbox=node.market.genesis.sandbox)
