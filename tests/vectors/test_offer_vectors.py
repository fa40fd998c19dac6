"""Offers are still matched as was published."""

import json
from typing import Any

import pytest

from synaptic_crdt.rules.verdicts import Verdict
from tests.vectors.make_market import FOLDER, replay_life
from tests.vectors.make_offers import make_vectors


@pytest.fixture(scope="module")
def vectors() -> dict[str, dict[str, Any]]:
    return make_vectors()


def read(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / name).read_text("utf-8"))


def test_the_code_still_makes_the_published_vectors(vectors: dict[str, dict[str, Any]]) -> None:
    for name, made in vectors.items():
        assert made == read(name), name


def test_the_published_bytes_still_fold_to_the_published_roots() -> None:
    published = read("market-offers.json")
    assert replay_life(published) == published["steps"]


def test_the_market_shows_both_orders_a_return_and_an_absence(
    vectors: dict[str, dict[str, Any]],
) -> None:
    market = vectors["market-offers.json"]
    ends = [end for _, _, _, end in market["matches"].values()]
    assert "DECLINED" in ends
    assert len({offer for offer, _, _, _ in market["matches"].values()}) == 2
    assert [state for state, _, _, _ in market["offers"].values()] == ["WITHDRAWN", "OPEN"]
    order = market["id, epoch, effective time, verdict in order"]
    refused = [Verdict(verdict).name for _, _, _, verdict in order if verdict]
    assert refused == ["OFFER_ENDED"]
    (kind,) = market["book"]["kinds"]
    assert kind["auctions"][0]["auction"] == "dutch"
