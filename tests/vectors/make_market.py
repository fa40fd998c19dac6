"""The vectors of the contract: a market's whole document, and what becomes of it.

``market-life.json`` is the life of a few tasks, piece by piece as one peer heard of it, with the
state root after each; ``market-devices.json`` is that of an account with several devices, one of
them lost; ``market-council.json`` that of parameters, consent and attestations;
``market-forms.json`` are operations whose own bytes decide their verdict.
Keys are made from the seeds given, all bytes are hexadecimal. What is in the files never changes:
to change it is to make another contract.

``python -m tests.vectors.make_market`` writes a file that is not there yet.
"""

import json
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from synaptic_crdt.node.node import Market
from synaptic_crdt.rules.account_operations import AccountUpdate, Attest, AttestRevoke, Caps
from synaptic_crdt.rules.certificates import get_paper_voucher, make_paper
from synaptic_crdt.rules.consents import make_consent
from synaptic_crdt.rules.council_operations import Arbitration, MarketSet, TokenMint
from synaptic_crdt.rules.form import read_operation
from synaptic_crdt.rules.genesis import Kind, decode_genesis
from synaptic_crdt.rules.market import get_rows
from synaptic_crdt.rules.operations import (
    AccountOpen,
    DeviceAdd,
    Feedback,
    ForkReport,
    InviteIssue,
    Operation,
    Role,
    TokenTransfer,
    TreasuryPay,
    encode_operation,
)
from synaptic_crdt.rules.task_form import make_payload
from synaptic_crdt.rules.task_operations import (
    AssignmentExtend,
    AssignmentSettle,
    DisputeEvidence,
    DisputeOpen,
    DisputeRule,
    DisputeWithdraw,
    KeyShare,
    Metric,
    Release,
    Score,
    SealedKey,
    ServiceLevel,
    TaskAccept,
    TaskApprove,
    TaskDecline,
    TaskDeliver,
    TaskFail,
    TaskImprove,
    TaskPost,
    TaskProgress,
    TaskReveal,
)
from synaptic_crdt.rules.verdicts import Refusal, Verdict
from synaptic_crdt.rules.views import view_attestations, view_consent, view_parameters
from synaptic_crdt.state.codec import Value, encode
from synaptic_crdt.state.feeds import Piece
from synaptic_crdt.state.hashes import compute_body_hash, compute_chain
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.statements import Checkpoint, encode_statement
from synaptic_crdt.sync.gate import Gate, KeepNothing
from tests.forking import sign_fork
from tests.simulation.scenario import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    NO_CHANGE,
    SECOND_MS,
    Peer,
    Scenario,
    get_verdicts,
    make_key,
    make_offer,
    make_one_time,
    make_post,
)

FOLDER: Final = Path(__file__).parent
_HASH: Final = b"\xaa" * 32
_SIGNATURE: Final = b"\xbb" * 64
_PAPER: Final = 2_000


def make_vectors() -> dict[str, dict[str, Any]]:
    """Return the content of every file by its name, as the code has it now."""
    return {
        "market-life.json": make_life(),
        "market-devices.json": make_household(),
        "market-council.json": make_council(),
        "market-forms.json": make_forms(),
    }


