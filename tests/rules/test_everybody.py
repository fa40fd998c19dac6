"""Every operation by everybody in every phase of a seat: it applies where the table says, and only there.

``Stage.send`` checks after each that the invariants hold, and that a refusal changed nothing.
"""

from collections.abc import Callable
from typing import Final, get_args

import pytest
from msgspec.structs import replace

from synaptic_crdt.rules.limits import DAY_MS
from synaptic_crdt.rules.operations import Feedback, Operation
from synaptic_crdt.rules.rows import SeatState
from synaptic_crdt.rules.task_operations import (
    AssignmentExtend,
    AssignmentSettle,
    DisputeEvidence,
    DisputeOpen,
    DisputeRule,
    DisputeWithdraw,
    KeyShare,
    Release,
    SealedKey,
    Shard,
    TaskAccept,
    TaskApprove,
    TaskCancel,
    TaskDecline,
    TaskDeliver,
    TaskFail,
    TaskImprove,
    TaskProgress,
    TaskReveal,
    TaskStart,
)
from synaptic_crdt.rules.verdicts import Verdict, get_verdict_class
from tests.rules.conftest import PAYLOAD, RESULT, Stage, make_task

WHO: Final = ("founder", "ana", "bea", "kim", "watcher", "nobody")
REQUESTER, PROVIDER, OTHER, ARBITER = WHO[:4]
SEALED: Final = bytes(80)


class Scene:
    """A private task of one seat, taken as far as a state; with the names of all there is."""

    def __init__(self, state: SeatState) -> None:
        self.stage = Stage()
        for name in WHO[1:4]:
            self.stage.join(name, grant=100)
        self.stage.join("watcher", role="auditor", opt_in=False)
        self.task = bytes(32)
        self.assignment = bytes(32)
        self.delivery = bytes(32)
        self._play(state)
        assert self.stage.market.seats.get(self.task + b"\0").state == state  # type: ignore[union-attr]

    def _play(self, state: SeatState) -> None:
        stage = self.stage
        needs = 2 if state == "RESERVED" else 1
        post = make_task(
            units=(1,) * needs,
            bond=10,
            providers_min=needs,
            privacy="private",
            seats=(Shard(1, PAYLOAD, b"c" * 32, ()),) * needs,
            arbiters=(stage.key(ARBITER),),
            quorum=1,
            release=Release("requester", (), 1, DAY_MS if state == "TIMELOCKED" else 0),
        )
        self.task = stage.did(REQUESTER, post)
        if state == "CLOSED":
            stage.did(REQUESTER, TaskCancel(self.task))
        if state in ("OPEN", "CLOSED"):
            return
        self.assignment = stage.did(PROVIDER, TaskAccept(self.task, 100, ()))
        if state in ("RESERVED", "PENDING"):
            return
        stage.close_epoch()
        steps: tuple[tuple[SeatState, Callable[[], object]], ...] = (
            ("KEYWAIT", self._reveal),
            ("ASSIGNED", lambda: stage.did(PROVIDER, TaskStart(self.assignment))),
            ("STARTED", self._deliver),
        )
        for before, step in steps:
            if state == before:
                return
            step()
        if state in ("SETTLED", "TIMELOCKED"):
            stage.did(REQUESTER, TaskApprove(self.delivery, approve=True, scores=()))
        elif state == "HELD":
            stage.did(REQUESTER, TaskApprove(self.delivery, approve=False, scores=()))
        elif state == "DISPUTED":
            stage.did(REQUESTER, DisputeOpen(self.delivery, "garbage", "", ()))

    def _reveal(self) -> None:
        key = SealedKey(self.stage.key(PROVIDER), SEALED)
        self.stage.did(REQUESTER, TaskReveal(self.assignment, (key,)))

    def _deliver(self) -> None:
        key = SealedKey(self.stage.key(REQUESTER), SEALED)
        deliver = TaskDeliver(self.assignment, RESULT, b"c" * 32, (key,))
        self.delivery = self.stage.did(PROVIDER, deliver)

    def make_all(self) -> dict[str, Operation]:
        """Every operation that concerns a seat, with everything right but perhaps phase and party."""
        key = SealedKey(self.stage.key(PROVIDER), SEALED)
        mine = SealedKey(self.stage.key(REQUESTER), SEALED)
        return {
            "cancel": TaskCancel(self.task),
            "improve": TaskImprove(
                self.task, 100, 100, 101, 10, 900_000, -1_000, 60_000, 3_600_000, 0
            ),
            "accept": TaskAccept(self.task, 100, ()),
            "decline": TaskDecline(self.assignment, "no"),
            "reveal": TaskReveal(self.assignment, (key,)),
            "share": KeyShare(self.assignment, "payload", (key,)),
            "start": TaskStart(self.assignment),
            "progress": TaskProgress(self.assignment, 5),
            "deliver": TaskDeliver(self.assignment, RESULT, b"c" * 32, (mine,)),
            "fail": TaskFail(self.assignment, "no"),
            "approve": TaskApprove(self.delivery, approve=True, scores=()),
            "reject": TaskApprove(self.delivery, approve=False, scores=()),
            "extend": AssignmentExtend(self.assignment, 60_000),
            "settle": AssignmentSettle(self.assignment, 5),
            "dispute": DisputeOpen(self.delivery, "other", "", ()),
            "evidence": DisputeEvidence(self.delivery, (b"e" * 32,)),
            "rule": DisputeRule(self.delivery, 5),
            "withdraw": DisputeWithdraw(self.delivery),
            "rate": Feedback(self.assignment, 3, ""),
        }


