"""Known behaviours of integrity, consent and time, each under its number."""

import pytest
from msgspec.structs import replace

from synaptic_crdt.errors import Forged, MalformedInput
from synaptic_crdt.node.node import Market
from synaptic_crdt.rules.account_operations import Attest
from synaptic_crdt.rules.consents import make_consent
from synaptic_crdt.rules.council_operations import TokenMint
from synaptic_crdt.rules.task_operations import DisputeOpen, DisputeRule
from synaptic_crdt.rules.verdicts import Verdict
from synaptic_crdt.state.clock import pack_timestamp
from synaptic_crdt.state.feeds import Piece, encode_body, seal_bodies
from synaptic_crdt.sync.gate import KeepNothing
from synaptic_crdt.sync.inspection import Admission
from tests.simulation.agreement import find_differences
from tests.simulation.scenario import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    SECOND_MS,
    Peer,
    Scenario,
    get_verdicts,
    make_post,
)


@pytest.fixture
def scenario() -> Scenario:
    return Scenario(fund=10_000)


def is_admitted(peer: Peer, piece: Piece) -> bool:
    """Offer a piece as a stranger would; a lie is an exception."""
    before = (peer.replica.entries, peer.replica.root)
    try:
        admitted = peer.gate.admit_piece(piece) is Admission.ACCEPT
    except (Forged, MalformedInput):
        admitted = False
    assert admitted or (peer.replica.entries, peer.replica.root) == before
    return admitted


def change(
    piece: Piece,
    *,
    device: bytes | None = None,
    first: int | None = None,
    predecessor: bytes | None = None,
    bodies: tuple[bytes, ...] | None = None,
    signature: bytes | None = None,
) -> Piece:
    return Piece(
        device=piece.device if device is None else device,
        first=piece.first if first is None else first,
        predecessor=piece.predecessor if predecessor is None else predecessor,
        bodies=piece.bodies if bodies is None else bodies,
        signature=piece.signature if signature is None else signature,
    )


def flip(data: bytes, index: int) -> bytes:
    return data[:index] + bytes((data[index] ^ 1,)) + data[index + 1 :]


def test_s1_an_entry_with_any_byte_changed_is_never_admitted(scenario: Scenario) -> None:
    requester, reader = scenario.add(1_000), scenario.add()
    scenario.sync()
    requester.post(price=100, bond=7, penalty=5, title="title", data=b"?")
    piece = requester.written[-1]
    (body,) = piece.bodies
    for index in range(len(body)):
        assert not is_admitted(reader, change(piece, bodies=(flip(body, index),)))
    for index in range(64):
        assert not is_admitted(reader, change(piece, signature=flip(piece.signature, index)))
    for index in range(32):
        forged = change(piece, predecessor=flip(piece.predecessor, index))
        assert not is_admitted(reader, forged)
    assert is_admitted(reader, piece)


def test_s1_an_entry_signed_or_moved_by_another_is_never_admitted(scenario: Scenario) -> None:
    requester, reader, other = scenario.add(1_000), scenario.add(), scenario.add()
    scenario.sync()
    requester.post()
    piece = requester.written[-1]
    tip = reader.replica.get_feed(requester.id).tip
    by_other = seal_bodies(scenario.founder.market.id, other.key, tip, piece.bodies)[0]
    assert not is_admitted(reader, change(piece, signature=by_other.signature))
    assert not is_admitted(reader, change(piece, device=other.id))
    moved = change(piece, device=other.id, first=reader.replica.get_feed(other.id).position + 1)
    assert not is_admitted(reader, moved)
    assert not is_admitted(reader, change(piece, first=piece.first + 1))
    assert not is_admitted(reader, change(piece, first=piece.first - 1))


def test_s1_an_entry_of_another_market_is_never_admitted(scenario: Scenario) -> None:
    elsewhere = Scenario(fund=10_000, name="another market")
    for piece in elsewhere.founder.written:
        assert not is_admitted(scenario.founder, piece)
    fresh = Market(scenario.genesis_bytes)
    with pytest.raises(Forged):
        fresh.make_gate(KeepNothing()).admit_piece(elsewhere.founder.written[0])


@pytest.mark.parametrize(
    "text",
    [
        "'; DROP TABLE tasks; --",
        "<script>alert(1)</script>",
        "\x00\x1b[2J\x07",
        "\u202egnp.exe",
        "😀" * 50,
    ],
)
def test_s2_strange_text_is_kept_in_titles_and_refused_in_kinds(
    scenario: Scenario, text: str
) -> None:
    requester = scenario.add(1_000)
    posted = requester.post(title=text)
    assert posted.verdict == Verdict.APPLIED
    assert requester.post(kind=text).verdict == Verdict.KIND_INVALID
    scenario.settle()
    scenario.check_converged()
    row = scenario.founder.market.contract.market.tasks.get(posted.entry.id)
    assert row is not None
    assert row.title == text


