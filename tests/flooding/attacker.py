"""Runs one attack until it is told to end, by standard input; says so once it is under way, and
prints what it did.

``python -m tests.flooding.attacker NAME FOLDER ADDRESS``. It runs at a low priority: what is
measured is what the other end withstands, and not who gets the processor.
"""

import os
import resource
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import trio

from synaptic_crdt.rules.genesis import compute_market_id
from tests.flooding import members, strangers, writers
from tests.flooding.dialling import EVERYWHERE, HONEST_SOURCE, HOSTILE_SOURCE, Target
from tests.flooding.scene import read_scene

_NICE: Final = 10


class Attack(NamedTuple):
    """Something done to whoever listens, from one address or many."""

    run: Callable[[Target], Awaitable[None]]
    sources: str = HOSTILE_SOURCE


ATTACKS: Final[Mapping[str, Sequence[Attack]]] = {
    "silence": [Attack(strangers.silence)],
    "drops": [Attack(strangers.drops)],
    "drops-beside": [Attack(strangers.drops, HONEST_SOURCE)],
    "drops-everywhere": [Attack(strangers.drops, EVERYWHERE)],
    "trickle-before": [Attack(strangers.trickle_before)],
    "trickle-within": [Attack(strangers.trickle_within, EVERYWHERE)],
    "garbage": [Attack(strangers.garbage)],
    "garbage-beside": [Attack(strangers.garbage, HONEST_SOURCE)],
    "first-words": [Attack(strangers.first_words)],
    "first-words-everywhere": [Attack(strangers.first_words, EVERYWHERE)],
    "nobodies": [Attack(strangers.nobodies)],
    "nobodies-everywhere": [Attack(strangers.nobodies, EVERYWHERE)],
    "reconnect": [Attack(members.reconnect)],
    "never-read": [Attack(members.never_read)],
    "trickle-after": [Attack(members.trickle_after)],
    "endless-frames": [Attack(members.endless_frames)],
    "endless-leaves": [Attack(members.endless_leaves)],
    "endless-pieces": [Attack(members.endless_pieces)],
    "endless-statements": [Attack(members.endless_statements)],
    "wants-again": [Attack(members.wants_again)],
    "blobs-again": [Attack(members.blobs_again)],
    "write-past": [Attack(writers.write_past)],
    "write-ahead": [Attack(writers.write_ahead)],
    "write-over-quota": [Attack(writers.write_over_quota)],
    "invite-crowds": [Attack(writers.invite_crowds)],
    "fork": [Attack(writers.fork)],
    "mixed": [
        Attack(strangers.silence),
        Attack(strangers.garbage, HONEST_SOURCE),
        Attack(strangers.first_words, EVERYWHERE),
        Attack(members.reconnect),
        Attack(members.endless_pieces),
        Attack(writers.write_past),
    ],
}


async def run(attacks: Sequence[Attack], folder: Path, address: str) -> Mapping[str, int]:
    """Run attacks side by side until standard input ends; return what they did."""
    scene = read_scene(folder)
    market = compute_market_id(scene.genesis)
    targets = [Target(address, scene, market, attack.sources) for attack in attacks]
    async with trio.open_nursery() as nursery:
        for attack, target in zip(attacks, targets, strict=True):
            nursery.start_soon(attack.run, target)
        for target in targets:
            await target.is_ready.wait()
        say("ready")
        await trio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)
        nursery.cancel_scope.cancel()
    return sum((target.told for target in targets[1:]), targets[0].told)


def main(name: str, folder: str, address: str) -> None:
    """Run and print what was done."""
    os.nice(_NICE)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    told = trio.run(run, ATTACKS[name], Path(folder), address)
    say(msgspec.json.encode(told).decode())


def say(line: str) -> None:
    """Write a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
