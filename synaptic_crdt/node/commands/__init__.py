"""What can be written: every command by name, with the arguments a person gives.

A command builds one operation, asks the contract first, signs, and answers with what became of
it. The same functions serve a process that owns its home and the owner's clients.
"""

from collections.abc import Callable, Mapping
from typing import Final

from synaptic_crdt.node.archive import write_archive
from synaptic_crdt.node.bundles import read_bundle
from synaptic_crdt.node.commands import devices, epochs, forks, members, money, tasks
from synaptic_crdt.node.documents import read_document
from synaptic_crdt.node.naming import call_named
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.wire import Json

Command = Callable[..., Json]

COMMANDS: Final[Mapping[str, Command]] = {
    "invite": members.invite,
    "invite.revoke": members.revoke_invitation,
    "device.add": devices.add_device,
    "device.revoke": devices.revoke_device,
    "consent": members.set_consent,
    "wallet.send": money.send_tokens,
    "treasury.pay": money.pay_from_treasury,
    "task.post": tasks.post_task,
    "task.cancel": tasks.cancel_task,
    "task.accept": tasks.accept_task,
    "task.decline": tasks.decline_assignment,
    "task.start": tasks.start_assignment,
    "task.deliver": tasks.deliver_result,
    "task.fail": tasks.fail_assignment,
    "task.approve": tasks.approve_delivery,
    "checkpoint": epochs.make_checkpoint,
    "cosign": epochs.cosign,
    "handover": epochs.recover,
    "handover.propose": epochs.propose_handover,
    "handover.sign": epochs.sign_handover,
    "reissue": forks.reissue_entries,
    "fork.report": forks.report_fork,
    "archive.write": write_archive,
    "bundle.read": read_bundle,
    "document.read": read_document,
}


def run_command(node: Node, name: str, args: Mapping[str, object]) -> Json:
    """Carry out a command. Raises ``UsageError`` for an unknown one or wrong arguments."""
    return call_named(COMMANDS, "command", node, name, args)
