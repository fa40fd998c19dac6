"""The contract as the machine sees it: operations in, verdicts out, deadlines carried out.

A refusal changes nothing: every rule asks all its questions before it changes the first row. The
same tables and the same act give the same verdict, everywhere and for ever.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from synaptic_crdt.rules import (
    acceptance,
    accounts,
    arguing,
    attestations,
    consents,
    devices,
    feedback,
    forks,
    improving,
    invitations,
    parameters,
    signing,
    tasks,
    tokens,
    work,
)
from synaptic_crdt.rules.account_operations import AccountUpdate, Attest, AttestRevoke, Consent
from synaptic_crdt.rules.council_operations import MarketSet, TokenMint
from synaptic_crdt.rules.explain import explain
from synaptic_crdt.rules.form import read_operation
from synaptic_crdt.rules.genesis import Genesis
from synaptic_crdt.rules.market import Act, Market, get_rows
from synaptic_crdt.rules.operations import (
    AccountOpen,
    DeviceAdd,
    DeviceJoin,
    DeviceRevoke,
    Feedback,
    ForkReport,
    InviteIssue,
    InviteRevoke,
    Operation,
    TokenTransfer,
    TreasuryPay,
)
from synaptic_crdt.rules.seats.seat import Cause
from synaptic_crdt.rules.seats.table import advance
from synaptic_crdt.rules.task_operations import (
    AssignmentExtend,
    AssignmentSettle,
    DisputeEvidence,
    DisputeOpen,
    DisputeRule,
    DisputeWithdraw,
    TaskAccept,
    TaskApprove,
    TaskCancel,
    TaskDecline,
    TaskDeliver,
    TaskFail,
    TaskImprove,
    TaskPost,
    TaskProgress,
    TaskReveal,
    TaskStart,
)
from synaptic_crdt.rules.verdicts import Refusal, Verdict
from synaptic_crdt.state.codec import Value
from synaptic_crdt.state.contract import APPLIED, Timers
from synaptic_crdt.state.tables import Tables

Rule = Callable[[Market, Any, Act], Refusal | None]

RULES: Final[Mapping[type[Operation], Rule]] = {
    AccountOpen: accounts.open_account,
    AccountUpdate: accounts.update_account,
    InviteIssue: invitations.issue_invitation,
    InviteRevoke: invitations.revoke_invitation,
    DeviceAdd: devices.add_device,
    DeviceJoin: devices.join_account,
    DeviceRevoke: devices.revoke_device,
    Consent: consents.set_consent,
    Attest: attestations.attest,
    AttestRevoke: attestations.revoke_attestation,
    TokenTransfer: tokens.transfer_tokens,
    TokenMint: tokens.mint_tokens,
    TreasuryPay: tokens.pay_from_treasury,
    MarketSet: parameters.set_parameters,
    TaskPost: tasks.post_task,
    TaskCancel: tasks.cancel_task,
    TaskAccept: acceptance.accept_task,
    TaskDecline: work.decline_work,
    TaskStart: work.start_work,
    TaskDeliver: work.deliver_work,
    TaskFail: work.fail_work,
    TaskApprove: signing.review_work,
    TaskImprove: improving.improve_task,
    TaskReveal: work.reveal_key,
    TaskProgress: work.report_progress,
    AssignmentExtend: work.extend_work,
    AssignmentSettle: signing.name_share,
    DisputeOpen: arguing.open_dispute,
    DisputeEvidence: arguing.add_evidence,
    DisputeRule: arguing.rule_dispute,
    DisputeWithdraw: arguing.withdraw_dispute,
    Feedback: feedback.give_feedback,
    ForkReport: forks.report_fork,
}

_REMEMBERED: Final = 65_536


class MarketContract:
    """The rules of one market over its tables. Satisfies ``state.contract.Contract``."""

    def __init__(self, genesis: Genesis, market: bytes, tables: Tables, timers: Timers) -> None:
        self.market: Final = Market(genesis, market, tables, timers)
        # No part of the state: why entries were refused when they were last folded.
        self._refusals: Final[dict[bytes, Refusal]] = {}

    def read(self, operation: list[Value]) -> Operation | Refusal:
        """Return the typed operation, or its refusal for a fault of form."""
        return read_operation(operation)

    def apply(
        self, now: int, device: bytes, position: int, entry_id: bytes, operation: object
    ) -> int:
        """Return the verdict's number; the tables have changed only when it is 0."""
        refusal = self._apply(now, device, position, entry_id, operation)
        if refusal is None:
            return APPLIED
        self._remember(entry_id, refusal)
        return refusal.verdict.value

    def fire(self, now: int, subject: bytes) -> None:
        """Carry out the default of a deadline that has come."""
        if self.market.seats.get(subject) is not None:
            advance(self.market, subject, "deadline", Cause(now))
        elif self.market.changes.get(subject) is not None:
            parameters.apply_change(self.market, subject)
        else:
            invitations.expire_invitation(self.market, subject)

    def close_epoch(self, now: int, epoch: int) -> dict[bytes, bytes]:  # noqa: ARG002 - the protocol's signature
        """Go on with acceptances that waited for a counted checkpoint, end devices and rules."""
        pending = [seat_id for seat_id, _ in get_rows(self.market.seats, "pending")]
        for seat_id in pending:
            advance(self.market, seat_id, "epoch", Cause(now))
        parameters.begin_rules(self.market)
        return devices.close_revoked(self.market)

    def explain(self, entry_id: bytes, verdict: int) -> str:
        """Return a sentence on what became of an entry, with the values if it was refused here."""
        refusal = self._refusals.get(entry_id)
        if refusal is None or refusal.verdict != verdict:
            refusal = Refusal(Verdict(verdict))
        return explain(refusal.verdict, refusal.values)

    def _apply(
        self, now: int, device: bytes, position: int, entry_id: bytes, operation: object
    ) -> Refusal | None:
        kind = type(operation)
        if kind is Refusal:
            return operation  # type: ignore[return-value]
        row = self.market.devices.get(device)
        if row is not None:
            if row.state != "ACTIVE":
                return Refusal(Verdict.DEVICE_REVOKED, (row.revoked_by,))
            account = row.account
        elif kind is AccountOpen or kind is DeviceJoin:
            account = device
        else:
            return Refusal(Verdict.ACCOUNT_UNKNOWN, (device,))
        if kind is not MarketSet:
            newer = parameters.check_rules(self.market)
            if newer is not None:
                return newer
        act = Act(now, account, device, position, entry_id)
        return RULES[kind](self.market, operation, act)  # type: ignore[index]

    def _remember(self, entry_id: bytes, refusal: Refusal) -> None:
        if len(self._refusals) >= _REMEMBERED and entry_id not in self._refusals:
            del self._refusals[next(iter(self._refusals))]
        self._refusals[entry_id] = refusal
