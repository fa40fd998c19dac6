"""The command itself: what it offers, and the one way in and out of it.

Everything but click is imported by the command that needs it, so that help is quick.
"""

import os
import sys
from collections.abc import Sequence
from typing import Final

import click

from synaptic_crdt import __version__
from synaptic_crdt.cli.command import Group, Member
from synaptic_crdt.cli.failures import run_guarded

PROGRAM: Final = "synaptic-crdt"


def main(args: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    line = sys.argv[1:] if args is None else list(args)
    # Asked before the line is parsed: it may be the parsing that fails.
    return run_guarded(lambda: _run(line), as_json="--json" in line)


def _run(line: Sequence[str]) -> int:
    code = root.main(list(line), PROGRAM, standalone_mode=False)
    return code if isinstance(code, int) else os.EX_OK


def _member(module: str, attribute: str, summary: str) -> Member:
    return Member(f"synaptic_crdt.cli.{module}", attribute, summary)


_MEMBERS: Final = {
    "demo": _member("demo.command", "demo", "Play a whole market on this machine."),
    "init": _member("market", "init", "Found a market in a new home."),
    "key": _member("market", "key", "Make the device key of a new home, and show its device."),
    "invite": _member("invite", "invite", "Invite somebody: make a ticket, which works once."),
    "join": _member("market", "join", "Join a market with a ticket."),
    "device": _member(
        "device", "device", "Use several machines for one account; revoke lost ones."
    ),
    "whoami": _member("market", "whoami", "Show the market, account and device of a home."),
    "account": _member("account", "account", "Change what others see of your account."),
    "wallet": _member("wallet", "wallet", "Show what you have and what moved it; send tokens."),
    "consent": _member("consent", "consent", "Opt in to working for others, or out."),
    "terms": _member("consent", "terms", "Read the terms in force."),
    "policy": _member("policy", "policy", "Say what this machine may work on."),
    "task": _member("task", "task", "Post, accept, run and settle tasks."),
    "offer": _member(
        "offer", "offer", "Offer work: a standing offer takes the next task that fits."
    ),
    "dispute": _member("dispute", "dispute", "Let arbiters decide on delivered work."),
    "feedback": _member("reputation", "feedback", "Rate the other party of settled work."),
    "reputation": _member("reputation", "reputation", "Show scores, tier and how work ended."),
    "prices": _member("prices", "prices", "Show what work was paid for, raw and organic."),
    "quote": _member("prices", "quote", "Say what a task would cost, and how that compares."),
    "provide": _member(
        "provide", "provide", "Work: accept what the local policy allows, run it, deliver."
    ),
    "usage": _member(
        "usage",
        "usage",
        "Show what work has cost this machine: every call of a model, kept here and nowhere else.",
    ),
    "up": _member(
        "up", "up", "Do everything that this home does for the market, until interrupted."
    ),
    "status": _member(
        "up",
        "status",
        "Show this home on one screen: what runs, what it owes, what is yours to decide.",
    ),
    "sync": _member("sync", "sync", "Exchange entries with peers."),
    "listen": _member("sync", "listen", "Let peers sync with this home until interrupted."),
    "peers": _member("peers", "peers", "Show the links of this home, and the addresses it knows."),
    "archive": _member("archive", "archive", "Move final history to a file, and back."),
    "bundle": _member("bundle", "bundle", "Carry a market in a file."),
    "read-key": _member(
        "read_key", "read_key", "The key that keeps files in folders from who carries them."
    ),
    "blob": _member("blob", "blob", "Carry payloads and results that are too large for an entry."),
    "export": _member("document", "export", "Write the market as an Automerge document."),
    "import": _member("document", "import_file", "Merge an Automerge document into this home."),
    "state": _member("state", "state", "Show root, entries, time and supply."),
    "log": _member("state", "log", "Show all entries in order, with author, time and verdict."),
    "reissue": _member("fork", "reissue", "Write again what entries of a losing branch asked for."),
    "fork": _member("fork", "fork", "See which devices signed two histories; put one on record."),
    "audit": _member("audit", "audit", "Replay a market; prove what it says."),
    "checkpoint": _member("state", "checkpoint", "Close an epoch: make what is ready final."),
    "cosign": _member("state", "cosign", "Recompute the next checkpoint and cosign it."),
    "handover": _member(
        "handover", "handover", "Replace a lost or stolen sequencer, and the witnesses."
    ),
    "doctor": _member("doctor", "doctor", "Say what is the matter with the market and this home."),
    "treasury": _member(
        "treasury", "treasury", "Pay from the treasury, or add to it, as the council."
    ),
    "market": _member(
        "parameters",
        "market",
        "See the order book, health and parameters; change these, as the council.",
    ),
    "attest": _member(
        "attest", "attest", "Vouch for accounts, as a verifier; see who vouched for whom."
    ),
}


@click.group(
    cls=Group,
    name=PROGRAM,
    members=_MEMBERS,
    examples=(
        "demo",
        "init --name 'Our market'",
        "task post --kind text.answer --title 'A question' --text 'What is a CRDT?' --price 50",
    ),
    context_settings={"help_option_names": ["--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name=PROGRAM)
def root() -> None:
    """A peer-to-peer market for AI work, without a server, a chain or an operator.

    Every participant has a home directory with a key and a copy of the market. Homes sync with
    each other, over a link or by a file, and all of them compute the same state.
    """
