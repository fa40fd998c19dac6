"""The code still makes the bytes, orders and roots that were published."""

import json
from typing import Any

import pytest

from synaptic_crdt.state.proofs import ProvenEntry, ProvenRows, verify_proof
from tests.vectors.make_format import FOLDER, REFUSED, make_vectors


@pytest.fixture(scope="module")
def vectors() -> dict[str, dict[str, Any]]:
    return make_vectors()


def test_the_code_still_makes_the_published_vectors(vectors: dict[str, dict[str, Any]]) -> None:
    for name, made in vectors.items():
        assert made == json.loads((FOLDER / name).read_text("utf-8")), (
            f"{name} is published and stays; `python -m tests.vectors.make_format` adds what is new"
        )


def test_every_refused_encoding_is_refused(vectors: dict[str, dict[str, Any]]) -> None:
    assert vectors["format.json"]["refused"] == REFUSED


def test_the_published_proofs_hold() -> None:
    published = json.loads((FOLDER / "proofs.json").read_text("utf-8"))
    market, root = (bytes.fromhex(published[name]) for name in ("market", "root"))
    proven = {
        name: verify_proof(market, root, bytes.fromhex(proof))
        for name, proof in published["proofs"].items()
    }
    there = {
        name: [row.row is not None for row in rows.rows]
        for name, rows in proven.items()
        if isinstance(rows, ProvenRows)
    }
    assert list(there.values()) == [[True], [True, True], [False], [False]]
    receipts = [entry for entry in proven.values() if isinstance(entry, ProvenEntry)]
    assert {receipt.verdict for receipt in receipts} == {0, 2}


def test_the_history_has_what_makes_order_matter(vectors: dict[str, dict[str, Any]]) -> None:
    steps = vectors["history.json"]["steps"]
    key = "id, verdict, epoch, effective time in order"
    verdicts = {verdict for _, verdict, _, _ in steps[-1][key]}
    assert len(verdicts) > 2
    assert len({step["root"] for step in steps}) == len(steps)
    # The late feed's first entry stands in the second epoch, at that epoch's beginning.
    assert [epoch for _, _, epoch, _ in steps[-1][key]] == [1] * 6 + [2] * 5