def test_s2_endless_text_is_refused_by_a_stated_limit(scenario: Scenario) -> None:
    requester = scenario.add(1_000)
    assert requester.post(title="t" * 201).verdict == Verdict.TITLE_LENGTH
    assert requester.post(title="t" * 60_000).verdict == Verdict.TITLE_LENGTH
    with pytest.raises(MalformedInput, match="65536"):
        requester.post(title="t" * 65_536)
    scenario.settle()
    scenario.check_converged()


def test_s3_amounts_at_and_above_the_limits(scenario: Scenario) -> None:
    requester = scenario.add(1_000)
    refused = [
        ({"units": (10**9,), "price": 10**12}, Verdict.LOCK_OVER_SUPPLY),
        ({"units": (10**9 + 1,)}, Verdict.UNITS_OUT_OF_RANGE),
        ({"units": (10**9, 1)}, Verdict.UNITS_OUT_OF_RANGE),
        ({"price": 10**12 + 1}, Verdict.PRICE_OUT_OF_RANGE),
        ({"price": 2**63 - 1}, Verdict.PRICE_OUT_OF_RANGE),
        ({"price": -(2**63)}, Verdict.PRICE_OUT_OF_RANGE),
        ({"title": ""}, Verdict.TITLE_LENGTH),
        ({"kind": ""}, Verdict.KIND_INVALID),
        ({"window_ms": 2**63 - 1}, Verdict.WINDOW_OUT_OF_RANGE),
    ]
    for changes, verdict in refused:
        assert requester.post(**changes).verdict == verdict
    for changes in ({"price": 2**63}, {"data": bytes(10 * 1024 * 1024)}):
        with pytest.raises(MalformedInput):
            requester.post(**changes)
    scenario.settle()
    scenario.check_converged()
    assert requester.get_available() == 1_000


def test_s4_nobody_acts_on_what_is_somebody_elses(scenario: Scenario) -> None:
    requester, provider, other = scenario.add(1_000), scenario.add(), scenario.add()
    task = requester.post()
    scenario.sync()
    assert other.cancel(task).verdict == Verdict.NOT_THE_REQUESTER
    assignment = provider.accept(task)
    scenario.settle()
    for act in (other.start, other.decline, other.fail, requester.start):
        assert act(assignment).verdict == Verdict.NOT_THE_PROVIDER
    provider.start(assignment)
    delivery = provider.deliver(assignment)
    scenario.sync()
    assert other.approve(delivery).verdict == Verdict.NOT_A_SIGNER
    scenario.settle()
    scenario.check_converged()
    assert requester.get_seat_states(task) == ["DELIVERED"]


def test_s5_floods_lowballs_and_self_trades_are_bounded_or_without_effect(
    scenario: Scenario,
) -> None:
    requester, provider = scenario.add(1_000), scenario.add()
    posted = [requester.post(price=100) for _ in range(50)]
    # Fifty at once: as many as the money is for.
    verdicts = [each.verdict for each in posted]
    assert verdicts == [Verdict.APPLIED] * 10 + [Verdict.BALANCE_TOO_LOW] * 40
    scenario.sync()
    assert requester.accept(posted[0], 1).verdict == Verdict.PROVIDER_IS_REQUESTER
    assert provider.accept(posted[0], 0).verdict == Verdict.ASK_OUT_OF_RANGE
    assert provider.accept(posted[0], 101).verdict == Verdict.ASK_ABOVE_LIMIT
    # Whoever asks for less gets less, and ten is all that one account may owe.
    assert all(provider.accept(task, 1).verdict == Verdict.APPLIED for task in posted[:10])
    more = scenario.founder.post()
    provider.pull(scenario.founder)
    assert provider.accept(more).verdict == Verdict.TOO_MANY_ASSIGNMENTS
    scenario.settle()
    scenario.check_converged()


