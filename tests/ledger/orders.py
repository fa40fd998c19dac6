"""Operations on tasks, a second time: who may say what when, asked in the published order."""

from collections.abc import Callable
from typing import Any, Final

from tests.ledger.devices import Devices, Said
from tests.ledger.judging import Case, Judging, get_dispute
from tests.ledger.members import Members
from tests.ledger.money import Money
from tests.ledger.parameters import Parameters
from tests.ledger.seats import Assignment, Seat, Task, Work, get_holder
from tests.ledger.words import DAY, MONTH, UNITS_MAX, No, need

# What an improvement gives, in the order of its fields; the last three of it may only fall.
_GROWING: Final = ("low", "price", "most", "window", "response", "execution")
_FALLING: Final = ("bond", "reputation", "penalty")


class Orders:
    """The rules of tasks, over everything that the rest of the ledger keeps."""

    def __init__(
        self,
        work: Work,
        money: Money,
        devices: Devices,
        members: Members,
        parameters: Parameters,
        roles: dict[bytes, str],
    ) -> None:
        self.work: Final = work
        self.judging: Final = Judging(work)
        self.scores: Final = work.scores
        self.money: Final = money
        self.devices: Final = devices
        self.members: Final = members
        self.parameters: Final = parameters
        self.roles: Final = roles
        self.now = 0
        # Who looks for offers when a task has open seats.
        self.look: Callable[[bytes], None] = lambda _: None
        self.rules: Final[dict[str, Callable[[list[Any], Said], None]]] = {
            "task.post": self._post,
            "task.improve": self._improve,
            "task.cancel": self._cancel,
            "task.accept": self._accept,
            "task.decline": self._decline,
            "task.reveal": self._reveal,
            "key.share": self._share,
            "task.start": self._start,
            "task.progress": self._progress,
            "task.deliver": self._deliver,
            "task.fail": self._fail,
            "task.approve": self._approve,
            "assignment.extend": self._extend,
            "assignment.settle": self._name,
            "dispute.open": self._dispute,
            "dispute.evidence": self._argue,
            "dispute.rule": self._rule,
            "dispute.withdraw": self._withdraw,
            "feedback": self._rate,
        }

    def look_again(self, seat: Seat) -> None:
        """A seat may have come back."""
        if seat.state == "OPEN":
            self.look(seat.id[:-1])

    def _check_member(self, said: Said) -> None:
        need(self.roles[said.account] != "auditor", "AUDITOR_MAY_NOT")

    def _post(self, fields: list[Any], said: Said) -> None:
        kind, copies, shards, verifier, most = (fields[place] for place in (0, 5, 6, 8, 13))
        signers, evaluator, arbiters = fields[24][1], fields[25], fields[28]
        worth = most * copies * sum(units for units, *_ in shards)
        figures = self.parameters.figures
        need(worth <= self.parameters.supply, "LOCK_OVER_SUPPLY")
        need(kind in [slug for slug, _ in figures["kinds"]], "KIND_UNKNOWN")
        need(all(each in self.roles for each in signers), "SIGNER_UNKNOWN")
        need(evaluator is None or evaluator in self.roles, "EVALUATOR_UNKNOWN")
        need(all(each in self.roles for each in arbiters), "ARBITER_UNKNOWN")
        need(verifier is None or verifier in figures["verifiers"], "VERIFIER_UNKNOWN")
        owners = self.devices.accounts
        handed = [device for *_, keys in shards for device, _ in keys]
        need(all(device in owners for device in handed), "KEY_DEVICE_UNKNOWN")
        self._check_member(said)
        need(all(owners[device] in fields[20] for device in handed), "KEY_NOT_LISTED")
        need(worth <= self.money.free[said.account], "BALANCE_TOO_LOW")
        accounts, quorum = figures["arbiters"]
        self.work.post(
            said.id, said.account, fields, self.now, figures["fee_ppm"], (accounts, quorum)
        )
        self.look(said.id)

    def _improve(self, fields: list[Any], said: Said) -> None:
        task = self._get_task(fields[0])
        need(task.requester == said.account, "NOT_THE_REQUESTER")
        names: tuple[str, ...] = (
            *_GROWING[:3],
            "bond",
            "window",
            "reputation",
            *_GROWING[4:],
            "penalty",
        )
        better: dict[str, int] = dict(zip(names, fields[1:], strict=True))
        living = [seat for seat in task.seats if seat.state not in ("SETTLED", "CLOSED")]
        need(bool(living), "NOT_IMPROVED")
        need(all(better[name] >= task.get(name) for name in _GROWING), "NOT_IMPROVED")
        need(all(better[name] <= task.get(name) for name in _FALLING), "NOT_IMPROVED")
        need(any(better[name] != task.get(name) for name in names), "NOT_IMPROVED")
        if task.terms["auction"] == "dutch":
            risen = (better["most"] - better["price"]) * task.get("window") // better["window"]
            need(better["price"] + risen >= task.get("most"), "NOT_IMPROVED")
        working = [seat.holder for seat in living if seat.state in ("ASSIGNED", "STARTED")]
        for holder in working:
            assert holder is not None
            need(better["execution"] + holder.extended <= MONTH, "EXTENSION_TOO_LONG")
        worth = (better["most"] - task.get("most")) * sum(seat.units for seat in living)
        need(worth <= self.money.free[said.account], "BALANCE_TOO_LOW")
        self.work.improve(task, better)
        self.look(fields[0])

    def _cancel(self, fields: list[Any], said: Said) -> None:
        task = self._get_task(fields[0])
        need(task.requester == said.account, "NOT_THE_REQUESTER")
        closable = [seat for seat in task.seats if seat.state in ("OPEN", "RESERVED")]
        need(bool(closable), "NOTHING_TO_CANCEL")
        self.work.cancel(task)

    def _accept(self, fields: list[Any], said: Said) -> None:
        name, ask, capabilities = fields
        task = self._get_task(name)
        seat = self.find_seat(task, said.account, ask, capabilities)
        self.assign(task, seat, said.id, said.account, ask)

    def find_seat(
        self, task: Task, who: bytes, ask: int, capabilities: list[str], units_max: int = UNITS_MAX
    ) -> Seat:
        """Return the seat that somebody may have for its ask; nothing larger than it can take."""
        free = [seat for seat in task.seats if seat.state == "OPEN"]
        need(bool(free), "NO_FREE_SEAT")
        need(who != task.requester, "PROVIDER_IS_REQUESTER")
        judges = [*task.terms["release"][1], task.terms["evaluator"], *task.arbiters]
        need(who not in judges, "JUDGES_THE_TASK")
        self.check_consent(who)
        need(not task.terms["only"] or who in task.terms["only"], "NOT_ON_THE_LIST")
        need(who not in task.terms["exclude"], "EXCLUDED_BY_REQUESTER")
        free = [s for s in free if who not in s.excluded and s.units <= units_max]
        need(bool(free), "EXCLUDED")
        if task.terms["mode"] == "replicate":
            takers = [self.scores.get_group(seat.taker) for seat in task.seats if seat.taker]
            need(self.scores.get_group(who) not in takers, "GROUP_HAS_A_COPY")
        reserved = [seat.taker for seat in task.seats if seat.state == "RESERVED"]
        need(who not in reserved, "ALREADY_RESERVED")
        need(set(task.terms["capabilities"]) <= set(capabilities), "CAPABILITY_MISSING")
        self._check_merit(task, free[0], ask, who)
        return free[0]

    def check_consent(self, who: bytes) -> None:
        """May somebody work for others, and did it opt in to the terms in force?"""
        need(self.roles[who] != "auditor", "AUDITOR_MAY_NOT")
        terms = self.members.get_terms(who)
        need(terms is not None, "NOT_OPTED_IN")
        need(terms == self.parameters.figures["terms"], "TERMS_OLD")

    def assign(self, task: Task, seat: Seat, name: bytes, who: bytes, ask: int) -> None:
        """Give a seat away."""
        self.members.taken[who, self.now // DAY] += 1
        devices = [device for device, owner in self.devices.accounts.items() if owner == who]
        devices = [device for device in devices if device not in self.devices.revoked]
        self.work.accept(task, seat, Assignment(name, seat, who, ask, devices=devices), self.now)

    def _check_merit(self, task: Task, seat: Seat, ask: int, who: bytes) -> None:
        """Is somebody good enough, free enough, willing, in turn, cheap and rich enough?"""
        score = self.scores.get_score(who, "provider", self.now)
        need(score >= task.get("reputation"), "REPUTATION_TOO_LOW")
        need(self.may_see(task, who, self.now), "NOT_ATTESTED")
        owed = self.work.count_owed(who)
        self.members.check_caps(who, task.terms["kind"], seat.units, owed, self.now)
        need(owed < 10 + max(0, score) // 25, "TOO_MANY_ASSIGNMENTS")
        asker = self.scores.get_score(task.requester, "requester", self.now)
        self.members.check_requester(who, task.requester, asker)
        need(self.now >= task.opens or score >= 100, "NOT_OPEN_YET")
        need(ask <= self._get_limit(task, seat, who, score), "ASK_ABOVE_LIMIT")
        need(task.get("bond") <= self.money.free[who], "BOND_SHORT")

    def may_see(self, task: Task, who: bytes, now: int) -> bool:
        """Does a verifier vouch for somebody, where one has to?"""
        verifier = task.terms["verifier"]
        is_verifier = verifier in self.parameters.figures["verifiers"]
        is_sure = is_verifier and self.members.is_attested(who, verifier, now)
        return is_sure or task.terms["privacy"] != "confidential"

    def _get_limit(self, task: Task, seat: Seat, who: bytes, score: int) -> int:
        low, price, most = task.get("low"), task.get("price"), task.get("most")
        if task.terms["auction"] == "dutch":
            return price + (most - price) * (self.now - seat.opened) // task.get("window")
        good, bad = self.scores.count_ends().get((who, task.terms["kind"]), (0, 0))
        weight = sorted((50, score, 200))[1]
        worth = price * weight * (good + 5) // (100 * (good + bad + 5))
        return sorted((low, worth, most))[1]

    # -- work ----------------------------------------------------------------------------------

    def _decline(self, fields: list[Any], said: Said) -> None:
        case = self._get_own(fields[0], said)
        self.work.decline(case.task, case.seat, self.now)
        self.look_again(case.seat)

    def _reveal(self, fields: list[Any], said: Said) -> None:
        name, keys = fields
        case = self._get_own(name, said, by="requester")
        need(case.seat.state == "KEYWAIT", "WRONG_PHASE")
        need(all(device in case.holder.devices for device, _ in keys), "KEY_FOR_OTHERS")
        self.work.arm(case.task, case.seat, self.now)

    def _share(self, fields: list[Any], said: Said) -> None:
        name, content, keys = fields
        task, _, holder = self._find_assignment(name)
        known = [device in self.devices.accounts for device, _ in keys]
        need(all(known), "KEY_DEVICE_UNKNOWN")
        need(_get_side(task, holder, said) != "", "NOT_A_PARTY")
        has_key = holder.is_sealed if content == "result" else task.terms["privacy"] != "public"
        need(has_key, "NO_KEY")
        need(len(holder.shared) < 32, "TOO_MANY_KEY_SHARES")
        holder.shared.append((said.account, content))

    def _start(self, fields: list[Any], said: Said) -> None:
        case = self._get_own(fields[0], said)
        self.work.start(case.task, case.seat, self.now)

    def _progress(self, fields: list[Any], said: Said) -> None:
        case = self._get_own(fields[0], said)
        need(case.seat.state == "STARTED", "WRONG_PHASE")
        need(case.holder.progress < 100, "TOO_MUCH_PROGRESS")
        case.holder.progress += 1

    def _deliver(self, fields: list[Any], said: Said) -> None:
        name, _, commitment, _ = fields
        case = self._get_own(name, said)
        need(case.seat.state == "STARTED", "WRONG_PHASE")
        is_open = case.task.terms["privacy"] == "public" and case.task.terms["mode"] == "split"
        need(is_open or commitment is not None, "RESULT_NOT_SEALED")
        need(not is_open or commitment is None, "RESULT_SEALED")
        case.holder.is_sealed = commitment is not None
        self.work.deliver(case.task, case.seat, said.id, self.now)

    def _fail(self, fields: list[Any], said: Said) -> None:
        case = self._get_own(fields[0], said)
        self.work.fail(case.task, case.seat, self.now)
        self.look_again(case.seat)

    def _extend(self, fields: list[Any], said: Said) -> None:
        name, extension = fields
        case = self._get_own(name, said, by="requester")
        need(case.seat.state in ("ASSIGNED", "STARTED"), "WRONG_PHASE")
        whole = case.task.get("execution") + case.holder.extended + extension
        need(whole <= MONTH, "EXTENSION_TOO_LONG")
        case.holder.extended += extension
        self.work.move_limit(case.task, case.seat)

    # -- judging -------------------------------------------------------------------------------

    def _approve(self, fields: list[Any], said: Said) -> None:
        delivery, approve, scores = fields
        task, seat, holder = self._find_delivery(delivery)
        is_provider, who = said.account == holder.provider, said.account
        agrees = is_provider and approve and seat.state == "HELD"
        signers = self.judging.get_signers(task, holder.provider)
        need(agrees or who in signers, "NOT_A_SIGNER")
        need(holder.end == "", "ASSIGNMENT_CLOSED")
        need(agrees or seat.state == "DELIVERED", "WRONG_PHASE")
        case = Case(task, seat, holder)
        if agrees:
            asked = [slug for slug, _ in task.terms["metrics"]]
            need(all(slug in asked for slug, _ in scores), "METRIC_NOT_ASKED")
            self.judging.agree(case, self.now)
        else:
            self.judging.approve(case, who, approve=approve, scores=scores)
            self.judging.follow(case, self.now)

    def _name(self, fields: list[Any], said: Said) -> None:
        name, share = fields
        task, seat, holder = self._find_assignment(name)
        side = _get_side(task, holder, said)
        need(side != "", "NOT_A_PARTY")
        need(holder.end == "", "ASSIGNMENT_CLOSED")
        open_states = ("ASSIGNED", "STARTED", "DELIVERED", "HELD", "DISPUTED")
        need(seat.state in open_states, "WRONG_PHASE")
        self.judging.name(Case(task, seat, holder), side, share, self.now)

    def _dispute(self, fields: list[Any], said: Said) -> None:
        delivery, _, _, evidence = fields
        task, seat, holder = self._find_delivery(delivery)
        side = _get_side(task, holder, said)
        need(side != "", "NOT_A_PARTY")
        need(holder.end == "", "ASSIGNMENT_CLOSED")
        turn = {"requester": "DELIVERED", "provider": "HELD"}[side]
        need(seat.state == turn, "WRONG_PHASE")
        case = Case(task, seat, holder)
        if side == "requester":
            deposit = self.judging.get_deposit(case)
            need(deposit <= self.money.free[said.account], "DEPOSIT_SHORT")
        self.judging.dispute(case, side, evidence, self.now)

    def _argue(self, fields: list[Any], said: Said) -> None:
        delivery, evidence = fields
        case = Case(*self._find_delivery(delivery))
        dispute, side = get_dispute(case), _get_side(case.task, case.holder, said)
        need(side != "", "NOT_A_PARTY")
        need(case.holder.end == "", "ASSIGNMENT_CLOSED")
        known = dispute.evidence[side]
        known = known + [each for each in evidence if each not in known]
        need(len(known) <= 8, "TOO_MUCH_EVIDENCE")
        dispute.evidence[side] = known

    def _rule(self, fields: list[Any], said: Said) -> None:
        delivery, share = fields
        case = Case(*self._find_delivery(delivery))
        need(said.account in get_dispute(case).arbiters, "NOT_AN_ARBITER")
        need(case.holder.end == "", "ASSIGNMENT_CLOSED")
        self.judging.rule(case, said.account, share, self.now)

    def _withdraw(self, fields: list[Any], said: Said) -> None:
        case = Case(*self._find_delivery(fields[0]))
        side = _get_side(case.task, case.holder, said)
        need(side == get_dispute(case).opener, "NOT_THE_OPENER")
        need(case.holder.end == "", "ASSIGNMENT_CLOSED")
        self.judging.withdraw(case, self.now)

    def _rate(self, fields: list[Any], said: Said) -> None:
        name, rating, _ = fields
        task, _, assignment = self._find_assignment(name)
        side = _get_side(task, assignment, said)
        need(side != "", "NOT_A_PARTY")
        need(assignment.end == "SETTLED", "NOT_SETTLED")
        rated = "provider" if side == "requester" else "requester"
        need((name, rated) not in self.scores.ratings, "FEEDBACK_GIVEN")
        need(self.now - assignment.ended < MONTH, "FEEDBACK_TOO_LATE")
        worth = assignment.ask * assignment.units
        parties = (assignment.provider, task.requester)
        self.scores.rate(name, parties, (rated, rating, worth), self.now)

    # -- looking up ----------------------------------------------------------------------------

    def _get_task(self, name: bytes) -> Task:
        need(name in self.work.tasks, "TASK_UNKNOWN")
        return self.work.tasks[name]

    def _get_own(self, name: bytes, said: Said, by: str = "provider") -> Case:
        """Find a living assignment that is the writer's to act on."""
        task, seat, holder = self._find_assignment(name)
        if by == "provider":
            need(holder.provider == said.account, "NOT_THE_PROVIDER")
        else:
            need(task.requester == said.account, "NOT_THE_REQUESTER")
        need(holder.end == "", "ASSIGNMENT_CLOSED")
        assert get_holder(seat) is holder
        return Case(task, seat, holder)

    def _find_assignment(self, name: bytes) -> tuple[Task, Seat, Assignment]:
        return self._find(lambda each: each.id == name, "ASSIGNMENT_UNKNOWN")

    def _find_delivery(self, name: bytes) -> tuple[Task, Seat, Assignment]:
        return self._find(lambda each: each.delivery == name, "DELIVERY_UNKNOWN")

    def _find(
        self, is_sought: Callable[[Assignment], bool], reason: str
    ) -> tuple[Task, Seat, Assignment]:
        for task in self.work.tasks.values():
            for assignment in task.assignments:
                if is_sought(assignment):
                    return task, assignment.seat, assignment
        raise No(reason)


def _get_side(task: Task, assignment: Assignment, said: Said) -> str:
    if said.account == task.requester:
        return "requester"
    return "provider" if said.account == assignment.provider else ""
