"""What can be written: every command by name, with the arguments a person gives.

A command builds one operation, asks the contract first, signs, and answers with what became of
it. The same functions serve a process that owns its home and the owner's clients.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from synaptic_crdt.errors import UsageError
from synaptic_crdt.node.archive import write_archive
from synaptic_crdt.node.bundles import read_bundle
from synaptic_crdt.node.carrying import read_blobs
from synaptic_crdt.node.clocks import find_warning
from synaptic_crdt.node.commands import (
    council,
    devices,
    epochs,
    feedback,
    forks,
    judging,
    keys,
    members,
    money,
    offers,
    tasks,
)
from synaptic_crdt.node.documents import read_document
from synaptic_crdt.node.naming import call_named
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.reading import renew_read_key, take_read_key
from synaptic_crdt.node.wire import Json

Command = Callable[..., Json]

_ALLOW_SECRET: Final = "allow_secret"  # noqa: S105 - the name of an argument

COMMANDS: Final[Mapping[str, Command]] = {
    "invite": members.invite,
    "invite.revoke": members.revoke_invitation,
    "device.add": devices.add_device,
    "device.revoke": devices.revoke_device,
    "account.rename": members.rename_account,
    "consent": members.set_consent,
    "attest": members.attest,
    "attest.revoke": members.revoke_attestation,
    "wallet.send": money.send_tokens,
    "treasury.pay": council.pay_from_treasury,
    "treasury.mint": council.mint_tokens,
    "market.set": council.set_parameters,
    "task.post": tasks.post_task,
    "task.cancel": tasks.cancel_task,
    "task.accept": tasks.accept_task,
    "task.decline": tasks.decline_assignment,
    "task.reveal": keys.reveal_key,
    "key.share": keys.share_key,
    "task.start": tasks.start_assignment,
    "task.deliver": tasks.deliver_result,
    "task.fail": tasks.fail_assignment,
    "task.approve": judging.approve_delivery,
    "task.improve": judging.improve_task,
    "task.progress": judging.report_progress,
    "assignment.extend": judging.extend_assignment,
    "assignment.settle": judging.settle_assignment,
    "dispute.open": judging.open_dispute,
    "dispute.evidence": judging.add_evidence,
    "dispute.rule": judging.rule_dispute,
    "dispute.withdraw": judging.withdraw_dispute,
    "offer.post": offers.post_offer,
    "offer.renew": offers.renew_offer,
    "offer.withdraw": offers.withdraw_offer,
    "presence": offers.show_presence,
    "feedback": feedback.give_feedback,
    "checkpoint": epochs.make_checkpoint,
    "cosign": epochs.cosign,
    "handover": epochs.recover,
    "handover.propose": epochs.propose_handover,
    "handover.sign": epochs.sign_handover,
    "reissue": forks.reissue_entries,
    "fork.report": forks.report_fork,
    "archive.write": write_archive,
    "bundle.read": read_bundle,
    "read-key.take": take_read_key,
    "read-key.renew": renew_read_key,
    "blob.read": read_blobs,
    "document.read": read_document,
}


def run_command(node: Node, name: str, args: Mapping[str, object]) -> Json:
    """Carry out a command. Raises ``UsageError`` for an unknown one or wrong arguments.

    Besides its own arguments each takes ``allow_secret``, the fields that the scan for secrets is
    overruled in. The answer has a ``warning`` when this machine's clock, which stamps what is
    written, is far off those of others.
    """
    warning = find_warning(node)
    own = {key: value for key, value in args.items() if key != _ALLOW_SECRET}
    node.allowed_secrets = _read_fields(args.get(_ALLOW_SECRET, ()))
    try:
        answer = call_named(COMMANDS, "command", node, name, own)
    finally:
        node.allowed_secrets = ()
    return answer if warning is None else {**answer, "warning": warning}


def _read_fields(value: object) -> tuple[str, ...]:
    try:
        return msgspec.convert(value, tuple[str, ...])
    except msgspec.ValidationError as error:
        raise UsageError(f"{_ALLOW_SECRET}: {error}") from error
