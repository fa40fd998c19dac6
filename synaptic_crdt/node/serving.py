"""Every service by its name, and running one on behalf of whoever asked for it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from synaptic_crdt.node.naming import call_named
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.services import Setting, get_blob, listen, provide, sync, watch
from synaptic_crdt.node.up import up
from synaptic_crdt.node.waiting import wait_for_task
from synaptic_crdt.node.wire import Emit, Json, Request
from synaptic_crdt.sync.transports.stdio import Pipes

SERVICES: Final[Mapping[str, Callable[..., Awaitable[None]]]] = {
    "sync": sync,
    "listen": listen,
    "blob.get": get_blob,
    "provide": provide,
    "watch": watch,
    "up": up,
    "wait": wait_for_task,
}
# Two of them on one home would do the same twice.
_ONLY_ONE: Final = frozenset({"provide", "up"})


async def run_service(
    node: Node, request: Request, emit: Emit, report: Json, pipes: Pipes | None
) -> None:
    """Run a service until it ends.

    Raises ``UsageError`` for an unknown one, and for a second one of those that are to be alone.
    """
    setting = Setting(node, emit, report, pipes)
    with node.board.running(request.name, is_only=request.name in _ONLY_ONE):
        await call_named(SERVICES, "service", setting, request.name, request.args)
