"""What is said of deliveries and what comes of it, a second time: signers, arbiters, deadlines."""

from dataclasses import dataclass
from typing import Any, Final

from tests.ledger.seats import WHOLE, Assignment, Dispute, Seat, Task, Work, get_holder
from tests.ledger.words import need


@dataclass(frozen=True)
class Case:
    """A delivery, with all that it belongs to."""

    task: Task
    seat: Seat
    holder: Assignment


class Judging:
    """Reviews and disputes over the work of all tasks."""

    def __init__(self, work: Work) -> None:
        self.work: Final = work

    def get_signers(self, task: Task, provider: bytes) -> list[bytes]:
        """Return whose word counts."""
        policy, signers, _, _ = task.terms["release"]
        judge = task.terms["evaluator"] or task.requester
        if policy == "quorum":
            return signers
        return [judge, provider] if policy == "both" else [judge]

    def approve(self, case: Case, who: bytes, *, approve: bool, scores: list[Any]) -> None:
        """One more word on a delivery, asked and noted; ``follow`` says what comes of it."""
        task, holder = case.task, case.holder
        asked = [slug for slug, _ in task.terms["metrics"]]
        need(all(slug in asked for slug, _ in scores), "METRIC_NOT_ASKED")
        need(who not in holder.marks, "ALREADY_SIGNED")
        holder.marks[who] = (approve, dict(scores))

    def follow(self, case: Case, now: int) -> None:
        """Pay when enough approved, hold when enough can no more."""
        _, _, needed, _ = case.task.terms["release"]
        approvals = sum(yes for yes, _ in case.holder.marks.values())
        rejections = len(case.holder.marks) - approvals
        signers = self.get_signers(case.task, case.holder.provider)
        if approvals >= needed:
            self._complete(case, now)
        elif len(signers) - rejections < needed:
            self._hold(case, 0, 0, now)

    def pass_deadline(self, task: Task, seat: Seat, now: int) -> None:
        """What silence means, state by state."""
        if seat.state == "TIMELOCKED":
            self.work.settle(task, seat, now)
        elif seat.state in ("DELIVERED", "HELD", "DISPUTED"):
            case = Case(task, seat, get_holder(seat))
            if seat.state == "DELIVERED":
                self._complete(case, now)
            elif seat.state == "HELD":
                self.agree(case, now)
            else:
                self._default(case, now)
        else:
            self.work.pass_waiting(task, seat, now)

    def agree(self, case: Case, now: int, **how: Any) -> None:  # noqa: ANN401 - of a settlement
        """What was proposed comes true."""
        share, missed = case.holder.proposed
        self.work.settle(case.task, case.seat, now, share=share, missed=missed, **how)

    def name(self, case: Case, side: str, share: int, now: int) -> None:
        """A party names a share; the same of both is it."""
        named = case.holder.named
        named[side] = share
        if len(named) == 2 and len(set(named.values())) == 1:
            self.work.settle(
                case.task,
                case.seat,
                now,
                share=share,
                is_named=True,
                is_disputed=case.seat.state == "DISPUTED",
                has_gains=share >= WHOLE // 2,
            )

    def dispute(self, case: Case, side: str, evidence: list[bytes], now: int) -> None:
        """A party wants others to decide; nobody does who is close to somebody concerned."""
        task, holder, scores = case.task, case.holder, self.work.scores
        _, signers, _, _ = task.terms["release"]
        judges = [task.terms["evaluator"]] if task.terms["evaluator"] else []
        concerned = {
            scores.get_group(account)
            for account in (task.requester, holder.provider, *signers, *judges)
        }
        panel = [each for each in task.arbiters if scores.get_group(each) not in concerned]
        deposit = self.get_deposit(case)
        holder.dispute = Dispute(side, deposit, panel, min(task.quorum, len(panel)))
        holder.dispute.evidence = {"requester": [], "provider": []} | {side: list(evidence)}
        case.seat.state = "DISPUTED"
        case.seat.deadline = now + self.work.terms.arbitration
        if side == "requester":
            self.work.money.lock(task.requester, case.seat.id, "deposit", deposit)
        if not panel:
            self._default(case, now)

    def get_deposit(self, case: Case) -> int:
        """Return what opening a dispute risks, rounded up."""
        worth = case.holder.ask * case.seat.units
        return max(1, -(-worth * self.work.terms.deposit_ppm // WHOLE))

    def rule(self, case: Case, arbiter: bytes, share: int, now: int) -> None:
        """One more ruling; enough of them decide."""
        dispute = get_dispute(case)
        need(arbiter not in dispute.rulings, "ALREADY_RULED")
        dispute.rulings[arbiter] = share
        if len(dispute.rulings) < dispute.needed:
            return
        ruled = _get_lower_median(list(dispute.rulings.values()))
        staked = 0
        if dispute.opener == "requester":
            self._pay_deposit(case, dispute.deposit * ruled // WHOLE)
        else:
            staked = dispute.deposit * (WHOLE - ruled) // WHOLE
        self.work.settle(
            case.task,
            case.seat,
            now,
            share=ruled,
            is_ruled=True,
            is_disputed=True,
            staked=staked,
        )

    def withdraw(self, case: Case, now: int) -> None:
        """Who opened it gives in."""
        dispute = get_dispute(case)
        if dispute.opener == "requester":
            self._pay_deposit(case, dispute.deposit)
            self.work.settle(case.task, case.seat, now, is_disputed=True)
        else:
            self.agree(case, now, is_disputed=True)

    def _default(self, case: Case, now: int) -> None:
        dispute, task, scores = get_dispute(case), case.task, self.work.scores
        _, signers, _, _ = task.terms["release"]
        judges = signers or ([task.terms["evaluator"]] if task.terms["evaluator"] else [])
        parties = [scores.get_group(each) for each in (task.requester, case.holder.provider)]
        is_fair = bool(judges) and not any(scores.get_group(each) in parties for each in judges)
        if dispute.opener == "provider" and is_fair:
            self.agree(case, now, is_disputed=True, has_gains=False)
            return
        if dispute.opener == "requester":
            self._pay_deposit(case, dispute.deposit)
        self.work.settle(task, case.seat, now, is_disputed=True, has_gains=False)

    def _pay_deposit(self, case: Case, amount: int) -> None:
        self.work.money.unlock(case.seat.id, "deposit", {case.holder.provider: amount})

    def _complete(self, case: Case, now: int) -> None:
        missed = self._count_missed(case)
        if missed and case.task.get("penalty") // 2:
            self._hold(case, WHOLE, missed, now)
            return
        locked_until = case.holder.delivered + case.task.terms["release"][3]
        if now < locked_until:
            case.seat.state, case.seat.deadline = "TIMELOCKED", locked_until
        else:
            self.work.settle(case.task, case.seat, now)

    def _hold(self, case: Case, share: int, missed: int, now: int) -> None:
        case.holder.proposed = (share, missed)
        case.seat.state, case.seat.deadline = "HELD", now + self.work.terms.contest

    def _count_missed(self, case: Case) -> int:
        evaluator = case.task.terms["evaluator"]
        counted = [
            scores
            for who, (_, scores) in case.holder.marks.items()
            if scores and who != case.holder.provider and evaluator in (None, who)
        ]
        if not counted:
            return 0
        return sum(
            _get_lower_median([scores.get(slug, -1) for scores in counted]) < least
            for slug, least in case.task.terms["metrics"]
        )


def get_dispute(case: Case) -> Dispute:
    """Return the dispute that there has to be."""
    need(case.holder.dispute is not None, "DISPUTE_UNKNOWN")
    assert case.holder.dispute is not None
    return case.holder.dispute


def _get_lower_median(values: list[int]) -> int:
    return sorted(values)[(len(values) - 1) // 2]
