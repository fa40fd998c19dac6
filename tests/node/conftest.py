"""Homes to test with: made on disk, opened in this process."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from synaptic_crdt.node.commands import run_command
from synaptic_crdt.node.founding import found_market, join_account, join_market, request_device
from synaptic_crdt.node.home import Home
from synaptic_crdt.node.node import Node
from synaptic_crdt.state.feeds import Piece
from synaptic_crdt.state.statements import encode_statement
from synaptic_crdt.sync.inspection import Admission


@pytest.fixture
def founder(tmp_path: Path) -> Iterator[Node]:
    """The founder's open home of a new market."""
    home = Home(tmp_path / "founder")
    found_market(home, "", name="Test", account_name="Fay", wall_ms=time.time_ns() // 1_000_000)
    node = Node.open(home, "")
    yield node
    node.close()


@pytest.fixture
def join(founder: Node, tmp_path: Path) -> Iterator[Callable[..., Node]]:
    """Invite and join by name; the new home holds what the founder holds."""
    opened: list[Node] = []

    def join_as(name: str, grant: int = 0, role: str = "member") -> Node:
        ticket = run_command(founder, "invite", {"grant": grant, "role": role})["ticket"]
        home = Home(tmp_path / name)
        join_market(home, "", ticket, name)
        node = Node.open(home, "")
        opened.append(node)
        carry(founder, node)
        carry(node, founder)
        return node

    yield join_as
    for node in opened:
        node.close()


@pytest.fixture
def add(tmp_path: Path) -> Iterator[Callable[..., Node]]:
    """Let another machine join a node's account; the two then hold the same."""
    opened: list[Node] = []

    def add_to(node: Node, name: str, *, met: bool = True) -> Node:
        home = Home(tmp_path / name)
        request = request_device(home, "")["request"]
        ticket = run_command(node, "device.add", {"request": request})["ticket"]
        join_account(home, "", ticket)
        other = Node.open(home, "")
        opened.append(other)
        if met:
            carry(node, other)
            carry(other, node)
        return other

    yield add_to
    for node in opened:
        node.close()


def carry(source: Node, target: Node) -> None:
    """Bring all that one node holds to another, as any way of syncing does."""
    pieces: list[Piece] = []
    for device, feed in source.replica.feeds.items():
        first = target.replica.get_feed(device).position + 1
        while (piece := feed.get_piece(first)) is not None:
            pieces.append(piece)
            first = piece.last + 1
    # What stands on others waits for them, as it does on a link.
    while Admission.HOLD in (admissions := target.gate.admit_pieces(pieces)):
        if Admission.ACCEPT not in admissions:
            break
    counted = range(target.replica.chain.index + 1, source.replica.chain.index + 1)
    checkpoints = [source.replica.chain.get(index) for index in counted]
    target.gate.admit_statements(
        [encode_statement(checkpoint) for checkpoint in checkpoints if checkpoint is not None]
    )


def damage_body(home: Home, order: str) -> None:
    """Flip a bit in the first (``ASC``) or last (``DESC``) entry that a closed home's store has."""
    with sqlite3.connect(home.store_path) as connection:
        place, body = connection.execute(
            f"SELECT place, body FROM entries ORDER BY place {order} LIMIT 1"  # noqa: S608
        ).fetchone()
        changed = body[:-1] + bytes((body[-1] ^ 1,))
        connection.execute("UPDATE entries SET body = ? WHERE place = ?", (changed, place))
    connection.close()
