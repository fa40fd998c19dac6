"""What those do who keep to no rule: each an action of a simulation.

They have keys of members, of the sequencer and of witnesses, as a thief has; what they may do with
them is all but break a signature. What nobody may ever be taken in by raises here when it is taken.
"""

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from synaptic_crdt.rules.operations import TokenTransfer, encode_operation
from synaptic_crdt.rules.task_operations import DisputeOpen, DisputeRule
from synaptic_crdt.state.changes import (
    FeedChanges,
    StatementChanges,
    encode_root_change,
    get_change_hash,
)
from synaptic_crdt.state.clock import pack_timestamp
from synaptic_crdt.state.codec import encode_trusted
from synaptic_crdt.state.contract import APPLIED
from synaptic_crdt.state.feeds import Piece, Tip, encode_body, seal_bodies
from synaptic_crdt.state.hashes import compute_body_hash, compute_chain, compute_hash
from synaptic_crdt.state.held import Feed
from synaptic_crdt.state.interchange import sort_out
from synaptic_crdt.state.statements import (
    Checkpoint,
    FrontierItem,
    cosign_checkpoint,
    encode_statement,
    sign_checkpoint,
)
from synaptic_crdt.sync.inspection import Admission
from synaptic_crdt.sync.messages import PREFACE_BYTES
from synaptic_crdt.sync.transports.bundle import read_bundle, write_bundle
from tests.fuzzing.changes import change_bytes, change_value, join_frames, split_frames
from tests.simulation.homes import describe_document, read_raw_changes
from tests.simulation.machines import Machine
from tests.simulation.meeting import hasten, meet
from tests.simulation.program import Play, Step
from tests.simulation.scenario import make_post

if TYPE_CHECKING:
    from tests.simulation.simulator import Simulation

_ELSEWHERE: Final = compute_hash("market", b"another market")
_FLOOD: Final = 60


# -- what nobody is ever taken in by -----------------------------------------------------------


def forge(sim: "Simulation") -> None:
    """Alter a piece of somebody's feed, or go on with the feed, and offer it as theirs."""
    one, other = sim.pick_two()
    piece = _pick_piece(sim, one, other)
    if piece is None:
        return
    chance = sim.chance
    longer = tuple(sim.chance.randbytes(40) for _ in range(len(piece.bodies)))
    forged = chance.choice(
        (
            replace(piece, signature=chance.randbytes(64)),
            replace(piece, bodies=longer),
            replace(piece, bodies=(*piece.bodies, piece.bodies[-1])),
            replace(piece, device=other.id),
            replace(piece, first=piece.first + 1),
            replace(piece, predecessor=bytes(32)),
            *_go_on_for(sim, sim.pick(), other),
        )
    )
    # It may be the other one's own.
    if forged != piece:
        sim.count("forged piece")
        _offer_lie(sim, other, forged)


def bring_from_elsewhere(sim: "Simulation") -> None:
    """Offer what a device really wrote, in another market."""
    one, other = sim.pick_two()
    start = Feed(_ELSEWHERE, one.id).tip
    bodies = [
        encode_body(pack_timestamp(sim.world.wall_ms) + number, ["note", number])
        for number in range(sim.chance.randint(1, 3))
    ]
    sim.count("piece of another market")
    for piece in seal_bodies(_ELSEWHERE, one.key, start, bodies):
        _offer_lie(sim, other, piece)


def spoil_bundle(sim: "Simulation") -> None:
    """Alter a bundle on its way."""
    one, other = sim.pick_two()
    write_bundle(sim.file, one.replica, sim.world.genesis_bytes)
    sim.file.write_bytes(change_bytes(sim.file.read_bytes(), sim.chance))
    sim.count("spoiled bundle")
    sim.suffer(lambda: read_bundle(sim.file, other.gate))


def spoil_document(sim: "Simulation") -> None:
    """Write into an Automerge file: changes left out, twice, altered, or in others' names."""
    one, other = sim.pick_two()
    sim.write_document(one)
    changes, chance = read_raw_changes(sim.file), sim.chance
    for _ in range(chance.choice((1, 3, 9))):
        place = chance.randrange(len(changes))
        actor, raw = changes[place]
        match chance.randrange(5):
            case 0 if len(changes) > 1:
                del changes[place]
            case 1:
                changes.insert(chance.randrange(len(changes)), (actor, raw))
            case 2:
                changes[place] = chance.choice(changes)[0], raw
            case 3:
                changes[place] = actor, change_bytes(raw, chance)
            case _:
                changes.append(changes.pop(place))
    sim.count("spoiled document")
    sim.suffer(lambda: sim.admit_document(other, sort_out(changes, one.market.id)))


