"""The end of the demo: the last checks, and the table of what every peer computed for itself."""

from typing import Final

from synaptic_crdt.cli.demo.peers import Peer, ask_each
from synaptic_crdt.cli.demo.stage import Stage
from synaptic_crdt.cli.demo.story import Cast, Contest, Ending, find_entry
from synaptic_crdt.cli.output import Json, print_line, print_table, shorten

_DAMAGED: Final = 4


def judge(stage: Stage, cast: Cast, ending: Ending) -> Json:
    """Check what has to be so in the end; return the demo's answer. Raises ``AuditFailed``."""
    answers = ask_each(cast, lambda peer: peer.run("state"))
    states = dict(zip([peer.name for peer in cast], answers, strict=True))
    root, heads = states["rita"]["root"], states["rita"]["heads"]
    audited = _replay(cast.olga, ending, root)
    stage.tell("olga", f"verified {audited['verified']} entries from nothing but the file")
    stage.check(
        "every peer and the replay have the same state root",
        holds={state["root"] for state in states.values()} == {root} == {audited["root"]},
    )
    stage.check(
        "every peer and the replay hold the same entries",
        holds={state["heads"] for state in states.values()} == {heads} == {audited["heads"]},
    )
    stage.check(
        "nothing is pending any more", holds=all(not state["pending"] for state in states.values())
    )
    stage.check(
        "balances, holds and treasury are the supply, on every peer",
        holds=all(_is_conserved(state) for state in states.values()),
    )
    late = find_entry(cast.rita, ending.second.lost)
    stage.check(
        "the late acceptance took its later place and was refused, with the reason",
        holds=late["verdict"] == "NO_FREE_SEAT"
        and late["standing"] == "final"
        and bool(late["explanation"]),
    )
    _check_forgery(stage, cast.olga, ending)
    return {
        "root": root,
        "heads": heads,
        "peers": ask_each(cast, lambda peer: _describe_peer(peer, states[peer.name])),
        "tasks": [_describe_contest(cast, contest) for contest in (ending.first, ending.second)],
        "audit": audited,
        "checks": stage.checks,
        "seconds": round(stage.get_seconds(), 1),
    }


def render(answer: Json) -> None:
    """Print the tables that the demo ends with."""
    print_line()
    print_table(
        ("peer", "root", "entries", "final", "available", "in escrow", "supply"),
        [
            (
                peer["name"],
                shorten(peer["root"]),
                peer["entries"],
                peer["entries"] - peer["pending"],
                peer["available"],
                peer["escrow"],
                "conserved" if peer["conserved"] else "NOT conserved",
            )
            for peer in answer["peers"]
        ]
        + [("replay", shorten(answer["audit"]["root"]), answer["audit"]["entries"], *[None] * 4)],
    )
    print_line()
    print_table(
        ("task", "status", "winner", "paid", "why"),
        [
            (task["title"], task["status"], task["winner"], task["paid"], task["why"])
            for task in answer["tasks"]
        ],
    )
    print_line()
    print_line(
        f"all {len(answer['checks'])} checks hold; every peer has root {answer['root']}"
        f" ({answer['seconds']} s)"
    )


def _replay(auditor: Peer, ending: Ending, root: str) -> Json:
    return auditor.run("audit", str(ending.bundle), "--root", root)


def _check_forgery(stage: Stage, auditor: Peer, ending: Ending) -> None:
    data = bytearray(ending.bundle.read_bytes())
    data[len(data) // 2] ^= 1
    forged = ending.bundle.with_name("forged.bundle")
    forged.write_bytes(data)
    code, _, error = auditor.try_run("audit", str(forged))
    stage.check("a bundle with one flipped bit is refused", holds=code == _DAMAGED)
    stage.tell("olga", f"reads: {error['message']}")


def _describe_peer(peer: Peer, state: Json) -> Json:
    wallet = peer.run("wallet")
    return {
        "name": peer.name,
        "account": peer.account,
        "root": state["root"],
        "entries": state["entries"],
        "pending": state["pending"],
        "available": wallet["available"],
        "escrow": wallet["escrow"],
        "conserved": _is_conserved(state),
    }


def _describe_contest(cast: Cast, contest: Contest) -> Json:
    shown = cast.olga.run("task", "show", contest.task)
    names = {peer.account: peer.name for peer in cast}
    holder = shown["assignments"][-1]
    won = find_entry(cast.olga, holder["assignment"])
    lost = find_entry(cast.olga, contest.lost)
    return {
        "task": contest.task,
        "title": shown["title"],
        "status": holder["status"],
        "winner": names[holder["provider"]],
        "paid": holder["paid"],
        "standing": won["standing"],
        "why": _explain(won, lost, names[lost["account"]]),
    }


def _explain(won: Json, lost: Json, loser: str) -> str:
    """Say by which part of the order the one acceptance comes before the other."""
    gap_ms = lost["time_ms"] - won["time_ms"]
    if won["epoch"] == lost["epoch"]:
        return f"accepted {gap_ms} ms before {loser}: {lost['verdict']} for {loser}"
    return (
        f"was in checkpoint {won['epoch']}; {loser}, {-gap_ms} ms earlier by her clock, came in"
        f" {lost['epoch']}: {lost['verdict']}"
    )


def _is_conserved(state: Json) -> bool:
    return state["balances"] + state["holds"] + state["treasury"] == state["supply"]
