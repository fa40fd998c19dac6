"""The contract still gives the verdicts, balances and roots that were published."""

import json
from typing import Any

import pytest

from synaptic_crdt.rules.rows import Reason
from synaptic_crdt.rules.verdicts import Verdict, get_verdict_class
from tests.vectors.make_market import FOLDER, make_vectors, replay_life


@pytest.fixture(scope="module")
def vectors() -> dict[str, dict[str, Any]]:
    return make_vectors()


def read(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / name).read_text("utf-8"))


def test_the_code_still_makes_the_published_vectors(vectors: dict[str, dict[str, Any]]) -> None:
    for name, made in vectors.items():
        assert made == read(name), name


@pytest.mark.parametrize("name", ["market-life.json", "market-devices.json", "market-council.json"])
def test_the_published_bytes_still_fold_to_the_published_roots(name: str) -> None:
    published = read(name)
    assert replay_life(published) == published["steps"]


def test_the_life_shows_work_paid_refused_and_given_up(vectors: dict[str, dict[str, Any]]) -> None:
    life = vectors["market-life.json"]
    reasons: set[Reason] = {reason for _, reason, _, _ in life["assignments"].values()}
    assert reasons >= {"approved", "review-ended", "contest-ended", "declined", "failed"}
    assert life["held"] == 0
    # Fees went back to where the grants came from.
    assert life["treasury"] + sum(life["balances"].values()) == 1_000_000
    order = life["id, epoch, effective time, verdict in order"]
    assert len({verdict for _, _, _, verdict in order}) > 5
    assert {epoch for _, epoch, _, _ in order} == set(range(1, max(e for _, e, _, _ in order) + 1))


def test_the_household_shows_who_may_end_whom(vectors: dict[str, dict[str, Any]]) -> None:
    household = vectors["market-devices.json"]
    states = [state for _, _, state, _ in household["devices"].values()]
    assert states == ["ACTIVE", "ACTIVE", "CLOSED", "ACTIVE"]
    assert len(household["void"]) == 1
    order = household["id, epoch, effective time, verdict in order"]
    refused = [Verdict(verdict).name for _, _, _, verdict in order if verdict]
    assert refused == ["BALANCE_TOO_LOW", "DEVICE_IS_OLDER"]
    assert sum(household["balances"].values()) == 5_000


def test_the_council_shows_what_changes_and_what_is_refused_meanwhile(
    vectors: dict[str, dict[str, Any]],
) -> None:
    council = vectors["market-council.json"]
    order = council["id, epoch, effective time, verdict in order"]
    refused = [Verdict(verdict).name for _, _, _, verdict in order if verdict]
    assert refused == ["OWN_CAP_UNITS", "TERMS_OLD", "MINT_OVER_CAP"]
    parameters = council["parameters"]
    assert (parameters["supply"], parameters["mintable"]) == (1_000_400, 600)
    assert (parameters["fee_ppm"], parameters["changes"]) == (100_000, [])
    assert council["attestations"][0]["counts"]


def test_every_verdict_of_form_is_shown(vectors: dict[str, dict[str, Any]]) -> None:
    forms = [*vectors["market-forms.json"].values(), *read("offer-forms.json").values()]
    shown = {form["name"] for form in forms}
    # That more is asked for than there is depends on the market, not on the bytes alone; and
    # credentials have a file of their own.
    expected = {verdict.name for verdict in Verdict if get_verdict_class(verdict) == "form"}
    assert shown == (expected | {"APPLIED"}) - {"LOCK_OVER_SUPPLY", "CREDENTIAL_FOUND"}