def squat(sim: "Simulation") -> None:
    """Write into an Automerge file as the actor of somebody else's device, and seal it oneself."""
    one, other = sim.pick_two()
    victim, thief = sim.pick_two()
    # A copy is the same device.
    if victim.id == thief.id:
        return
    market, feed = one.market.id, one.replica.get_feed(victim.id)
    real = feed.entries[: sim.chance.randint(0, feed.position)]
    tip = Tip(thief.id, len(real), feed.get_id(len(real)), real[-1].time if real else -1)
    time = max(tip.time + 1, pack_timestamp(sim.world.wall_ms))
    fields = encode_operation(TokenTransfer(thief.account, 1, b"", "squatted"))
    bodies = [encode_body(time, fields), encode_body(time + 1, fields)]
    (piece,) = seal_bodies(market, thief.key, tip, bodies)
    ids = compute_chain(tip.head, [compute_body_hash(body) for body in bodies])
    sim.write_document(one)
    changes = [each for each in read_raw_changes(sim.file) if each[0] != victim.id]
    root = get_change_hash(encode_root_change(market, sim.world.genesis_bytes))
    written = FeedChanges(market, root, victim.id)
    changes += [
        (victim.id, each) for each in written.write([*(entry.body for entry in real), *bodies])
    ]
    exporter = sim.chance.randbytes(32)
    statements = StatementChanges(market, root, exporter)
    for device in (victim.id, thief.id):
        seal = encode_trusted(["seal", piece.last, ids[-1], device, piece.signature])
        changes.append((exporter, statements.write(seal)))
    sim.count("squatted actor")
    sim.suffer(lambda: sim.admit_document(other, sort_out(changes, market)))
    held = other.replica.get_feed(victim.id)
    if held.position > len(real) and held.get_id(len(real) + 1) == ids[0]:
        raise AssertionError("what was written and sealed in another's name counts")


def lie_on_a_link(sim: "Simulation") -> None:
    """Say anything on a link: other leaves, wants, pieces, ends than there are."""
    one, other = sim.pick_two()
    sim.count("link of a liar")
    sim.network.connect(
        one, other, sim.fork_chance(), live=sim.chance.random() < 0.3, lie=_say_otherwise
    )


# -- what is signed, and should not have been --------------------------------------------------


def equivocate(sim: "Simulation") -> None:
    """Sign two histories of one device, of equal length or not, and show each to somebody else."""
    victim = sim.pick()
    feed = victim.replica.get_feed(victim.id)
    if feed.position < 2:
        return
    sim.count("two histories signed")
    lengths = sim.chance.choice(((1, 1), (2, 2), (1, 3), (4, 1)))
    start = feed.tip
    for side, length in enumerate(lengths):
        to = sim.pick()
        time = max(start.time, pack_timestamp(sim.world.wall_ms)) + 1
        fields = encode_operation(TokenTransfer(to.account, 1 + side, b"", "either"))
        bodies = [encode_body(time + number, fields) for number in range(length)]
        sim.suffer(
            lambda to=to, bodies=bodies: to.gate.admit_pieces(
                seal_bodies(victim.market.id, victim.key, start, bodies)
            )
        )


def hoard(sim: "Simulation") -> None:
    """Sign entries of long ago, and show them to nobody yet."""
    victim = sim.pick()
    tip = victim.replica.get_feed(victim.id).tip
    if not victim.can_write:
        return
    fields = encode_operation(TokenTransfer(sim.pick().account, 2, b"", "kept back"))
    count = sim.chance.choice((1, 3, 10))
    bodies = [encode_body(tip.time + 1 + number, fields) for number in range(count)]
    sim.hoards.extend(seal_bodies(victim.market.id, victim.key, tip, bodies))
    sim.count("entries kept back", count)


def release(sim: "Simulation") -> None:
    """Show somebody what was kept back, late."""
    for piece in sim.hoards:
        to = sim.pick()
        sim.count("entries released late", len(piece.bodies))
        sim.suffer(lambda to=to, piece=piece: to.gate.admit_piece(piece))
    sim.hoards.clear()


def flood(sim: "Simulation") -> None:
    """Write as much as there is time for."""
    home = sim.pick()
    if not home.can_write:
        return
    tip = home.replica.get_feed(home.id).tip
    time = max(tip.time, pack_timestamp(home.wall_ms))
    fields = encode_operation(TokenTransfer(sim.pick().account, 1, b"", "x"))
    bodies = [encode_body(time + number, fields) for number in range(1, _FLOOD)]
    sim.count("entries of floods", len(bodies))
    home.publish(bodies)


def trade_with_oneself(sim: "Simulation") -> None:
    """Two who belong together do each other's work, and praise it."""
    home = sim.pick()
    step = Step(0, 0, sim.chance.randrange(256), 4, 4)
    sim.count("wash trades", 3)
    for _ in range(3):
        Play.trade(sim.play, home, step)