LIVE: Final = (
    "RESERVED",
    "PENDING",
    "KEYWAIT",
    "ASSIGNED",
    "STARTED",
    "DELIVERED",
    "HELD",
    "DISPUTED",
    "TIMELOCKED",
)
# The design's table: who may do what while a seat is in a state; nothing else ever applies.
MAY: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("cancel", REQUESTER): ("OPEN", "RESERVED"),
    ("improve", REQUESTER): ("OPEN", *LIVE),
    ("accept", PROVIDER): ("OPEN",),
    ("accept", OTHER): ("OPEN", "RESERVED"),
    ("decline", PROVIDER): ("RESERVED", "PENDING", "KEYWAIT", "ASSIGNED"),
    ("reveal", REQUESTER): ("KEYWAIT",),
    ("share", REQUESTER): (*LIVE, "SETTLED"),
    ("share", PROVIDER): (*LIVE, "SETTLED"),
    ("start", PROVIDER): ("ASSIGNED",),
    ("progress", PROVIDER): ("STARTED",),
    ("deliver", PROVIDER): ("STARTED",),
    ("fail", PROVIDER): ("STARTED",),
    ("approve", REQUESTER): ("DELIVERED",),
    ("approve", PROVIDER): ("HELD",),
    ("reject", REQUESTER): ("DELIVERED",),
    ("extend", REQUESTER): ("ASSIGNED", "STARTED"),
    ("settle", REQUESTER): ("ASSIGNED", "STARTED", "DELIVERED", "HELD", "DISPUTED"),
    ("settle", PROVIDER): ("ASSIGNED", "STARTED", "DELIVERED", "HELD", "DISPUTED"),
    ("dispute", REQUESTER): ("DELIVERED",),
    ("dispute", PROVIDER): ("HELD",),
    ("evidence", REQUESTER): ("DISPUTED",),
    ("evidence", PROVIDER): ("DISPUTED",),
    ("rule", ARBITER): ("DISPUTED",),
    ("withdraw", REQUESTER): ("DISPUTED",),
    ("rate", REQUESTER): ("SETTLED",),
    ("rate", PROVIDER): ("SETTLED",),
}
ONCE: Final = (
    *("cancel", "improve", "decline", "reveal", "start", "deliver", "fail", "approve", "reject"),
    *("dispute", "rule", "withdraw", "rate"),
)


@pytest.mark.parametrize("state", get_args(SeatState))
def test_everybody_does_everything_in_every_phase(state: SeatState) -> None:
    scene = Scene(state)
    for name in scene.make_all():
        for who in WHO:
            verdict = scene.stage.send(who, scene.make_all()[name])
            told = (state, name, who, verdict.name)
            assert (verdict == Verdict.APPLIED) == (state in MAY.get((name, who), ())), told
            if who == "nobody":
                assert verdict == Verdict.ACCOUNT_UNKNOWN, told
            if verdict != Verdict.APPLIED:
                # A refusal has changed nothing: the scene is as it was.
                continue
            if name in ONCE:
                again = scene.stage.send(who, scene.make_all()[name])
                assert get_verdict_class(again) in ("existence", "authority", "phase"), told
            end_in_silence(scene)
            scene = Scene(state)
    end_in_silence(scene)


def end_in_silence(scene: Scene) -> None:
    """Whatever was done, deadlines alone end with nothing locked."""
    stage = scene.stage
    while (due := stage.timers.next_due()) is not None:
        stage.wait(due[0] - stage.now)
    assert stage.market.get_money().held == 0


@pytest.mark.parametrize("state", get_args(SeatState))
def test_ids_of_other_things_are_unknown(state: SeatState) -> None:
    """Every id that there is, in every place where another kind of id belongs."""
    scene = Scene(state)
    device = scene.stage.key(PROVIDER)
    ids = {scene.task, scene.assignment, scene.delivery, device, scene.task + b"\0", bytes(32)}
    right = {"task": scene.task, "assignment": scene.assignment, "delivery": scene.delivery}
    for name, operation in scene.make_all().items():
        field = next(field for field in right if hasattr(operation, field))
        for foreign in ids - {right[field]}:
            for who in WHO[:4]:
                verdict = scene.stage.send(who, replace(operation, **{field: foreign}))
                expected = "MALFORMED" if len(foreign) > 32 else f"{field.upper()}_UNKNOWN"
                assert verdict.name == expected, (state, name, who, field)