class Listener:
    """One peer that writes nothing, hears everything, and takes notes."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario: Final = scenario
        self.market: Final = Market(scenario.genesis_bytes)
        self.steps: Final[list[dict[str, Any]]] = []
        self._gate: Final = self.market.make_gate(KeepNothing())
        self._heard: Final[dict[bytes, int]] = {}

    def hear(self, *peers: Peer) -> None:
        """Take what is new from some feeds, in this order."""
        for peer in peers:
            for piece in peer.written[self._heard.get(peer.id, 0) :]:
                self._gate.admit_piece(piece)
                self.steps.append(describe_piece(piece) | self._describe_state())
            self._heard[peer.id] = len(peer.written)

    def close(self) -> None:
        """Tell all peers everything, and close an epoch with what was heard here."""
        self.scenario.sync()
        checkpoint = self.scenario.founder.checkpoint()
        self.scenario.sync()
        self._gate.admit_statement(encode_statement(checkpoint))
        self.steps.append(describe_checkpoint(checkpoint) | self._describe_state())

    def _describe_state(self) -> dict[str, Any]:
        replica = self.market.replica
        return {
            "root": replica.root.hex(),
            "digest": replica.compute_digest().hex(),
            "epoch": replica.machine.epoch,
            "now": replica.machine.now,
        }


def make_life() -> dict[str, Any]:
    """Return a market in which work is won, done, paid, declined, failed, left and refused."""
    scenario = Scenario(fund=50_000, fee_ppm=20_000)
    listener = Listener(scenario)
    invitations = [_invite(scenario, role) for role in _ROLES]
    listener.hear(*scenario.peers)
    listener.close()
    _compete(scenario, listener)
    _trade(scenario, listener)
    _work_without_words(scenario, listener)
    scenario.wait(31 * DAY_MS)
    listener.close()
    check_agreement(scenario, listener)
    return describe_story(scenario, listener) | {"invitations": invitations}


def make_household() -> dict[str, Any]:
    """Return a market in which one account has several devices, and loses one."""
    scenario = Scenario(fund=5_000, openings_per_day=5)
    founder = scenario.founder
    listener = Listener(scenario)
    desk = scenario.add_stranger()
    desk.pull(founder)
    paper = make_paper(desk.market.id, desk.key, make_key(_PAPER))
    desk.write(AccountOpen("desk", desk.key.get_exchange_public(), paper, None, None))
    founder.pull(desk)
    founder.transfer(desk, 1_000)
    listener.hear(founder, desk)
    # The voucher travels by hand: its holder is there before what it stands on.
    laptop = scenario.add_stranger()
    added = desk.write(DeviceAdd(laptop.id, laptop.key.get_exchange_public()))
    laptop.join(desk.id, desk.vouch(laptop, issued=added.entry.time))
    listener.hear(laptop, desk)
    listener.close()
    scenario.wait(SECOND_MS)
    laptop.transfer(founder, 600)
    scenario.wait(SECOND_MS)
    desk.transfer(founder, 600)
    listener.hear(desk, laptop)
    listener.close()
    # The desk is lost, and nobody but the paper is older.
    scenario.wait(SECOND_MS)
    laptop.revoke_device(desk)
    holder = scenario.add_stranger(make_key(_PAPER))
    holder.pull(laptop)
    holder.join(desk.id, get_paper_voucher(desk.id, paper))
    holder.revoke_device(desk)
    desk.transfer(founder, 100, at_ms=scenario.wall_ms - 1)
    listener.hear(laptop, desk, holder)
    listener.close()
    listener.hear(desk)
    laptop.transfer(founder, 100)
    listener.hear(laptop)
    listener.close()
    check_agreement(scenario, listener)
    inside = listener.market.contract.market
    return describe_story(scenario, listener) | {
        "devices": {
            key.hex(): [row.account.hex(), row.number, row.state, row.revoked_by.hex()]
            for key, row in get_rows(inside.devices, "account")
        },
        "void": [entry.id.hex() for entry in listener.market.replica.get_void()],
    }


def make_council() -> dict[str, Any]:
    """Return a market whose council changes it, and whose members say on what terms they work."""
    founder_key, other_key = make_key(1).public, make_key(3).public
    scenario = Scenario(
        fund=0,
        openings_per_day=5,
        council=sorted((founder_key, other_key)),
        council_needed=2,
        mint_cap=1_000,
    )
    founder = scenario.founder
    listener = Listener(scenario)
    councillor, provider = scenario.add_stranger(), scenario.add_stranger()
    for peer in (councillor, provider):
        peer.pull(founder)
        peer.open("somebody")
        founder.pull(peer)
    scenario.sync()
    for peer in (founder, councillor):
        peer.pay(founder, 1_000)
        peer.write(TokenMint(400, b"once", "a first emission"))
        peer.set_market(
            terms=_HASH,
            fee_ppm=100_000,
            kinds=(Kind("poem", "one verse"), Kind("text.answer", "one question")),
            verifiers=(founder.account,),
            arbiters=Arbitration((councillor.account,), 1),
        )
        councillor.pull(peer)
    provider.write(AccountUpdate("somebody else"))
    provider.write(make_consent(founder.market.genesis.terms, caps=Caps(1, 2, 2, ("text.answer",))))
    scenario.sync()
    old = founder.post(units=(1, 3), window_ms=3 * DAY_MS)
    provider.pull(founder)
    provider.accept(old)
    provider.accept(old)
    listener.hear(founder, councillor, provider)
    listener.close()
    scenario.wait(DAY_MS)
    new = founder.post(kind="poem")
    founder.write(Attest(provider.account, "confidential", scenario.wall_ms + DAY_MS, "word"))
    provider.pull(founder)
    provider.accept(new)
    provider.opt_in()
    provider.accept(new)
    listener.hear(founder, provider)
    listener.close()
    for peer in (founder, councillor):
        peer.write(TokenMint(601, b"twice", ""))
        listener.hear(peer)
        councillor.pull(peer)
    listener.close()
    check_agreement(scenario, listener)
    market = listener.market.contract.market
    return describe_story(scenario, listener) | {
        "parameters": view_parameters(market),
        "consent": view_consent(market, provider.account),
        "attestations": view_attestations(market, provider.account, scenario.wall_ms),
    }


def describe_story(scenario: Scenario, listener: Listener) -> dict[str, Any]:
    genesis = decode_genesis(scenario.genesis_bytes)
    return {
        "genesis": scenario.genesis_bytes.hex(),
        "genesis as fields": _to_json(msgspec.to_builtins(genesis, builtin_types=(bytes,))),
        "market": listener.market.id.hex(),
        "seeds of devices": {peer.id.hex(): peer.key.seed.hex() for peer in scenario.peers},
        "steps": listener.steps,
        "id, epoch, effective time, verdict in order": _to_json(get_verdicts(listener.market)),
        **describe_money(listener.market),
    }


def _compete(scenario: Scenario, listener: Listener) -> None:
    """Two seats; two providers that do not hear of each other win them, a third is slower."""
    requester, first, second, third, _ = scenario.peers[1:]
    task = requester.post(units=(3, 2), price=100, bond=40, penalty=30, providers_min=2)
    scenario.sync()
    scenario.wait(SECOND_MS)
    third.accept(task, 90)
    scenario.wait(-1)
    won, other = first.accept(task, 95), second.accept(task, 100)
    requester.accept(task)
    listener.hear(requester, third, second, first)
    scenario.wait(MINUTE_MS)
    listener.close()
    # One begins late, one gives up, and the third takes its seat.
    scenario.wait(2 * MINUTE_MS)
    first.start(won)
    second.start(other)
    second.fail(other)
    listener.hear(first, second)
    scenario.sync()
    left = third.accept(task, 80)
    listener.hear(third)
    listener.close()
    # The third does not begin in time, and the first delivers late, too.
    scenario.wait(2 * HOUR_MS)
    delivery = first.deliver(won, b"a late result")
    third.start(left)
    listener.hear(first, third)
    scenario.sync()
    requester.approve(delivery)
    listener.hear(requester)
    listener.close()


def _trade(scenario: Scenario, listener: Listener) -> None:
    """Transfers that can be paid and that cannot, and what no version understands."""
    founder, _, first, *_ = scenario.peers
    founder.transfer(first, 1_000, "a gift")
    first.transfer(founder, 10**6)
    first.write_fields(["task.dance", 1])
    first.write_fields(["consent"])
    listener.hear(founder, first)
    listener.close()


def _work_without_words(scenario: Scenario, listener: Listener) -> None:
    """Three tasks: one cancelled, one rejected, one declined, done by another, never reviewed."""
    requester, first, second, *_ = scenario.peers[1:]
    cancelled, poor, good = [
        requester.post(price=price, review_ms=HOUR_MS) for price in (70, 60, 50)
    ]
    requester.cancel(cancelled)
    requester.cancel(cancelled)
    listener.hear(requester)
    listener.close()
    second.accept(cancelled, 50)
    taken, declined = second.accept(poor, 50), second.accept(good, 50)
    second.decline(declined)
    listener.hear(second)
    scenario.sync()
    again = first.accept(good, 50)
    listener.hear(first)
    listener.close()
    second.start(taken)
    rejected = second.deliver(taken, b"rubbish")
    first.start(again)
    first.deliver(again, b"good work")
    listener.hear(second, first)
    scenario.sync()
    requester.approve(rejected, approve=False)
    listener.hear(requester)
    listener.close()


_ROLES: Final[tuple[Role, ...]] = ("member", "member", "member", "member", "auditor")


def _invite(scenario: Scenario, role: Role) -> dict[str, Any]:
    """Add a peer, members with a grant, and return what its ticket said."""
    peer = scenario.add(1_000 if role == "member" else 0, role=role)
    _, _, _, _, certificate, proof = peer.replica.get_feed(peer.id).entries[0].operation
    return {
        "device": peer.id.hex(),
        "one-time seed": make_one_time(len(scenario.peers)).seed.hex(),
        "certificate": _to_json(certificate),
        "proof": _to_json(proof),
    }


def describe_piece(piece: Piece) -> dict[str, Any]:
    ids = compute_chain(piece.predecessor, [compute_body_hash(body) for body in piece.bodies])
    return {
        "device": piece.device.hex(),
        "first": piece.first,
        "predecessor": piece.predecessor.hex(),
        "bodies": [body.hex() for body in piece.bodies],
        "ids": [name.hex() for name in ids],
        "seal": piece.signature.hex(),
    }


def describe_checkpoint(checkpoint: Checkpoint) -> dict[str, Any]:
    return {"checkpoint": checkpoint.id.hex(), "statement": encode_statement(checkpoint).hex()}


def describe_money(market: Market) -> dict[str, Any]:
    """Return who has what, what is locked, and how seats and assignments ended."""
    inside = market.contract.market
    accounts = [account for account, _ in get_rows(inside.accounts, "number")]
    seats: dict[str, Any] = {}
    for task_id, task in get_rows(inside.tasks, "number"):
        for number in range(task.seats):
            seat = inside.seats.get(task_id + bytes((number,)))
            if seat is not None:
                seats[(task_id + bytes((number,))).hex()] = [seat.state, seat.end]
    return {
        "treasury": inside.get_money().treasury,
        "balances": {account.hex(): inside.get_available(account) for account in accounts},
        "held": inside.get_money().held,
        "seats": seats,
        "assignments": {
            key.hex(): [row.end, row.reason, row.paid, row.penalty]
            for key, row in get_rows(inside.assignments, "provider")
        },
    }


def replay_life(published: dict[str, Any]) -> list[dict[str, Any]]:
    """Fold the published bytes, and return the published figures as they come out now."""
    market = Market(bytes.fromhex(published["genesis"]))
    gate = market.make_gate(KeepNothing())
    return [_replay_step(market, gate, step) for step in published["steps"]]


def _replay_step(market: Market, gate: Gate, step: dict[str, Any]) -> dict[str, Any]:
    if "statement" in step:
        gate.admit_statement(bytes.fromhex(step["statement"]))
    else:
        gate.admit_piece(
            Piece(
                device=bytes.fromhex(step["device"]),
                first=step["first"],
                predecessor=bytes.fromhex(step["predecessor"]),
                bodies=tuple(bytes.fromhex(body) for body in step["bodies"]),
                signature=bytes.fromhex(step["seal"]),
            )
        )
    machine = market.replica.machine
    return step | {"root": machine.root.hex(), "epoch": machine.epoch, "now": machine.now}


def make_forms() -> dict[str, Any]:
    """Return operations by name with the verdict that their form alone gives."""
    return {
        name: {
            "operation": encode(operation).hex(),
            "verdict": verdict.value,
            "name": verdict.name,
        }
        for name, operation in _list_forms().items()
        for verdict in (judge(operation),)
    }


def judge(operation: list[Value]) -> Verdict:
    read = read_operation(operation)
    return read.verdict if isinstance(read, Refusal) else Verdict.APPLIED


def _list_forms() -> dict[str, list[Value]]:
    post = make_post()
    (shard,) = post.seats
    payload = shard.payload
    proof = encode_statement(sign_fork(_HASH, DeviceKey(_HASH)))
    transfer = TokenTransfer(_HASH, 5, b"reference", "memo")
    opening = AccountOpen("name", _HASH, None, None, None)
    issue = InviteIssue(_HASH, "member", 5, 10**12, False)
    conditions = Caps(10, 10**9, 3, ("a", "b"))
    consent = make_consent(_HASH, caps=conditions, requester_min=-1_000, blocked=(_HASH,))
    crowd = tuple(bytes((number,)) * 32 for number in range(65))
    word = Attest(_HASH, "confidential", 10**12, "word")
    change = MarketSet(
        kinds=(Kind("a", "one unit"),),
        terms=_HASH,
        fee_ppm=20_000,
        arbiters=Arbitration((_HASH,), 1),
        verifiers=(_HASH,),
        rules=1,
        reference=b"reference",
    )
    key = SealedKey(_HASH, bytes(80))
    keys = tuple(SealedKey(device, bytes(80)) for device in crowd)
    sealed = replace(shard, commitment=_HASH)
    private = replace(post, privacy="private", seats=(sealed,), only=(_HASH,))
    level = ServiceLevel(60_000, 60_000, 0, 5, ())
    better = TaskImprove(_HASH, 1, 2, 3, 0, 60_000, 0, 60_000, 60_000, 0)
    quorum = Release("quorum", (_HASH,), 1, 0)
    offer = make_offer(expiry_ms=10**12)
    judged: dict[str, Operation] = {
        "criteria of 1,001 bytes": replace(post, criteria="c" * 1_001),
        "after another task": replace(post, after=(_HASH,)),
        "two copies of a split task": replace(post, copies=2),
        "two copies": replace(post, mode="replicate", copies=2),
        "private without a commitment": replace(post, privacy="private"),
        "private": replace(post, privacy="private", seats=(sealed,)),
        "keys of a public task": replace(post, seats=(replace(shard, keys=(key,)),)),
        "a key twice": TaskReveal(_HASH, (key, key)),
        "a key": TaskReveal(_HASH, (key,)),
        "key of a payload shared": KeyShare(_HASH, "payload", (key,)),
        "key of a result shared": KeyShare(_HASH, "result", (key,)),
        "no key shared": KeyShare(_HASH, "payload", ()),
        "a key shared twice": KeyShare(_HASH, "payload", (key, key)),
        "64 keys shared": KeyShare(_HASH, "result", keys[:64]),
        "65 keys shared": KeyShare(_HASH, "result", keys),
        "keys in a post": _with_keys(private, keys[:2]),
        "keys in a post, out of order": _with_keys(private, keys[1::-1]),
        "64 keys in a post": _with_keys(private, keys[:64]),
        "65 keys in a post": _with_keys(private, keys),
        "keys in a post for everybody": _with_keys(replace(private, only=()), keys[:1]),
        "result sealed to keys": TaskDeliver(_HASH, payload, _HASH, keys[:2]),
        "result sealed to nobody": TaskDeliver(_HASH, payload, _HASH, ()),
        "keys of an open result": TaskDeliver(_HASH, payload, None, keys[:2]),
        "keys of a result, out of order": TaskDeliver(_HASH, payload, _HASH, keys[1::-1]),
        "verifier of a public task": replace(post, verifier=_HASH),
        "another asset": replace(post, asset=1),
        "prices that fall": replace(post, price_max=post.price - 1),
        "priority beyond the window": replace(post, priority_ms=post.window_ms + 1),
        "capabilities out of order": TaskAccept(_HASH, 1, ("b", "a")),
        "least reputation of more than all": replace(post, reputation_min=1_001),
        "an account listed twice": replace(post, only=(_HASH, _HASH)),
        "presence of more than always": replace(post, service=replace(level, uptime_ppm=10**6 + 1)),
        "metric twice": replace(
            post, service=replace(level, metrics=(Metric("a", 1), Metric("a", 1)))
        ),
        "signatures of nobody": replace(post, release=Release("quorum", (), 1, 0)),
        "a time lock below nothing": replace(post, release=replace(quorum, not_before_ms=-1)),
        "an evaluator beside the quorum": replace(post, release=quorum, evaluator=bytes(32)),
        "a quorum of no arbiters": replace(post, quorum=1),
        "no time to reveal": replace(post, reveal_ms=0),
        "improvement": better,
        "progress": TaskProgress(_HASH, 10**6),
        "progress beyond the end": TaskProgress(_HASH, 10**6 + 1),
        "score of a metric": TaskApprove(_HASH, True, (Score("a", 10**6),)),
        "score beyond all": TaskApprove(_HASH, True, (Score("a", 10**6 + 1),)),
        "extension": AssignmentExtend(_HASH, 60_000),
        "extension of nothing": AssignmentExtend(_HASH, 0),
        "share": AssignmentSettle(_HASH, 500_000),
        "share of more than all": DisputeRule(_HASH, 10**6 + 1),
        "dispute": DisputeOpen(_HASH, "garbage", "", (_HASH,)),
        "statement of 1,001 bytes": DisputeOpen(_HASH, "garbage", "s" * 1_001, ()),
        "evidence twice": DisputeEvidence(_HASH, (_HASH, _HASH)),
        "withdrawal": DisputeWithdraw(_HASH),
        "offer": offer,
        "offer of no units": replace(offer, units=0),
        "offer with a bond below nothing": replace(offer, terms=replace(offer.terms, bond=-1)),
        "offer of no privacy": replace(offer, terms=replace(offer.terms, privacies=())),
    }
    typed: dict[str, Operation] = {
        **judged,
        "post": post,
        "transfer": transfer,
        "opening": opening,
        "invitation": issue,
        "payment": TreasuryPay(_HASH, 5, b"", ""),
        "name of nothing": replace(opening, name=""),
        "name of 64 bytes": replace(opening, name="é" * 32),
        "name of 66 bytes": replace(opening, name="é" * 33),
        "proof without certificate": replace(opening, proof=_SIGNATURE),
        "grant below nothing": replace(issue, grant=-1),
        "grant of all there can be": replace(issue, grant=2**53 - 1),
        "grant of more than there can be": replace(issue, grant=2**53),
        "amount of nothing": replace(transfer, amount=0),
        "amount below nothing": replace(transfer, amount=-1),
        "amount of all there can be": replace(transfer, amount=2**53 - 1),
        "amount of more than there can be": replace(transfer, amount=2**53),
        "renaming": AccountUpdate("name"),
        "renaming to nothing": AccountUpdate(""),
        "consent on conditions": consent,
        "opting out": make_consent(None),
        "cap below nothing": replace(consent, caps=Caps(-1, None, None, None)),
        "caps of nothing": replace(consent, caps=Caps(0, 0, 0, ())),
        "kinds out of order": replace(consent, caps=Caps(None, None, None, ("b", "a"))),
        "requester's score below all": replace(consent, requester_min=-1_001),
        "64 blocked accounts": replace(consent, blocked=crowd[:64]),
        "65 blocked accounts": replace(consent, blocked=crowd),
        "blocked twice": replace(consent, blocked=(_HASH, _HASH)),
        "attestation": word,
        "attestation of two words": replace(word, claim="two words"),
        "taking a word back": AttestRevoke(_HASH),
        "minting": TokenMint(5, b"reference", "memo"),
        "minting nothing": TokenMint(0, b"", ""),
        "all parameters": change,
        "no parameters": NO_CHANGE,
        "no kinds": replace(NO_CHANGE, kinds=()),
        "kind twice": replace(NO_CHANGE, kinds=(Kind("a", "u"), Kind("a", "u"))),
        "kind of no unit": replace(NO_CHANGE, kinds=(Kind("a", ""),)),
        "fee of all": replace(NO_CHANGE, fee_ppm=10**6),
        "fee above that": replace(NO_CHANGE, fee_ppm=10**6 + 1),
        "no arbiters": replace(NO_CHANGE, arbiters=Arbitration((), 0)),
        "quorum above the arbiters": replace(NO_CHANGE, arbiters=Arbitration((_HASH,), 2)),
        "no verifiers": replace(NO_CHANGE, verifiers=()),
        "16 verifiers": replace(NO_CHANGE, verifiers=crowd[:16]),
        "rules of version 0": replace(NO_CHANGE, rules=0),
        "memo of 256 bytes": replace(transfer, memo="m" * 256),
        "memo of 257 bytes": replace(transfer, memo="m" * 257),
        "kind in capitals": replace(post, kind="Text"),
        "kind that begins with a dot": replace(post, kind=".text"),
        "kind of 48 bytes": replace(post, kind="k" * 48),
        "kind of 49 bytes": replace(post, kind="k" * 49),
        "title of 200 bytes": replace(post, title="t" * 200),
        "title of 201 bytes": replace(post, title="t" * 201),
        "64 seats": replace(post, seats=(shard,) * 64),
        "65 seats": replace(post, seats=(shard,) * 65),
        "units of nothing": replace(post, seats=(replace(shard, units=0),)),
        "units over a thousand million": replace(post, seats=(replace(shard, units=10**9), shard)),
        "small payload elsewhere": _with_payload(post, replace(payload, inline=None)),
        "payload of a kibibyte elsewhere": _with_payload(
            post, replace(payload, size=1_024, inline=None)
        ),
        "payload of 64 mebibytes elsewhere": _with_payload(
            post, replace(payload, size=2**26, inline=None)
        ),
        "payload of more elsewhere": _with_payload(
            post, replace(payload, size=2**26 + 1, inline=None)
        ),
        "payload of another size": _with_payload(post, replace(payload, size=1)),
        "payload of another hash": _with_payload(post, replace(payload, hash=_HASH)),
        "payload without a type": _with_payload(post, replace(payload, media_type="")),
        "payload of a type with a tab": _with_payload(post, replace(payload, media_type="a\tb")),
        "price of nothing": replace(post, price=0),
        "price of a million million": replace(post, price=10**12),
        "price above that": replace(post, price=10**12 + 1),
        "no provider": replace(post, providers_min=0),
        "more providers than seats": replace(post, providers_min=2),
        "window of a second": replace(post, window_ms=SECOND_MS),
        "window below a second": replace(post, window_ms=SECOND_MS - 1),
        "window of thirty days": replace(post, window_ms=30 * DAY_MS),
        "window above thirty days": replace(post, window_ms=30 * DAY_MS + 1),
        "response at once": replace(post, service=replace(post.service, response_ms=0)),
        "execution at once": replace(post, service=replace(post.service, execution_ms=0)),
        "penalty below nothing": replace(post, service=replace(post.service, penalty=-1)),
        "bond of the price": replace(post, bond=100),
        "bond above the price": replace(post, bond=101),
        "review at once": replace(post, review_ms=0),
        "16 redispatches": replace(post, redispatch=16),
        "17 redispatches": replace(post, redispatch=17),
        "ask of nothing": TaskAccept(_HASH, 0, ()),
        "ask of one": TaskAccept(_HASH, 1, ()),
        "reason of two words": TaskDecline(_HASH, "two words"),
        "reason of nothing": TaskFail(_HASH, ""),
        "feedback": Feedback(_HASH, 1, ""),
        "rating of nothing": Feedback(_HASH, 0, ""),
        "rating beyond the best": Feedback(_HASH, 6, ""),
        "comment of 256 bytes": Feedback(_HASH, 5, "é" * 128),
        "comment of 258 bytes": Feedback(_HASH, 5, "é" * 129),
        "fork proof": ForkReport(proof),
        "fork proof cut short": ForkReport(proof[:-1]),
        "result": TaskDeliver(_HASH, make_payload("text/plain", b"done"), None, ()),
        "result above 48 KiB": TaskDeliver(
            _HASH, make_payload("text/plain", bytes(48 * 1024 + 1)), None, ()
        ),
    }
    written: dict[str, list[Value]] = {
        "unknown operation": ["task.dance", 1],
        "operation without fields": ["consent"],
        "field too many": ["attest.revoke", _HASH, None],
        "number for a hash": ["attest.revoke", 1],
        "hash of 31 bytes": ["attest.revoke", bytes(31)],
        "flag for a number": ["task.accept", _HASH, True],
        "number for a flag": ["task.approve", _HASH, 1],
        "bytes for text": ["task.decline", _HASH, b"busy"],
        "text for bytes": ["token.transfer", _HASH, 1, "reference", ""],
        "reference of 33 bytes": ["token.transfer", _HASH, 1, bytes(33), ""],
        "key of something shared": ["key.share", _HASH, "memo", [[_HASH, bytes(80)]]],
        "box of 79 bytes": ["key.share", _HASH, "payload", [[_HASH, bytes(79)]]],
        "role of nobody": ["invite.issue", _HASH, "owner", 0, 0, False],
    }
    return {name: encode_operation(operation) for name, operation in typed.items()} | written


def _with_payload(post: TaskPost, payload: Any) -> TaskPost:  # noqa: ANN401 - a changed payload
    return replace(post, seats=(replace(post.seats[0], payload=payload),))


def _with_keys(post: TaskPost, keys: tuple[SealedKey, ...]) -> TaskPost:
    return replace(post, seats=(replace(post.seats[0], keys=keys),))


def _to_json(value: Any) -> Any:  # noqa: ANN401 - whatever is in an operation
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (list, tuple)):
        return [_to_json(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def check_agreement(scenario: Scenario, listener: Listener) -> None:
    """Raise AssertionError unless the listener came to what everybody else did."""
    scenario.check_converged()
    if listener.market.replica.root != scenario.founder.replica.root:
        raise AssertionError("the listener has another root than the founder")


def write_missing() -> None:
    for name, content in make_vectors().items():
        path = FOLDER / name
        if not path.exists():
            path.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    write_missing()