def test_l1_a_history_that_was_tampered_with_is_found_or_the_same(scenario: Scenario) -> None:
    writer, reader = scenario.add(1_000), scenario.add_stranger()
    reader.pull(scenario.founder)
    market = scenario.founder.market.id
    tip = writer.replica.get_feed(writer.id).tip
    at = pack_timestamp(scenario.wall_ms + SECOND_MS)
    transfers = [
        encode_body(at + number, ["token.transfer", scenario.founder.id, 1 + number, b"", ""])
        for number in range(4)
    ]
    writer.publish(transfers)
    piece = writer.written[-1]
    one, two, three, four = piece.bodies
    reader.pull(writer, pieces=None)
    fresh = Market(scenario.genesis_bytes)
    gate = fresh.make_gate(KeepNothing())
    gate.admit_pieces([*scenario.founder.written, *writer.written[:-1]])
    for tampered in (
        (flip(one, len(one) - 2), two, three, four),
        (two, one, three, four),
        (one, two, three),
        (one, two, three, four, four),
        (one, three, two, four),
    ):
        with pytest.raises(Forged, match="seal at position"):
            gate.admit_piece(change(piece, bodies=tampered))
    # The device itself cannot seal a history whose time goes back.
    swapped = seal_bodies(market, writer.key, tip, [two, one])[0]
    with pytest.raises(MalformedInput, match="timestamp"):
        gate.admit_piece(swapped)
    # Said twice is said once.
    assert gate.admit_piece(piece) is Admission.ACCEPT
    assert gate.admit_piece(piece) is Admission.IGNORE
    assert fresh.replica.root == writer.replica.root == reader.replica.root


def test_l1_two_entries_with_one_timestamp_have_one_order() -> None:
    markets: list[Market] = []
    for turned in (False, True):
        scenario = Scenario(fund=10_000)
        one, other = scenario.add(100), scenario.add(100)
        scenario.sync()
        at = scenario.wall_ms + SECOND_MS
        one.transfer(other, 150, at_ms=at)
        other.transfer(one, 100, at_ms=at)
        pair = [one, other][:: -1 if turned else 1]
        for peer in pair:
            scenario.founder.pull(peer)
            scenario.founder.replica.machine.fold()
        markets.append(scenario.founder.market)
    straight, turned = markets
    assert get_verdicts(straight) == get_verdicts(turned)
    assert straight.replica.root == turned.replica.root


def test_c1_only_who_opted_in_is_given_work(scenario: Scenario) -> None:
    requester, provider = scenario.add(1_000), scenario.add(opt_in=False)
    first, second = requester.post(), requester.post()
    scenario.sync()
    assert provider.accept(first).verdict == Verdict.NOT_OPTED_IN
    provider.opt_in()
    assignment = provider.accept(first)
    assert assignment.verdict == Verdict.APPLIED
    provider.opt_out()
    assert provider.accept(second).verdict == Verdict.NOT_OPTED_IN
    scenario.settle()
    # Work in hand may be finished.
    assert provider.start(assignment).verdict == Verdict.APPLIED
    assert provider.deliver(assignment).verdict == Verdict.APPLIED
    scenario.settle()
    scenario.check_converged()


def test_c2_new_terms_have_to_be_accepted_first(scenario: Scenario) -> None:
    requester, provider = scenario.add(1_000), scenario.add()
    scenario.sync()
    new = bytes(range(32))
    task = requester.post(units=(1, 1), window_ms=3 * DAY_MS)
    scenario.founder.set_market(terms=new)
    scenario.settle(DAY_MS - MINUTE_MS)
    # Announced, and not in force yet.
    assert provider.write(make_consent(new)).verdict == Verdict.TERMS_OLD
    first = provider.accept(task)
    assert first.verdict == Verdict.APPLIED
    scenario.settle(MINUTE_MS)
    refused = provider.accept(task)
    assert refused.verdict == Verdict.TERMS_OLD
    explanation = provider.market.contract.explain(refused.entry.id, refused.verdict)
    assert new.hex() in explanation
    # What was taken under the old ones may be finished.
    assert provider.start(first).verdict == Verdict.APPLIED
    assert provider.opt_in().verdict == Verdict.APPLIED
    assert provider.accept(task).verdict == Verdict.APPLIED
    scenario.settle()
    scenario.check_converged()


def test_s4_a_party_does_not_rule(scenario: Scenario) -> None:
    requester, provider, kim = scenario.add(1_000), scenario.add(), scenario.add()
    scenario.sync()
    post = replace(make_post(), arbiters=(kim.account,), quorum=1)
    task = requester.write(post)
    scenario.sync()
    assignment = provider.accept(task)
    scenario.settle()
    provider.start(assignment)
    delivery = provider.deliver(assignment)
    scenario.sync()
    requester.write(DisputeOpen(delivery.entry.id, "garbage", "", ()))
    scenario.sync()
    ruling = DisputeRule(delivery.entry.id, 0)
    for peer in (requester, provider, scenario.founder):
        assert peer.write(ruling).verdict == Verdict.NOT_AN_ARBITER
    scenario.settle()
    assert requester.get_seat_states(task) == ["DISPUTED"]
    assert kim.write(ruling).verdict == Verdict.APPLIED
    scenario.settle()
    scenario.check_converged()


