"""Forks on record: who may report one, and what is no proof."""

import pytest

from synaptic_crdt.rules.operations import DeviceRevoke, ForkReport
from synaptic_crdt.rules.reputation import get_score
from synaptic_crdt.rules.rows import ForkRow
from synaptic_crdt.rules.verdicts import Verdict
from synaptic_crdt.state.codec import encode
from synaptic_crdt.state.statements import encode_statement
from tests.forking import sign_fork
from tests.rules.conftest import Ladder, Stage


def make_report(stage: Stage, name: str, position: int = 1, market: bytes | None = None) -> bytes:
    stage.key(name)
    return encode_statement(sign_fork(market or stage.market_id, stage.keys[name], position))


def test_report_ladder(stage: Stage) -> None:
    ladder = Ladder(stage, "fork.report")
    stage.join("ana")
    ladder.expect(Verdict.FORK_INVALID, "nobody", ForkReport(b"no proof"))
    ladder.expect(Verdict.ACCOUNT_UNKNOWN, "nobody", ForkReport(make_report(stage, "ghost")))
    ladder.expect(Verdict.DEVICE_UNKNOWN, "ana", ForkReport(make_report(stage, "ghost")))
    elsewhere = make_report(stage, "ana", market=bytes(32))
    ladder.expect(Verdict.FORK_FORGED, "founder", ForkReport(elsewhere))
    stage.did("founder", ForkReport(make_report(stage, "ana")))
    ladder.expect(Verdict.FORK_KNOWN, "ana", ForkReport(make_report(stage, "ana")))
    assert stage.explain() == "this device's fork was reported before: at position 1"
    ladder.reach_top("ana", ForkReport(make_report(stage, "ana", position=2)))


def test_a_fork_is_on_record_by_device_and_position(stage: Stage) -> None:
    device = stage.join("ana")
    stage.wait(5)
    stage.did("founder", ForkReport(make_report(stage, "ana", position=7)))
    row = stage.market.forks.get(device + (7).to_bytes(8, "big"))
    assert row == ForkRow(reported_ms=stage.now, reporter=stage.key("founder"))
    assert len(stage.market.forks) == 1


def test_whoever_forked_may_say_so_itself(stage: Stage) -> None:
    stage.join("ana")
    stage.did("ana", ForkReport(make_report(stage, "ana")))


def test_a_stolen_key_ruins_nobody_once_it_is_revoked(stage: Stage) -> None:
    ana = stage.join("ana")
    stage.add_device("ana", "laptop")
    stage.did("founder", ForkReport(make_report(stage, "laptop", position=2)))
    assert get_scores(stage, ana) == (-25, -25)
    stage.did("ana", DeviceRevoke(stage.key("laptop")))
    stage.did("founder", ForkReport(make_report(stage, "laptop", position=3)))
    stage.close_epoch()
    stage.did("founder", ForkReport(make_report(stage, "laptop", position=4)))
    assert get_scores(stage, ana) == (-25, -25)
    assert len(stage.market.forks) == 3


def get_scores(stage: Stage, account: bytes) -> tuple[int, int]:
    return (
        get_score(stage.market, account, "provider", stage.now),
        get_score(stage.market, account, "requester", stage.now),
    )


@pytest.mark.parametrize("proof", [b"", encode(5), encode([]), encode(["fork"])])
def test_what_is_no_proof_is_no_report(stage: Stage, proof: bytes) -> None:
    assert stage.send("founder", ForkReport(proof)) == Verdict.FORK_INVALID
