"""The play: a requester, two providers and an auditor, from the founding to the audit.

The order of events on the clock is the order in which the commands run, each ending before the
next begins; nothing sleeps, and what takes time is asked for until it is there.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from synaptic_crdt.cli.demo.peers import Peer, ask_each
from synaptic_crdt.cli.demo.stage import Stage
from synaptic_crdt.cli.output import Json, shorten

_ANYWHERE: Final = "tcp://127.0.0.1:0"
_PRICE: Final = 100
_ASK: Final = 80
_GRANT: Final = 1_000


class Cast(NamedTuple):
    """Who plays."""

    rita: Peer  # founds the market, posts tasks, makes the checkpoints
    ana: Peer  # a provider
    ben: Peer  # a provider who is offline while he accepts
    olga: Peer  # an auditor

    @property
    def providers(self) -> tuple[Peer, ...]:
        """Who works for rita."""
        return self.ana, self.ben

    @property
    def guests(self) -> tuple[Peer, ...]:
        """Everybody but the founder."""
        return *self.providers, self.olga


class Contest(NamedTuple):
    """A task that two wanted, by its id, and the acceptance that lost."""

    task: str
    lost: str


class Ending(NamedTuple):
    """What the play leaves behind, for the final table and the checks."""

    first: Contest
    second: Contest
    bundle: Path


def play(stage: Stage, folder: Path) -> tuple[Cast, Ending]:
    """Play all acts in a folder; return who played and what came of it."""
    cast = Cast(*(Peer(name, folder / name) for name in ("rita", "ana", "ben", "olga")))
    stage.begin("A market is founded, and three join it over TCP")
    rita = cast.rita
    founded = rita.run("init", "--name", "Demo market", "--account-name", "rita")
    rita.account = founded["account"]
    stage.tell("rita", f"founds a market and has {founded['funded']:,} {founded['symbol']}")
    with rita.serving("listen", _ANYWHERE, until="listening") as listening:
        address = listening["address"]
        stage.tell("rita", f"listens on {address}")
        _gather(stage, cast, address)
        first = _post(stage, cast, address, "What is a CRDT?")
    stage.tell("rita", "closes her laptop: nobody can make a checkpoint now")

    stage.begin("Two providers accept the same seat and cannot see each other")
    first_lost = _accept_apart(stage, cast, first, folder / "ben.bundle")
    stage.begin("A checkpoint makes it final, the winner works and is paid")
    with rita.serving("listen", _ANYWHERE, until="listening") as listening:
        address = listening["address"]
        stage.tell("rita", f"listens on {address} again")
        _settle_order(stage, cast, first, address)
        _work_and_pay(stage, cast, first, address)
        stage.begin("An acceptance with an earlier time arrives after the checkpoint")
        second = _post(stage, cast, address, "And what is a Merkle tree?")
        second_lost = _accept_too_late(stage, cast, second, address)

    stage.begin("The auditor replays everything from a file")
    bundle = folder / "market.bundle"
    rita.run("bundle", "write", str(bundle))
    stage.tell("rita", f"writes {bundle.name}, {bundle.stat().st_size:,} bytes")
    return cast, Ending(Contest(first, first_lost), Contest(second, second_lost), bundle)


def find_entry(peer: Peer, entry: str) -> Json:
    """Return an entry and what became of it, as this peer tells it."""
    found = [row for row in peer.run("log")["entries"] if row["entry"] == entry]
    assert len(found) == 1, entry
    return found[0]


def _gather(stage: Stage, cast: Cast, address: str) -> None:
    def join(guest: Peer) -> None:
        role = "auditor" if guest is cast.olga else "member"
        grant = () if guest is cast.olga else ("--grant", str(_GRANT))
        # Her own process owns the home, so this goes through its socket.
        issued = cast.rita.run("invite", "--role", role, *grant, "--address", address)
        guest.account = guest.run("join", issued["ticket"], "--account-name", guest.name)["account"]
        stage.tell("rita", f"invites {guest.name} as {role}, who joins")

    ask_each(cast.guests, join)
    _sync(cast.guests, address)
    ask_each(cast.providers, lambda provider: provider.run("consent", "on"))
    stage.tell("both", "providers have read the terms and opt in to working")
    _sync(cast.providers, address)


def _post(stage: Stage, cast: Cast, address: str, question: str) -> str:
    posted = cast.rita.run(
        *("task", "post", "--kind", "text.answer", "--title", question, "--text", question),
        *("--price", str(_PRICE), "--priority", "0s", "--allow-pending"),
    )
    task: str = posted["task"]
    cast.rita.run("checkpoint")
    stage.tell("rita", f"posts task {shorten(task)}: {posted['locked']} locked in escrow")
    _sync(cast.providers, address)
    return task


def _accept_apart(stage: Stage, cast: Cast, task: str, stick: Path) -> str:
    rita, ana, ben, olga = cast
    ben.run("task", "accept", task, "--ask", str(_ASK))
    stage.tell("ben", f"is offline and accepts for {_ASK}: nobody hears of it yet")
    hers: str = ana.run("task", "accept", task, "--ask", str(_ASK + 10))["entry"]
    stage.tell("ana", f"accepts a moment later for {_ASK + 10}, and is online")
    with ana.serving("listen", _ANYWHERE, until="listening") as listening:
        olga.run("sync", listening["address"])
        stage.tell("olga", "syncs with ana over TCP")
        stage.check(
            "ana and the auditor both see ana as the winner, pending",
            holds=_is_won_by(ana, "pending", (ana, olga), task),
        )
        ben.run("bundle", "write", str(stick))
        ana.run("bundle", "read", str(stick))
        stage.tell("ben", "hands ana a bundle on a stick: his acceptance has the earlier time")
        olga.run("sync", listening["address"])
        stage.check(
            "everybody who knows of both sees ben as the winner, pending",
            holds=_is_won_by(ben, "pending", (ana, olga), task),
        )
        told = find_entry(ana, hers)
        stage.check("ana is told that hers was reversed", holds=told["standing"] == "reversed")
        stage.tell("ana", f"reads: {told['verdict']}, {told['explanation']}")
        # She dials and does not listen yet: a listening founder makes a checkpoint every two
        # seconds, and it might fall between the two acceptances.
        rita.run("sync", listening["address"])
        stage.tell("rita", "opens her laptop, syncs with ana, and hears of both at once")
    return hers


def _settle_order(stage: Stage, cast: Cast, task: str, address: str) -> None:
    rita, _, ben, _ = cast
    made = rita.run("checkpoint")
    stage.tell("rita", f"makes checkpoint {made['index']}: the order up to here is fixed")
    _sync(cast.guests, address)
    stage.check(
        "on every peer ben has won, final",
        holds=_is_won_by(ben, "final", cast, task),
    )


def _work_and_pay(stage: Stage, cast: Cast, task: str, address: str) -> None:
    rita, _, ben, _ = cast
    before = ben.run("wallet")["available"]
    ben.run("policy", "set", "--opt-in", "--kinds", "text.answer")
    with ben.serving("sync", "--live", address, until="linked"):
        stage.tell("ben", "stays linked live, and starts his worker beside it")
        ben.run("provide", "--once", "--executor", "rehearsal")
        delivered = rita.wait_for(
            "a delivery",
            ("task", "show", task),
            lambda told: told["assignments"][-1]["status"] == "DELIVERED",
        )
        result = rita.run("task", "result", task)["results"][0]
        stage.tell("ben", f"has delivered {result['size']} bytes; rita reads them live")
        rita.run("task", "approve", task)
        rita.run("checkpoint")
        ben.wait_for("ben's payment", ("wallet",), lambda told: told["available"] == before + _ASK)
    shown = rita.run("task", "show", task)
    stage.tell("rita", f"approves: ben is paid {shown['assignments'][-1]['paid']}")
    stage.check(
        f"of {_PRICE} locked ben got {_ASK}, and the rest went back to rita",
        holds=delivered["escrow"] == _PRICE
        and shown["assignments"][-1]["paid"] == _ASK
        and shown["escrow"] == 0,
    )


def _accept_too_late(stage: Stage, cast: Cast, task: str, address: str) -> str:
    rita, ana, ben, _ = cast
    hers: str = ana.run("task", "accept", task)["entry"]
    stage.tell("ana", "accepts offline, and keeps it to herself")
    ben.run("task", "accept", task, "--ask", str(_ASK))
    ben.run("sync", address)
    stage.tell("ben", "accepts later than she, and syncs")
    rita.run("checkpoint")
    stage.tell("rita", "makes a checkpoint: ben's acceptance is final")
    ana.run("sync", address)
    stage.tell("ana", "syncs after it: her acceptance has the earlier time and comes too late")
    rita.run("checkpoint")
    _sync(cast.guests, address)
    told = find_entry(ana, hers)
    stage.tell("ana", f"is told: {told['verdict']}, {told['explanation']}")
    return hers


def _sync(guests: Sequence[Peer], address: str) -> None:
    ask_each(guests, lambda guest: guest.run("sync", address))


def _is_won_by(winner: Peer, standing: str, peers: Sequence[Peer], task: str) -> bool:
    """Do all these peers, each by itself, see this winner, this sure?"""
    seen = ask_each(peers, lambda peer: _get_winner(peer, task))
    return set(seen) == {(winner.account, standing)}


def _get_winner(peer: Peer, task: str) -> tuple[str, str]:
    """Return who has the task's one seat on this peer, and how sure that is."""
    shown = peer.run("task", "show", task)
    living = [row for row in shown["assignments"] if row["status"] not in {"DECLINED", "VOID"}]
    return (living[0]["provider"], living[0]["standing"]) if len(living) == 1 else ("", "")