def collude_as_arbiters(sim: "Simulation") -> None:
    """Arbiters who belong to one side rule as it likes, one of them again and again."""
    people = {home.account: home for home in sim.world.machines if home.can_write}
    if len(people) < 4:
        return
    requester, provider, *panel = everybody = sim.chance.sample([*people.values()], 4)
    named = tuple(sorted(home.account for home in panel))
    hasten(sim, everybody)
    task = requester.write(replace(make_post(), arbiters=named, quorum=2))
    meet(everybody)
    won = provider.accept(task)
    hasten(sim, everybody)
    provider.start(won)
    delivery = provider.deliver(won)
    meet(everybody)
    opened = requester.write(DisputeOpen(delivery.entry.id, "garbage", "", ()))
    if opened.verdict != APPLIED:
        return
    sim.count("arbiters in collusion")
    meet(everybody)
    ruling = DisputeRule(delivery.entry.id, sim.chance.choice((0, 1_000_000)))
    for home in (panel[0], panel[0], requester, provider):
        home.write(ruling)
    meet(everybody)
    for home in everybody:
        market = home.market.contract.market
        row, seat = market.disputes.get(delivery.entry.id), market.assignments.get(won.entry.id)
        # Somebody the rules do not let judge here leaves fewer who have to agree.
        is_ruled = row and seat and row.needed > 1 and seat.reason == "ruled"
        if (row and len(row.rulings) > 1) or is_ruled:
            raise AssertionError(f"one of two arbiters was enough: {row}")
    if sim.chance.random() < 0.7:
        panel[1].write(ruling)
        hasten(sim, everybody)


def sign_two(sim: "Simulation") -> None:
    """Sign two checkpoints of one index, and show them to different homes."""
    for home in sim.world.machines:
        if home.may_close:
            sim.count("second checkpoint signed")
            for later in (1, 2):
                checkpoint = home.replica.make_checkpoint(
                    home.key, sim.world.wall_ms + later, lambda _: True
                )
                to = sim.pick()
                sim.suffer(
                    lambda to=to, checkpoint=checkpoint: to.gate.admit_statement(
                        encode_statement(checkpoint)
                    )
                )
            sim.has_second_checkpoints = True
            return


def sign_wrong_root(sim: "Simulation") -> None:
    """Sign a checkpoint whose root is none."""
    for home in sim.world.machines:
        if home.may_close:
            sim.count("wrong root signed")
            sim.has_wrong_roots = True
            right = home.replica.make_checkpoint(home.key, sim.world.wall_ms, lambda _: True)
            _show_checkpoint(sim, home, right, root=sim.chance.randbytes(32), time=right.time)
            return


def sign_over_secrets(sim: "Simulation") -> None:
    """Sign a checkpoint over entries that nobody is shown, as a sequencer with a helper."""
    signers = [home for home in sim.world.machines if home.may_close]
    if not signers or len(sim.hidden) > 1:
        return
    hidden = Machine(sim.world, signers[0].key, is_copy=True)
    sim.hidden.append(hidden)
    hidden.pull(signers[0])
    # What others see of the helper's feed may go on elsewhere.
    helper = sim.pick()
    feed = hidden.replica.get_feed(helper.id)
    if feed.position and feed.closed_position is None:
        fields = encode_operation(TokenTransfer(helper.account, 1, b"", "secret"))
        body = encode_body(feed.tip.time + sim.chance.randint(1, 9), fields)
        for piece in seal_bodies(hidden.market.id, helper.key, feed.tip, [body]):
            hidden.take(piece)
    sim.count("checkpoint over secrets")
    sim.has_second_checkpoints = True
    lie = encode_statement(hidden.checkpoint(hidden.wall_ms + sim.chance.choice((1, 30_000))))
    for _ in range(2):
        to = sim.pick()
        sim.suffer(lambda to=to: to.gate.admit_statement(lie))


def release_secrets(sim: "Simulation") -> None:
    """What was kept secret comes out, to one home or another."""
    for hidden in sim.hidden:
        sim.count("secrets released")
        sim.network.connect(hidden, sim.pick(), sim.fork_chance())


def sign_out_of_time(sim: "Simulation") -> None:
    """Sign a checkpoint that takes back what is fixed, and one of a time that has not come."""
    for home in sim.world.machines:
        if home.may_close:
            sim.count("checkpoint of the future")
            ahead_ms = sim.chance.choice((61_000, 3_600_000, 86_400_000))
            made = home.replica.make_checkpoint(
                home.key, sim.world.wall_ms + ahead_ms, lambda _: True
            )
            to = sim.pick()
            _take_back(sim, home, to, made)
            sim.suffer(lambda to=to, made=made: to.gate.admit_statement(encode_statement(made)))
            return


