"""What happens in a simulation, but for lies: each an action of one event."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

from synaptic_crdt.rules.market import get_rows
from synaptic_crdt.rules.operations import TokenTransfer, encode_operation
from synaptic_crdt.state.feeds import encode_body, seal_bodies
from synaptic_crdt.state.held import Feed
from synaptic_crdt.sync.transports.bundle import read_bundle, write_bundle
from tests.simulation.disk import Fate
from tests.simulation.homes import read_inside
from tests.simulation.liars import GRAVE_LIES, LIES
from tests.simulation.machines import Machine
from tests.simulation.meeting import hasten, meet
from tests.simulation.network import FINE, Weather
from tests.simulation.scenario import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS

if TYPE_CHECKING:
    from tests.simulation.simulator import Simulation

MACHINES_MAX: Final = 8
_STEPS_MAX: Final = 8
_TAKERS_MAX: Final = 3
_FINE_NETWORK: Final = (FINE, Weather((20, 90), 10), Weather((300, 2), 400))
_BAD_NETWORK: Final = (
    *_FINE_NETWORK,
    Weather((5, 40), 30, cut=0.1),
    Weather((1, 1), 0, cut=0.4),
    Weather((700, 1_500), 2_000, cut=0.02, stall=0.02),
    Weather((1, 1), 5, stall=0.2),
    Weather((10, 10), 5, lose=0.1),
    Weather((10, 10), 5, repeat=0.1),
    Weather((10, 10), 5, swap=0.15),
    Weather((10, 10), 5, flip=0.1),
)


def act(sim: "Simulation") -> None:
    """Somebody does something to the market."""
    sim.play.act(sim.pick(), sim.chance)


def judge(sim: "Simulation") -> None:
    """Somebody does something to somebody's work."""
    sim.judging.random = sim.chance
    sim.judging.act()


def press_on(sim: "Simulation") -> None:
    """Those whom one piece of work concerns meet, and go on with it; or somebody begins one."""
    seer = sim.pick()
    sim.judging.random = sim.chance
    if not (living := _list_living(seer)) or sim.chance.random() < 0.5:
        _begin_work(sim, seer)
        living = _list_living(seer)
    if not living:
        return
    key = sim.chance.choice(living[-2:])
    sim.count("meeting over work")
    for _ in range(sim.chance.randint(1, _STEPS_MAX)):
        accounts = sim.judging.list_concerned(seer, key)
        met = [seer, *(home for home in sim.world.machines if home.account in accounts)]
        if sim.chance.random() < 0.5:
            hasten(sim, met)
        else:
            meet(met)
        sim.judging.press_on(seer, key)
        sim.world.wait(sim.chance.choice((0, SECOND_MS, MINUTE_MS)))


def _begin_work(sim: "Simulation", requester: Machine) -> None:
    """Post a task of any kind, and let one of a few take it."""
    task = sim.judging.post(requester)
    for provider in sim.chance.sample(sim.world.machines, _TAKERS_MAX):
        meet([requester, provider])
        if sim.judging.take(provider, task):
            hasten(sim, [requester, provider])
            return


def _list_living(home: Machine) -> list[bytes]:
    rows = get_rows(home.market.contract.market.assignments, "provider")
    return [key for key, row in rows if not row.end]


def copy_home(sim: "Simulation") -> None:
    """Restore some state of a home elsewhere; both may go on from there."""
    if len(sim.world.peers) >= MACHINES_MAX:
        return
    source = sim.pick()
    copy = Machine(sim.world, source.key, is_copy=True)
    entries = source.replica.get_feed(source.id).entries
    end = sim.chance.randint(1, max(1, len(entries)))
    if sim.chance.random() < 0.5:
        copy.pull(source)
    else:
        start = Feed(source.market.id, source.id).tip
        bodies = [entry.body for entry in entries[:end]]
        for piece in seal_bodies(source.market.id, source.key, start, bodies):
            copy.take(piece)
    sim.world.peers.append(copy)
    sim.count("home copied")


def insist(sim: "Simulation") -> None:
    """A forked device goes on, whatever anybody thinks of it."""
    for home in sim.world.machines:
        branches = home.replica.branches
        if branches.get_suspended_from(home.id) and not branches.is_awaiting(home.id):
            time = home.replica.get_feed(home.id).tip.time
            fields = encode_operation(TokenTransfer(sim.pick().account, 1, b"", "more"))
            sim.count("forked device goes on")
            body = encode_body(time + sim.chance.randint(1, 9), fields)
            pieces = seal_bodies(
                home.market.id, home.key, home.replica.get_feed(home.id).tip, [body]
            )
            sim.suffer(lambda home=home, pieces=pieces: home.gate.admit_pieces(pieces))
            return


def connect(sim: "Simulation") -> None:
    """Two machines begin a link."""
    one, other = sim.pick_two()
    if one in sim.stopped or other in sim.stopped:
        return
    weathers = _BAD_NETWORK if sim.kind.is_stormy else _FINE_NETWORK
    sim.network.connect(
        one,
        other,
        sim.fork_chance(),
        sim.chance.choice(weathers),
        live=sim.chance.random() < 0.4,
    )


def pull(sim: "Simulation") -> None:
    """Some pieces come to somebody, in whichever order."""
    one, other = sim.pick_two()
    pieces = sim.chance.choice((None, 1, 2, 5))
    one.pull(other, pieces=pieces, statements=sim.chance.random() < 0.5)


def tell_statements(sim: "Simulation") -> None:
    """Statements arrive without what they are about, in any order."""
    one, other = sim.pick_two()
    statements = list(other.replica.get_statements())
    for statement in sim.chance.sample(statements, min(len(statements), 6)):
        one.take_statement(statement)


