"""Attestations: whose word counts, of whom, and how long."""

from synaptic_crdt.rules.account_operations import Attest, AttestRevoke
from synaptic_crdt.rules.attestations import is_attested
from synaptic_crdt.rules.limits import DAY_MS, HOUR_MS
from synaptic_crdt.rules.verdicts import Verdict
from synaptic_crdt.rules.views import view_attestations
from tests.rules.conftest import Ladder, Stage, make_change, make_key

VERA = make_key("vera").public


def make_stage() -> Stage:
    """Vera vouches for others, Ana is one of them."""
    stage = Stage(verifiers=[VERA])
    stage.join("vera")
    stage.join("ana")
    return stage


def make_attest(stage: Stage, name: str = "ana", lasting_ms: int = HOUR_MS) -> Attest:
    return Attest(stage.key(name), "confidential", stage.now + lasting_ms, "word")


def counts(stage: Stage, claim: str = "confidential", verifier: bytes = VERA) -> bool:
    return is_attested(stage.market, stage.key("ana"), claim, verifier, stage.now)


def test_attest_ladder() -> None:
    stage = make_stage()
    ladder = Ladder(stage, "attest")
    ana, nobody, now = stage.key("ana"), stage.key("nobody"), stage.now
    for claim in ("", "Upper", "c" * 49):
        ladder.expect(Verdict.CLAIM_INVALID, "nobody", Attest(nobody, claim, now, "word"))
    ladder.expect(Verdict.ACCOUNT_UNKNOWN, "nobody", Attest(nobody, "c" * 48, now, "word"))
    ladder.expect(Verdict.ATTESTED_UNKNOWN, "ana", Attest(nobody, "c", now, "word"))
    ladder.expect(Verdict.NOT_A_VERIFIER, "ana", Attest(ana, "c", now, "word"))
    ladder.expect(Verdict.ATTESTS_ITSELF, "vera", Attest(VERA, "c", now, "word"))
    ladder.expect(Verdict.ATTESTATION_TOO_SHORT, "vera", Attest(ana, "c", now, "word"))
    late = now + 366 * DAY_MS + 1
    ladder.expect(Verdict.ATTESTATION_TOO_LONG, "vera", Attest(ana, "c", late, "word"))
    ladder.reach_top("vera", Attest(ana, "c", late - 1, "word"))
    assert counts(stage, "c")
    assert not counts(stage, "b")
    assert not counts(stage, "c", stage.key("founder"))


def test_revoke_ladder() -> None:
    stage = make_stage()
    ladder = Ladder(stage, "attest.revoke")
    ladder.expect(Verdict.ACCOUNT_UNKNOWN, "nobody", AttestRevoke(bytes(32)))
    ladder.expect(Verdict.ATTESTATION_UNKNOWN, "ana", AttestRevoke(bytes(32)))
    word = stage.did("vera", make_attest(stage))
    ladder.expect(Verdict.NOT_THE_ATTESTER, "ana", AttestRevoke(word))
    stage.did("vera", AttestRevoke(word))
    ladder.expect(Verdict.ATTESTATION_ENDED, "vera", AttestRevoke(word))
    assert stage.explain().endswith("it is REVOKED")
    again = stage.did("vera", make_attest(stage))
    ladder.reach_top("vera", AttestRevoke(again))
    assert not counts(stage)


def test_a_new_word_takes_the_place_of_the_old_one() -> None:
    stage = make_stage()
    first = stage.did("vera", make_attest(stage))
    second = stage.did("vera", make_attest(stage, lasting_ms=2 * HOUR_MS))
    assert stage.send("vera", AttestRevoke(first)) == Verdict.ATTESTATION_ENDED
    views = view_attestations(stage.market, stage.key("ana"), stage.now)
    told = [(view["attestation"], view["state"], view["counts"]) for view in views]
    assert told == [(first.hex(), "RENEWED", False), (second.hex(), "STANDING", True)]


def test_a_word_counts_until_it_expires_to_the_millisecond() -> None:
    stage = make_stage()
    stage.did("vera", make_attest(stage))
    stage.wait(HOUR_MS - 1)
    assert counts(stage)
    stage.wait(1)
    assert not counts(stage)


def test_the_word_of_a_verifier_no_more_counts_no_more_and_can_be_taken_back() -> None:
    stage = make_stage()
    word = stage.did("vera", make_attest(stage, lasting_ms=9 * DAY_MS))
    stage.did("founder", make_change(verifiers=(stage.key("founder"),)))
    assert counts(stage)
    stage.wait(DAY_MS)
    assert not counts(stage)
    assert stage.send("vera", make_attest(stage)) == Verdict.NOT_A_VERIFIER
    stage.did("vera", AttestRevoke(word))
