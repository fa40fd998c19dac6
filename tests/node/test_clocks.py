"""A clock that is far off is told before it does harm, and decides nothing for ever."""

import pytest

from synaptic_crdt.errors import UsageError
from synaptic_crdt.node.commands import run_command
from synaptic_crdt.node.health import list_findings
from synaptic_crdt.node.node import Node

_DAY_MS = 86_400_000


def shift(node: Node, monkeypatch: pytest.MonkeyPatch, days: float) -> None:
    wall_ms = node.get_wall_ms() + int(days * _DAY_MS)
    monkeypatch.setattr(node, "get_wall_ms", lambda: wall_ms)


def rename(node: Node) -> dict[str, object]:
    return run_command(node, "account.rename", {"name": "Rita"})


def find_names(node: Node) -> set[str]:
    return {finding.name for finding in list_findings(node)}


def test_a_clock_a_year_ahead_makes_no_checkpoint(
    founder: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    shift(founder, monkeypatch, 365)
    index = founder.replica.chain.index
    # What its own clock stamped is no witness.
    assert "hours ahead" in str(rename(founder)["warning"])
    with pytest.raises(UsageError, match="--clock-is-right"):
        run_command(founder, "checkpoint", {})
    assert founder.replica.chain.index == index
    assert "own-clock-ahead" in find_names(founder)


def test_who_knows_better_overrules_it_once_for_a_process(
    founder: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    shift(founder, monkeypatch, 365)
    assert run_command(founder, "checkpoint", {"clock_is_right": True})["final"]
    run_command(founder, "checkpoint", {})
    assert "own-clock-ahead" not in find_names(founder)


def test_a_market_may_rest_for_days(founder: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    shift(founder, monkeypatch, 6)
    assert "warning" not in rename(founder)
    run_command(founder, "checkpoint", {})


def test_one_peer_that_agrees_is_enough(founder: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    shift(founder, monkeypatch, 365)
    founder.skews["tcp://liar"] = -365 * _DAY_MS
    founder.skews["tcp://peer"] = 1_000
    run_command(founder, "checkpoint", {})


def test_a_clock_hours_ahead_of_all_peers_makes_no_checkpoint(
    founder: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    shift(founder, monkeypatch, 0.5)
    founder.skews["tcp://peer"] = -_DAY_MS // 2
    with pytest.raises(UsageError, match="all peers say so"):
        run_command(founder, "checkpoint", {})


@pytest.mark.parametrize(
    ("skew_ms", "words"), [(61_000, "61 s behind"), (-61_000, "61 s ahead of")]
)
def test_a_clock_that_most_peers_disagree_with_is_told(
    founder: Node, skew_ms: int, words: str
) -> None:
    for address in ("tcp://one", "tcp://other"):
        founder.skews[address] = skew_ms
    founder.skews["tcp://third"] = 0
    assert words in str(rename(founder)["warning"])


def test_a_clock_behind_the_market_is_told(founder: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    run_command(founder, "checkpoint", {})
    shift(founder, monkeypatch, -1)
    assert "behind the market's time" in str(rename(founder)["warning"])