def carry_bundle(sim: "Simulation") -> None:
    """Somebody carries a bundle to somebody else."""
    one, other = sim.pick_two()
    write_bundle(sim.file, one.replica, sim.world.genesis_bytes)
    read_bundle(sim.file, other.gate)
    sim.count("bundle carried")


def carry_document(sim: "Simulation") -> None:
    """Somebody carries an Automerge file to somebody else."""
    one, other = sim.pick_two()
    sim.write_document(one)
    sim.admit_document(other, read_inside(sim.file, one.market.id))
    sim.count("document carried")


def part(sim: "Simulation") -> None:
    """The network falls into parts, or comes together again."""
    sim.is_parted = not sim.is_parted
    homes = sim.world.machines
    parts = sim.chance.choice((2, 3))
    split = {home: sim.chance.randrange(parts) for home in homes} if sim.is_parted else {}
    sim.count("partition" if sim.is_parted else "partition over")
    sim.network.part(cast("Any", split))


def stop(sim: "Simulation") -> None:
    """A machine goes away for a while, and is restarted when it comes back."""
    home = sim.pick()
    sim.count("machine offline")
    sim.network.leave(home)
    until_ms = sim.chance.choice((MINUTE_MS, 10 * MINUTE_MS, 3 * HOUR_MS))
    sim.stopped[home] = sim.timeline.now_ms + until_ms
    home.restart()


def lose_power(sim: "Simulation") -> None:
    """The next write of a machine does not come to its end."""
    fate = sim.chance.choice((Fate.BEFORE, Fate.TORN, Fate.TORN, Fate.TORN, Fate.AFTER))
    sim.pick().disk.destine(fate, sim.fork_chance())


def fill_disk(sim: "Simulation") -> None:
    """The next write of a machine finds no room."""
    sim.pick().disk.destine(Fate.FULL, sim.fork_chance())


def set_clock(sim: "Simulation") -> None:
    """A clock is wrong, or right again."""
    skews = (0, 0, 1, -1, 30_000, -30_000, 59_000, HOUR_MS, -HOUR_MS, DAY_MS)
    sim.pick().skew_ms = sim.chance.choice(skews)
    sim.count("clock set")


def meet_deadline(sim: "Simulation") -> None:
    """Somebody does something in the very millisecond in which something falls due."""
    home = sim.pick()
    due_ms = home.replica.machine.get_next_deadline()
    if due_ms is None or not 0 <= due_ms - home.wall_ms <= DAY_MS:
        return
    sim.pass_time(due_ms - home.wall_ms)
    sim.count("deadline met")
    sim.judging.random = sim.chance
    living = _list_living(home)
    if living and sim.chance.random() < 0.7:
        sim.judging.press_on(home, sim.chance.choice(living))
    else:
        sim.play.act(home, sim.chance)


def close_epoch(sim: "Simulation") -> None:
    """The sequencer closes an epoch, carefully or not."""
    for home in sim.world.machines:
        if home.may_close and home not in sim.stopped:
            is_careful = sim.chance.random() < 0.5
            sim.guard(
                lambda home=home, is_careful=is_careful: home.checkpoint(
                    None, home.is_cause_held if is_careful else None
                )
            )


def cosign(sim: "Simulation") -> None:
    """A witness cosigns what is right."""
    for home in sim.world.machines:
        if home not in sim.stopped and sim.chance.random() < 0.7:
            sim.guard(home.cosign)


def hand_over(sim: "Simulation") -> None:
    """Somebody wants another sequencer: a witness, or the owner of the recovery key."""
    up = [home for home in sim.world.machines if home not in sim.stopped] or [sim.pick()]
    # Half of the time somebody who has not heard of the newest checkpoint.
    latest = min(up, key=lambda home: home.replica.chain.index)
    home = sim.chance.choice((sim.pick(), latest))
    sequencer = sim.pick_original().id
    sim.count("word for a handover")
    if sim.chance.random() < 0.6:
        home.give_word(sequencer)
    elif sim.chance.random() < 0.3:
        sim.recover(home)


def lie(sim: "Simulation") -> None:
    """Somebody keeps to no rule."""
    lies = [*LIES, *(GRAVE_LIES if sim.kind.has_grave_liars else ())]
    what = sim.chance.choices([lie for lie, _ in lies], [weight for _, weight in lies])[0]
    what(sim)


DO: Final[dict[str, Callable[["Simulation"], None]]] = {
    each.__name__: each
    for each in (
        *(act, judge, press_on, meet_deadline),
        *(connect, pull, tell_statements, carry_bundle, carry_document, copy_home),
        *(insist, close_epoch, cosign, hand_over, set_clock),
        *(lose_power, fill_disk, part, stop, lie),
    )
}
# What befalls homes, and what those do who keep to no rule, as it is counted.
EVILS: Final = (
    *("home copied", "forked device goes on", "machine offline", "clock set", "partition"),
    *("bundle carried", "document carried", "word for a handover", "restarts"),
    *("forged piece", "piece of another market", "spoiled bundle", "spoiled document"),
    *("link of a liar", "two histories signed", "entries kept back", "entries released late"),
    *("entries of floods", "wash trades", "second checkpoint signed", "wrong root signed"),
    *(
        "checkpoint over secrets",
        "secrets released",
        "checkpoint of the future",
        "cosigned blindly",
    ),
    "handovers by the recovery key",
    *("squatted actor", "arbiters in collusion", "meeting over work", "deadline met"),
)