def test_s4_nobody_but_the_council_and_verifiers_does_what_is_theirs(scenario: Scenario) -> None:
    member, other = scenario.add(1_000), scenario.add()
    scenario.sync()
    assert member.set_market(fee_ppm=1).verdict == Verdict.NOT_COUNCIL
    assert member.write(TokenMint(1, b"", "")).verdict == Verdict.NOT_COUNCIL
    assert member.pay(member, 1).verdict == Verdict.NOT_COUNCIL
    word = Attest(other.account, "known", scenario.wall_ms + DAY_MS, "word")
    assert member.write(word).verdict == Verdict.NOT_A_VERIFIER
    scenario.settle()
    scenario.check_converged()


def test_t1_an_entry_from_the_future_fires_no_deadline_early(scenario: Scenario) -> None:
    requester, provider, fast = scenario.add(1_000), scenario.add(), scenario.add(10)
    task = requester.post(window_ms=MINUTE_MS)
    scenario.sync()
    fast.transfer(requester, 1, at_ms=scenario.wall_ms + 59 * SECOND_MS + MINUTE_MS)
    scenario.founder.pull(fast)
    # What is provisional may think so; what is final may not.
    assert scenario.founder.get_seat_states(task) == ["CLOSED"]
    scenario.settle(30 * SECOND_MS)
    assert scenario.founder.get_seat_states(task) == ["OPEN"]
    # Provisionally again, now that all is included, time is that of the checkpoint.
    assert provider.accept(task, at_ms=scenario.wall_ms).verdict == Verdict.APPLIED
    scenario.settle()
    scenario.check_converged()
    assert provider.get_seat_states(task) == ["ASSIGNED"]


def test_t1_a_delivery_from_the_past_meets_no_deadline_late(scenario: Scenario) -> None:
    requester, provider = scenario.add(1_000), scenario.add()
    task = requester.post(price=100, penalty=30, execution_ms=MINUTE_MS)
    scenario.sync()
    assignment = provider.accept(task)
    scenario.settle()
    start = provider.start(assignment)
    scenario.settle()
    scenario.settle(5 * MINUTE_MS)
    honest = scenario.wall_ms
    # Its clock says that no time has passed; the checkpoints know better.
    delivery = provider.deliver(assignment, at_ms=(start.entry.time >> 16) + 1)
    assert delivery.now == honest
    scenario.settle()
    requester.approve(delivery)
    scenario.settle()
    scenario.check_converged()
    assert provider.get_available() == 70


def test_t3_an_approval_on_an_old_view_pays_nobody_else() -> None:
    # A sandbox, where work may begin on what is not final.
    scenario = Scenario(fund=10_000, sandbox=True)
    requester, quick, early = scenario.add(1_000), scenario.add(), scenario.add()
    task = requester.post()
    scenario.sync()
    at = scenario.wall_ms
    won = early.accept(task, at_ms=at + SECOND_MS)
    assignment = quick.accept(task, at_ms=at + 2 * SECOND_MS)
    scenario.wait(MINUTE_MS)
    quick.start(assignment)
    delivery = quick.deliver(assignment)
    requester.pull(quick)
    approval = requester.approve(delivery)
    assert approval.verdict == Verdict.APPLIED
    assert requester.get_available(quick) == 100
    scenario.sync()
    scenario.check_converged()
    assert requester.get_verdict(assignment) is Verdict.NO_FREE_SEAT
    assert requester.get_verdict(approval) is Verdict.DELIVERY_UNKNOWN
    assert requester.get_verdict(won) is Verdict.APPLIED
    assert (requester.get_available(quick), requester.get_available(early)) == (0, 0)
    assert requester.get_seat_states(task) == ["ASSIGNED"]
    assert approval.entry.id in requester.replica.machine.get_reversals()


def test_t4_an_operation_with_a_field_too_many_is_admitted_and_the_feed_goes_on(
    scenario: Scenario,
) -> None:
    writer = scenario.add(100)
    fields = ["token.transfer", scenario.founder.id, 10, b"", "", "too many"]
    assert writer.write_fields([*fields]).verdict == Verdict.MALFORMED
    assert writer.write_fields(["task.dance", 1]).verdict == Verdict.UNKNOWN_OPERATION
    assert writer.write_fields([*fields[:-1]]).verdict == Verdict.APPLIED
    scenario.settle(HOUR_MS)
    scenario.check_converged()
    assert find_differences(scenario.founder.market) == []
    assert scenario.founder.get_available(writer) == 90