def cosign_blindly(sim: "Simulation") -> None:
    """Cosign, as a witness, whatever there is: two of one index, and wrong roots."""
    home = sim.pick()
    chain = home.replica.chain
    if home.id not in chain.view.witnesses:
        return
    for checkpoint in chain.get_candidates():
        sim.count("cosigned blindly")
        sim.has_lying_witnesses = True
        statement = encode_statement(cosign_checkpoint(home.market.id, home.key, checkpoint))
        to = sim.pick()
        sim.suffer(lambda to=to, statement=statement: to.gate.admit_statement(statement))


# ----------------------------------------------------------------------------------------------


def _show_checkpoint(
    sim: "Simulation", home: Machine, right: Checkpoint, *, root: bytes, time: int
) -> None:
    wrong = sign_checkpoint(
        home.market.id,
        home.key,
        view=right.view,
        index=right.index,
        previous=right.previous,
        time=time,
        frontier=right.frontier,
        root=root,
    )
    to = sim.pick()
    sim.suffer(lambda: to.gate.admit_statement(encode_statement(wrong)))


def _take_back(sim: "Simulation", home: Machine, to: Machine, right: Checkpoint) -> None:
    fixed = home.replica.chain.get_fixed_position(home.id)
    if fixed < 2:
        return
    end = FrontierItem(home.id, fixed - 1, home.replica.get_feed(home.id).get_id(fixed - 1))
    back = sign_checkpoint(
        home.market.id,
        home.key,
        view=right.view,
        index=right.index,
        previous=right.previous,
        time=right.time,
        frontier=(end,),
        root=right.root,
    )
    sim.count("checkpoint that takes back")
    sim.suffer(lambda: to.gate.admit_statement(encode_statement(back)))


def _pick_piece(sim: "Simulation", home: Machine, other: Machine) -> Piece | None:
    feeds = [feed for feed in home.replica.feeds.values() if feed.position]
    if not feeds:
        return None
    news = [feed for feed in feeds if feed.position > other.replica.get_feed(feed.device).position]
    feed = sim.chance.choice(news or feeds)
    known = other.replica.get_feed(feed.device).position if news else 0
    return feed.get_piece(sim.chance.choice((known + 1, sim.chance.randint(1, feed.position))))


def _go_on_for(sim: "Simulation", victim: Machine, other: Machine) -> Iterator[Piece]:
    """Make what would follow what is held of a feed, with the seal of somebody else."""
    tip = other.replica.get_feed(victim.id).tip
    thieves = [home for home in sim.world.machines if home.id != victim.id]
    thief = sim.chance.choice(thieves)
    fields = encode_operation(TokenTransfer(thief.account, 1, b"", "forged"))
    body = encode_body(max(tip.time, pack_timestamp(sim.world.wall_ms)) + 1, fields)
    for piece in seal_bodies(victim.market.id, thief.key, tip, [body]):
        yield replace(piece, device=victim.id)


def _offer_lie(sim: "Simulation", home: Machine, piece: Piece) -> None:
    before = describe_document(home.replica)
    admissions: list[Sequence[Admission]] = []
    sim.suffer(lambda: admissions.append(home.gate.admit_pieces([piece])))
    if any(Admission.ACCEPT in each for each in admissions):
        raise AssertionError(f"a forged piece was accepted: {piece}")
    if not home.disk.is_dead and describe_document(home.replica) != before:
        raise AssertionError(f"a forged piece changed what is held: {piece}")


def _say_otherwise(data: bytes, chance: Random) -> bytes:
    if chance.random() < 0.5:
        return data
    head = data[:PREFACE_BYTES] if data.startswith(b"synaptic") else b""
    payloads = split_frames(data[len(head) :])
    if not payloads:
        return data
    place = chance.randrange(len(payloads))
    match chance.randrange(6):
        case 0:
            del payloads[place]
        case 1:
            payloads.insert(place, payloads[place])
        case 2:
            payloads.append(payloads.pop(place))
        case _:
            payloads[place] = change_value(payloads[place], chance)
    return head + join_frames(payloads)


Lie = Callable[["Simulation"], None]

LIES: Final[tuple[tuple[Lie, int], ...]] = (
    (forge, 4),
    (bring_from_elsewhere, 2),
    (spoil_bundle, 2),
    (spoil_document, 2),
    (squat, 2),
    (lie_on_a_link, 6),
    (equivocate, 3),
    (hoard, 4),
    (release, 4),
    (flood, 1),
    (trade_with_oneself, 2),
    (collude_as_arbiters, 2),
    (sign_two, 1),
    (sign_over_secrets, 2),
    (release_secrets, 2),
    (sign_out_of_time, 3),
    (cosign_blindly, 2),
)
# After these only a handover makes anything final again.
GRAVE_LIES: Final[tuple[tuple[Lie, int], ...]] = ((sign_wrong_root, 2),)
